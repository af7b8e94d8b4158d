"""The line that stands for a medium while it is made."""

import time

from nextgpt_chat.events import MediaProgress
from nextgpt_chat.languages.translate import Say

VERBS = {"image": "Drawing", "audio": "Composing", "video": "Filming"}
BAR = 12
"""Characters of a progress bar."""


class Progress:
    """How far one medium is, and for how long its steps still take."""

    def __init__(self, kind: str, say: Say = str) -> None:
        self.kind, self.say = kind, say
        self._now: MediaProgress | None = None
        self._since: tuple[float, int] | None = None
        """When its steps were first seen to be made, in seconds of the monotonic clock, and how many there were then."""
        self._left = 0.0

    def add(self, event: MediaProgress, at: float | None = None) -> None:
        """One more step is done. What is told in one go, such as all steps so far to a page that was reloaded, has one time `at`."""
        at = time.monotonic() if at is None else at
        self._now = event
        if self._since is None or at <= self._since[0]:
            self._since = at, event.step
        elif event.step > self._since[1]:
            self._left = (at - self._since[0]) / (event.step - self._since[1]) * (event.total - event.step)

    def __str__(self) -> str:
        """`Drawing ▰▰▰▱▱▱ step 3 of 6, about 4 s left`."""
        verb = self.say(VERBS[self.kind])
        if self._now is None:
            return f"{verb} {'▱' * BAR}"
        full = round(BAR * self._now.step / self._now.total)
        steps = [self.say("step {} of {}").format(self._now.step, self._now.total)]
        if self._left >= 1:
            steps.append(self.say("about {} left").format(time_left(self._left)))
        return f"{verb} {'▰' * full}{'▱' * (BAR - full)} {', '.join(steps)}"


def time_left(seconds: float) -> str:
    """Seconds up to a minute and a half, then minutes."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
