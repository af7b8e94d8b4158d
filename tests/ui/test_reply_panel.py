from typing import Any, cast

import gradio as gr
import pytest

from nextgpt_chat.checkpoint import find_checkpoint
from nextgpt_chat.engine.models import Models
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import UserError
from nextgpt_chat.events import Model
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.store.jobs import Jobs
from nextgpt_chat.ui.reply_panel import ReplyPanel
from tests.conftest import CHECKPOINT

EMBEDDED = find_checkpoint(CHECKPOINT.parent, CHECKPOINT.name)
LENGTHS = {"video": {"min_frames": 4, "max_frames": 16}, "audio": {"min_seconds": 1.0, "max_seconds": 3.0}}
TINYLAND = EMBEDDED.model_copy(
    update={"decoding": {kind: one.model_copy(update=LENGTHS.get(kind, {})) for kind, one in EMBEDDED.decoding.items()}}
)
SMALLER = TINYLAND.model_copy(
    update={
        "name": "smaller",
        "outputs": ("text", "image"),
        "decoding": {"image": TINYLAND.decoding["image"].model_copy(update={"max_steps": 30, "max_frames": 0})},
    }
)


def idle(name: str) -> Worker:
    """An engine that is never started."""
    return Worker(cast(Jobs, None), lambda: cast(Model, None), name)


MODELS = Models([(TINYLAND, idle("tinyland")), (SMALLER, idle("smaller"))])


def chosen(steps: int | None = None, **values: Any) -> ReplySettings:
    panel = ReplyPanel(MODELS, steps)
    with gr.Blocks():
        panel.build_numbers()
        panel.build_kinds()
    given = {
        "model": "",
        "wanted": [],
        "seed": -1,
        "temperature": 0,
        "number": 0,
        "guidance": 0,
        "frames": 0,
        "seconds": 0,
    } | values
    model, settings = panel.chosen({getattr(panel, name): value for name, value in given.items()})
    assert model.name == (values.get("model") or "tinyland")
    return settings


def test_nothing_chosen_is_the_models_own() -> None:
    assert chosen() == ReplySettings()
    assert chosen(steps=9) == ReplySettings(steps=9)


def test_what_is_chosen_is_taken() -> None:
    assert chosen(frames=16, seconds=1.0) == ReplySettings(frames=16, seconds=1.0)
    assert chosen(9, wanted=["audio", "image"], seed=7, temperature=0.5, number=3, guidance=2.5) == ReplySettings(
        seed=7, temperature=0.5, steps=3, guidance=2.5, kinds=("image", "audio")
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"seed": -2}, "The seed is -2. Accepted are values from -1 to"),
        ({"seed": None}, "The seed is None"),
        ({"seed": 2**31}, "The seed is 2147483648"),
        ({"temperature": 9}, "The temperature is 9. Accepted are values from 0 to 1.5"),
        ({"number": 51}, "The number of denoising steps is 51. Accepted are values from 0 to 50"),
        ({"guidance": float("nan")}, "The guidance scale is nan"),
        ({"wanted": ["image", "text"]}, "Accepted is a list of: image, video, audio"),
        ({"wanted": "image"}, "The kinds are image"),
        ({"frames": 17}, "The number of frames is 17. Accepted are values from 4 to 16"),
        ({"frames": 3}, "The number of frames is 3"),
        ({"seconds": 0.9}, "The length in seconds is 0.9. Accepted are values from 1 to 3"),
        ({"model": "smaller", "frames": 8}, "The number of frames is 8. Accepted are values from 0 to 0"),
        ({"model": "smaller", "number": 31}, "The number of denoising steps is 31. Accepted are values from 0 to 30"),
        ({"model": "smaller", "wanted": ["audio"]}, "Accepted is a list of: image"),
        ({"model": "bigger"}, "There is no model called 'bigger' here. The models are: tinyland, smaller."),
        ({"guidance": "a lot"}, "The guidance scale is a lot"),
    ],
)
def test_values_beyond_the_bounds_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        chosen(**values)


def test_bounds_and_kinds_follow_the_model() -> None:
    panel = ReplyPanel(MODELS, None)
    with gr.Blocks():
        panel.build_title()
        panel.build_numbers()
        panel.build_kinds()
    assert panel.model.visible
    changed = panel.on_model("smaller", gr.Request(headers={}))
    assert changed[panel.number]["maximum"] == 30
    assert (panel.frames.visible, changed[panel.frames]["visible"], changed[panel.seconds]["visible"]) == (True, False, False)
    assert changed[panel.wanted]["choices"] == [("Picture", "image")]
    assert panel.on_model("nobody", gr.Request(headers={"accept-language": "de"}))[panel.number]["maximum"] == 50
    assert chosen(model="smaller", number=30) == ReplySettings(steps=30)
