"""How replies are made, as far as a person chooses it: kinds of media above the message box, model and numbers in the sidebar."""

import math
from collections.abc import Collection
from typing import Any

import gradio as gr

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.engine.models import Models
from nextgpt_chat.errors import InputError
from nextgpt_chat.languages.translate import Say, say
from nextgpt_chat.media.names import NOUNS
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.ui.i18n import shown

HOTTEST = 1.5
"""Highest sampling temperature; text falls apart beyond."""
ANY_SEED, LAST_SEED = -1, 2**31 - 1
"""Stands for a new seed with each reply, and the highest seed."""

Given = dict[Any, Any]
"""Component -> its value, as a handler gets them."""


class ReplyPanel:
    """Its components, and what their values mean. The bounds are the chosen model's own."""

    def __init__(self, models: Models, steps: int | None) -> None:
        """`steps` is the host's choice, which holds where a person makes none."""
        self.models, self.steps = models, steps

    def build_title(self) -> None:
        """Lays out who is talked to, for the top of the page."""
        self.title = gr.Markdown(title(self.models.default), elem_id="title")

    def build_numbers(self) -> None:
        """Lays out model and numbers, for the sidebar."""
        own, first = shown("0 takes the model's own."), self.models.default
        choices = [(one.title, one.name) for one in self.models.checkpoints]
        with gr.Accordion(shown("Settings"), open=False, elem_id="settings"):
            self.model = gr.Dropdown(choices, value=first.name, label=shown("Model"), visible=len(choices) > 1, elem_id="model")
            self.seed = gr.Number(
                ANY_SEED,
                label=shown("Seed"),
                info=shown("-1 draws a new one."),
                minimum=ANY_SEED,
                maximum=LAST_SEED,
                precision=0,
                elem_id="seed",
            )
            self.temperature = gr.Slider(
                0,
                HOTTEST,
                0,
                step=0.1,
                label=shown("Temperature"),
                info=shown("0 takes the likeliest words."),
                elem_id="temperature",
            )
            self.number = gr.Slider(0, most_steps(first), 0, step=1, label=shown("Denoising steps"), info=own, elem_id="steps")
            self.guidance = gr.Slider(
                0, most_guidance(first), 0, step=0.5, label=shown("Guidance scale"), info=own, elem_id="guidance"
            )
            most = most_frames(first), most_seconds(first)
            self.frames = gr.Slider(
                0, most[0] or 1, 0, step=1, label=shown("Frames of a clip"), info=own, visible=most[0] > 0, elem_id="frames"
            )
            self.seconds = gr.Slider(
                0, most[1] or 1, 0, step=0.1, label=shown("Seconds of a sound"), info=own, visible=most[1] > 0, elem_id="seconds"
            )

    def build_kinds(self) -> None:
        """Lays out the kinds of media, for the place above the message box."""
        choices = chips(self.models.default)
        self.wanted = gr.CheckboxGroup(choices, label=shown("Reply with"), container=False, elem_id="wanted", visible=bool(choices))

    def wire(self, page: gr.Blocks) -> None:
        """Lets the bounds follow the model, and texts the language."""
        changed = [self.title, self.wanted, self.number, self.guidance, self.frames, self.seconds]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.model.input(self.on_model, [self.model], changed, **quiet)
        page.load(self.on_load, None, [self.title, self.wanted], **quiet)

    def on_load(self, request: gr.Request) -> dict[Any, Any]:
        """The page opens."""
        return self.spoken(self.models.default, say(request.headers.get("accept-language", "")))

    def on_model(self, name: str, request: gr.Request) -> dict[Any, Any]:
        """Another model is chosen: its own bounds, and its own defaults."""
        model = self.models.find(name) or self.models.default
        return {
            **self.spoken(model, say(request.headers.get("accept-language", ""))),
            self.number: gr.update(maximum=most_steps(model), value=0),
            self.guidance: gr.update(maximum=most_guidance(model), value=0),
            self.frames: gr.update(maximum=most_frames(model) or 1, value=0, visible=most_frames(model) > 0),
            self.seconds: gr.update(maximum=most_seconds(model) or 1, value=0, visible=most_seconds(model) > 0),
        }

    def spoken(self, model: Checkpoint, say: Say) -> dict[Any, Any]:
        """What Gradio does not translate, with the model that is talked to."""
        choices = [(say(name), kind) for name, kind in chips(model)]
        return {self.title: title(model, say), self.wanted: gr.update(choices=choices, value=[], visible=bool(choices))}

    @property
    def inputs(self) -> set[Any]:
        """What `chosen` reads."""
        return {self.model, self.wanted, self.seed, self.temperature, self.number, self.guidance, self.frames, self.seconds}

    def chosen(self, given: Given) -> tuple[Checkpoint, ReplySettings]:
        """The values of `inputs` as a model and its settings. Raises `UserError` for what lies outside of the bounds."""
        return self.settings(
            given[self.model] or "",
            given[self.seed],
            given[self.temperature],
            given[self.number],
            given[self.guidance],
            given[self.frames],
            given[self.seconds],
            given[self.wanted] or (),
        )

    def settings(
        self,
        model: str = "",
        seed: float = ANY_SEED,
        temperature: float = 0,
        steps: float = 0,
        guidance: float = 0,
        frames: float = 0,
        seconds: float = 0,
        kinds: Collection[str] = (),
    ) -> tuple[Checkpoint, ReplySettings]:
        """A model and settings within its bounds; what is left out is the model's own. Raises `UserError` for what lies outside."""
        if not isinstance(model, str):
            raise InputError(f"The model is {model}. Accepted is a name.")
        chosen = self.models.named(model)
        makes = [kind for _, kind in chips(chosen)]
        if not isinstance(kinds, list | tuple) or any(kind not in makes for kind in kinds):
            raise InputError(f"The kinds are {kinds}. Accepted is a list of: {', '.join(makes)}.")
        seed = round(_within("seed", seed, ANY_SEED, LAST_SEED))
        return chosen, ReplySettings(
            seed=None if seed == ANY_SEED else seed,
            temperature=_within("temperature", temperature, 0, HOTTEST),
            steps=round(_within("number of denoising steps", steps, 0, most_steps(chosen))) or self.steps,
            guidance=_within("guidance scale", guidance, 0, most_guidance(chosen)) or None,
            frames=round(_chosen("number of frames", frames, least_frames(chosen), most_frames(chosen))) or None,
            seconds=_chosen("length in seconds", seconds, least_seconds(chosen), most_seconds(chosen)) or None,
            kinds=tuple(kind for kind in makes if kind in kinds),
        )


def title(model: Checkpoint, say: Say = str) -> str:
    """Who is talked to, in Markdown."""
    return f"# NExT-GPT Chat\n\n{say('You are talking to')} **{model.title}**. {model.knows}"


def chips(model: Checkpoint) -> list[tuple[str, str]]:
    """The kinds of media that a model makes, each with its name."""
    return [(NOUNS[kind].capitalize(), kind) for kind in model.outputs if kind in NOUNS]


def most_steps(model: Checkpoint) -> int:
    """Most denoising steps of any medium."""
    return max((one.max_steps for one in model.decoding.values()), default=1)


def most_guidance(model: Checkpoint) -> float:
    """Highest guidance scale of any medium."""
    return max((one.max_guidance for one in model.decoding.values()), default=1.0)


def least_frames(model: Checkpoint) -> int:
    """Fewest frames of a clip that can be asked for."""
    return max((one.min_frames for one in model.decoding.values()), default=0)


def most_frames(model: Checkpoint) -> int:
    """Most frames of a clip that can be asked for; 0 if the model leaves no choice."""
    return max((one.max_frames for one in model.decoding.values()), default=0)


def least_seconds(model: Checkpoint) -> float:
    """Shortest sound that can be asked for."""
    return max((one.min_seconds for one in model.decoding.values()), default=0)


def most_seconds(model: Checkpoint) -> float:
    """Longest sound that can be asked for; 0 if the model leaves no choice."""
    return max((one.max_seconds for one in model.decoding.values()), default=0)


def _chosen(name: str, value: float, least: float, most: float) -> float:
    """A value within bounds, or 0 for the model's own."""
    return value if value == 0 else _within(name, value, least, most)


def _within(name: str, value: float, least: float, most: float) -> float:
    if not (isinstance(value, int | float) and math.isfinite(value) and least <= value <= most):
        raise InputError(f"The {name} is {value}. Accepted are values from {least:g} to {most:,g}.")
    return value
