"""How replies are made, as far as a person chooses it: kinds of media above the message box, numbers in the sidebar."""

import math
from collections.abc import Collection
from typing import Any

import gradio as gr

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.errors import InputError
from nextgpt_chat.media.names import NOUNS
from nextgpt_chat.settings import ReplySettings

HOTTEST = 1.5
"""Highest sampling temperature; text falls apart beyond."""
ANY_SEED, LAST_SEED = -1, 2**31 - 1
"""Stands for a new seed with each reply, and the highest seed."""

Given = dict[Any, Any]
"""Component -> its value, as a handler gets them."""


class ReplyPanel:
    """Its components, and what their values mean. The bounds are the model's own."""

    def __init__(self, checkpoint: Checkpoint, steps: int | None) -> None:
        """`steps` is the host's choice, which holds where a person makes none."""
        self.steps = steps
        decoders = checkpoint.decoding.values()
        self.most_steps = max((one.max_steps for one in decoders), default=1)
        self.most_guidance = max((one.max_guidance for one in decoders), default=1.0)
        self.kinds = [kind for kind in checkpoint.outputs if kind in NOUNS]

    def build_numbers(self) -> None:
        """Lays out the numbers, for the sidebar."""
        own = "0 takes the model's own."
        with gr.Accordion("Settings", open=False, elem_id="settings"):
            self.seed = gr.Number(
                ANY_SEED,
                label="Seed",
                info=f"{ANY_SEED} draws a new one.",
                minimum=ANY_SEED,
                maximum=LAST_SEED,
                precision=0,
                elem_id="seed",
            )
            self.temperature = gr.Slider(
                0, HOTTEST, 0, step=0.1, label="Temperature", info="0 takes the likeliest words.", elem_id="temperature"
            )
            self.number = gr.Slider(0, self.most_steps, 0, step=1, label="Denoising steps", info=own, elem_id="steps")
            self.guidance = gr.Slider(0, self.most_guidance, 0, step=0.5, label="Guidance scale", info=own, elem_id="guidance")

    def build_kinds(self) -> None:
        """Lays out the kinds of media, for the place above the message box."""
        choices = [(NOUNS[kind].capitalize(), kind) for kind in self.kinds]
        self.wanted = gr.CheckboxGroup(choices, label="Reply with", container=False, elem_id="wanted", visible=bool(choices))

    @property
    def inputs(self) -> set[Any]:
        """What `chosen` reads."""
        return {self.wanted, self.seed, self.temperature, self.number, self.guidance}

    def chosen(self, given: Given) -> ReplySettings:
        """The values of `inputs` as settings. Raises `InputError` for what lies outside of the bounds."""
        return self.settings(
            given[self.seed], given[self.temperature], given[self.number], given[self.guidance], given[self.wanted] or ()
        )

    def settings(
        self, seed: float = ANY_SEED, temperature: float = 0, steps: float = 0, guidance: float = 0, kinds: Collection[str] = ()
    ) -> ReplySettings:
        """Settings within the model's bounds; what is left out is the model's own. Raises `InputError` for what lies outside."""
        if not isinstance(kinds, list | tuple) or any(kind not in self.kinds for kind in kinds):
            raise InputError(f"The kinds are {kinds}. Accepted is a list of: {', '.join(self.kinds)}.")
        seed = round(_within("seed", seed, ANY_SEED, LAST_SEED))
        return ReplySettings(
            seed=None if seed == ANY_SEED else seed,
            temperature=_within("temperature", temperature, 0, HOTTEST),
            steps=round(_within("number of denoising steps", steps, 0, self.most_steps)) or self.steps,
            guidance=_within("guidance scale", guidance, 0, self.most_guidance) or None,
            kinds=tuple(kind for kind in self.kinds if kind in kinds),
        )


def _within(name: str, value: float, least: float, most: float) -> float:
    if not (isinstance(value, int | float) and math.isfinite(value) and least <= value <= most):
        raise InputError(f"The {name} is {value}. Accepted are values from {least:g} to {most:,g}.")
    return value
