"""ZeroGPU of Hugging Face Spaces: a GPU is lent for the time of one call, to a forked process in which that call runs.

What goes in and out is pickled, and of an exception only the name comes back. So the model stays where the fork finds it, errors for
people travel as values, and Stop is seen on this side, between two events; `spaces` ends the call then.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from nextgpt_chat.conversation import Conversation
from nextgpt_chat.errors import BusyError, UserError
from nextgpt_chat.events import Done, Event, Model, Stats
from nextgpt_chat.settings import ReplySettings

SECONDS = 60
"""For how long the GPU is asked for; a call that takes longer is cut off by the host."""


def is_zero_gpu() -> bool:
    """Whether this is a Space with such a GPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true") and find_spec("spaces") is not None


if is_zero_gpu():
    import_module("spaces")  # before anything asks for CUDA, which it takes the place of


class Lent:
    """A model each of whose replies borrows a GPU. It must be made before the page is launched, when `spaces` looks who will borrow one."""

    def __init__(self, model: Model, name: str) -> None:
        self.name = name

        def run(verb: str, *given: Any) -> Iterator[Event | UserError]:
            try:
                yield from getattr(model, verb)(*given, lambda: False)
            except UserError as error:
                yield error

        self._run = import_module("spaces").GPU(run, duration=SECONDS)

    def reply(self, conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        """As `Pipeline.reply`; raises `BusyError` besides, if no GPU is to be had."""
        return self._lent(settings, cancelled, "reply", conversation)

    def remake(
        self, conversation: Conversation, medium: int, settings: ReplySettings, cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        """As `Pipeline.remake`; raises `BusyError` besides, if no GPU is to be had."""
        return self._lent(settings, cancelled, "remake", conversation, medium)

    def _lent(self, settings: ReplySettings, cancelled: Callable[[], bool], verb: str, *given: Any) -> Iterator[Event]:
        seed = secrets.randbelow(2**31) if settings.seed is None else settings.seed
        try:
            with closing(self._run(verb, *given, replace(settings, seed=seed))) as events:
                for event in events:
                    if isinstance(event, UserError):
                        raise event
                    yield event
                    if cancelled() and not isinstance(event, Done):
                        break
                else:
                    return
        except Exception as error:
            if isinstance(error, UserError) or not hasattr(error, "message"):
                raise
            # Gradio's error, by which `spaces` says that no GPU is free, or that a share is used up.
            raise BusyError(f"No GPU could be borrowed: {str(error.message).strip().rstrip('.')}. Try again later.") from error
        yield Done(Stats(self.name, seed=seed, stopped=True))
