"""Removes what is left over, every few minutes, in a thread of its own."""

import logging
import threading

from nextgpt_chat.store.library import Library

log = logging.getLogger(__name__)

EVERY = 600.0
"""Seconds from one sweep to the next."""


class Sweeper:
    """Sweeps when it starts and then again and again; an error is logged and the next sweep comes all the same."""

    def __init__(self, library: Library, every: float = EVERY) -> None:
        self.library, self.every = library, every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

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
                if count := self.library.sweep():
                    log.info("%d files that nobody needs were deleted", count)
            except Exception:
                log.exception("what is left over could not be removed; the next sweep tries again")
            self._stopping.wait(self.every)
