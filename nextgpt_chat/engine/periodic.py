"""What is done again and again beside everything else."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

EVERY = 600.0
"""Seconds from one time to the next."""


class Periodic:
    """Does something when it starts and then again and again, in a thread of its own; an error is logged and the next time comes all the same."""

    def __init__(self, name: str, do: Callable[[], object], every: float = EVERY) -> None:
        self.name, self.do, self.every = name, do, every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Ends the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.do()
            except Exception:
                log.exception("the %s failed; the next one tries again", self.name)
            self._stopping.wait(self.every)
