"""Waking whoever waits for a job in this process: fifty who look into the database twenty times a second leave the model no time."""

import threading
from weakref import WeakValueDictionary


class Bell:
    """Rings whenever something happens to one job."""

    def __init__(self) -> None:
        self.rung = 0
        """How often it rang."""
        self._changed = threading.Condition()

    def ring(self) -> None:
        """Wakes everybody who waits."""
        with self._changed:
            self.rung += 1
            self._changed.notify_all()

    def wait(self, heard: int, seconds: float) -> None:
        """Until it has rung more often than `heard`, at most for `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self.rung > heard, seconds)


class Bells:
    """One bell for each job that somebody waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bells: WeakValueDictionary[str, Bell] = WeakValueDictionary()

    def of(self, job: str) -> Bell:
        """The bell of a job, for as long as somebody holds it."""
        with self._lock:
            bell = self._bells.get(job)
            if bell is None:
                self._bells[job] = bell = Bell()
            return bell

    def ring(self, job: str) -> None:
        """Something happened to a job."""
        with self._lock:
            bell = self._bells.get(job)
        if bell is not None:
            bell.ring()
