"""What ffmpeg could not do, as a sentence for the person who sent the file."""

from collections.abc import Iterator
from contextlib import contextmanager

from nextgpt_chat.errors import InputError
from nextgpt_chat.media.ffmpeg import FFmpegError, TooMuch, TooSlow

SLACK = 0.5
"""Seconds that a file may be longer than the limit: an editor that cuts at 60 s keeps the frame that has begun."""
WHOLE = 0.8
"""Share of the length in the header that must be there; headers are seldom exact, a broken download lacks more."""


@contextmanager
def refusals(name: str, word: str) -> Iterator[None]:
    """Turns ffmpeg's errors into `InputError`s. `word` is what the file should be: `sound`, `clip`."""
    try:
        yield
    except (TooSlow, TooMuch) as error:
        raise InputError(f"'{name}' takes too long to open. Make it shorter or smaller and send it once more.") from error
    except FFmpegError as error:
        raise InputError(
            f"'{name}' is damaged, or not a {word} that can be read. Save the {word} again and send it once more."
        ) from error


def check_length(name: str, word: str, seconds: float | None, limit: int) -> None:
    """Refuses what is longer than `limit` seconds; None is an unknown length and passes."""
    if seconds is not None and seconds > limit + SLACK:
        # What does not say its length is decoded to a second after the limit, no further.
        given = f"{seconds:,.0f}" if seconds > limit + 2 else f"more than {limit}"
        raise InputError(f"'{name}' lasts {given} seconds. Accepted are {word}s up to {limit} seconds; send a shorter part.")


def check_whole(name: str, word: str, seconds: float, said: float | None) -> None:
    """Refuses what decodes to far less than its header said."""
    if said is not None and seconds < WHOLE * said - 0.1:
        raise InputError(
            f"'{name}' is cut off: {seconds:.1f} of {said:.1f} seconds are there. Save the {word} again and send it once more."
        )
