"""Watching a reply grow, from anywhere in its log."""

import time
from collections.abc import Iterator

from nextgpt_chat.events import Event
from nextgpt_chat.store.jobs import Jobs

LOOK = 0.2
"""Seconds between looks into the log of a reply that has begun when nothing is heard: an engine in another process rings no bell here."""
QUIET = 1.0
"""The same for one that has not begun; and after as many seconds without events an empty list is yielded."""


def follow(jobs: Jobs, user: str, job: str, after: int = 0) -> Iterator[list[tuple[int, Event]]]:
    """Yields the new events above number `after` each time there are some, and ends behind `Done` or `Failed`.

    Between events it yields an empty list about every second, so that a caller can show the place in the queue or give up. Whoever has
    seen all of a reply that is at its end gets nothing more.
    """
    bell = jobs.bells.of(job)
    quiet, begun = time.monotonic(), False
    while True:
        heard = bell.rung  # before the look, so that nothing is missed between both
        events, ended = jobs.news(user, job, after)
        if events or time.monotonic() - quiet >= QUIET:
            yield events
            quiet = time.monotonic()
        if events:
            after, begun = events[-1][0], True
        elif ended:
            return
        else:
            bell.wait(heard, LOOK if begun else QUIET)
