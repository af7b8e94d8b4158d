"""What reaches the denoisers of a converted model: the projections' conditions as they are, in the middle of what their text encoders say."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nextgpt_chat.conversation import Conversation, Text, Turn
from nextgpt_chat.events import Done
from nextgpt_chat.pipeline import Pipeline
from nextgpt_chat.settings import ReplySettings


@pytest.mark.parametrize(
    ("kind", "argument"), [("image", "encoder_hidden_states"), ("video", "encoder_hidden_states"), ("audio", "class_labels")]
)
def test_a_condition_reaches_the_denoiser_with_the_length_that_the_projection_gave_it(
    kind: str, argument: str, pipeline: Pipeline
) -> None:
    made: list[Tensor] = []
    seen: list[Tensor] = []

    def projected(_module: nn.Module, _given: Any, condition: Tensor) -> None:
        made.append(condition)

    def denoised(_module: nn.Module, _given: Any, named: dict[str, Any]) -> None:
        seen.append(named[argument])

    unet = pipeline.decoders[kind].pipeline.unet  # type: ignore[attr-defined]
    hooks = [
        pipeline.output_projections[kind].register_forward_hook(projected),
        unet.register_forward_pre_hook(denoised, with_kwargs=True),
    ]
    settings = ReplySettings(seed=1, steps=2, kinds=(kind,), max_new_tokens=60)
    events = list(pipeline.reply(Conversation((Turn("user", (Text("a bird, please"),)),)), settings, lambda: False))
    for hook in hooks:
        hook.remove()
    assert isinstance(events[-1], Done)
    condition = made[0][:, 0] if kind == "audio" else made[0]
    empty, given = seen[0].chunk(2)  # guided away from the empty text
    assert torch.equal(given, condition)
    if kind == "audio":  # text has length 1 there; what is projected has not, and the published code leaves it so
        torch.testing.assert_close(empty.norm(dim=-1), torch.ones(1))
        assert (given.norm(dim=-1) - 1).abs().min() > 0.1
