"""Watching a reply grow, from anywhere in its log."""

import time
from collections.abc import Iterator

from nextgpt_chat.events import Event
from nextgpt_chat.store.jobs import Jobs
from nextgpt_chat.store.quota import OPEN


def follow(jobs: Jobs, user: str, job: str, after: int = 0, poll: float = 0.05) -> Iterator[list[tuple[int, Event]]]:
    """Yields the new events above number `after` each time there are some, and ends behind `Done` or `Failed`.

    Between events it yields an empty list about every second, so that a caller can show the place in the queue or give up. Whoever has
    seen all of a reply that is at its end gets nothing more.
    """
    quiet = time.monotonic()
    while True:
        ended = jobs.status(user, job) not in OPEN  # asked first: what is logged until then is read below
        events = jobs.events(user, job, after)
        if events or time.monotonic() - quiet > 1:
            yield events
            quiet = time.monotonic()
        if events:
            after = events[-1][0]
        elif ended:
            return
        time.sleep(poll)
