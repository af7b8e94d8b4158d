from typing import Any

import gradio as gr
import pytest

from nextgpt_chat.checkpoint import find_checkpoint
from nextgpt_chat.errors import InputError
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.ui.reply_panel import ReplyPanel
from tests.conftest import CHECKPOINT


def chosen(steps: int | None = None, **values: Any) -> ReplySettings:
    panel = ReplyPanel(find_checkpoint(CHECKPOINT.parent, CHECKPOINT.name), steps)
    with gr.Blocks():
        panel.build_numbers()
        panel.build_kinds()
    given = {"wanted": [], "seed": -1, "temperature": 0, "number": 0, "guidance": 0} | values
    return panel.chosen({getattr(panel, name): value for name, value in given.items()})


def test_nothing_chosen_is_the_models_own() -> None:
    assert chosen() == ReplySettings()
    assert chosen(steps=9) == ReplySettings(steps=9)


def test_what_is_chosen_is_taken() -> None:
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
        ({"guidance": "a lot"}, "The guidance scale is a lot"),
    ],
)
def test_values_beyond_the_bounds_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        chosen(**values)
