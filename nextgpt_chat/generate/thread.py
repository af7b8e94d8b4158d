"""A decoder reports by callback and a reply is a generator; this joins the two."""

import queue
import threading
from collections.abc import Callable, Iterator

import numpy as np

from nextgpt_chat.errors import Cancelled


def in_thread(work: Callable[[Callable[[int], None]], np.ndarray]) -> Iterator[int | np.ndarray]:
    """Runs `work(report)` beside the caller and yields what it reports, then what it returns.

    If the generator is closed, the next report ends the work.
    """
    results: queue.SimpleQueue[int | np.ndarray | BaseException] = queue.SimpleQueue()
    abandoned = threading.Event()

    def report(done: int) -> None:
        if abandoned.is_set():
            raise Cancelled
        results.put(done)

    def run() -> None:
        try:
            results.put(work(report))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, which raises it
            results.put(error)

    thread = threading.Thread(target=run, name="decoder", daemon=True)
    thread.start()
    try:
        while True:
            result = results.get()
            if isinstance(result, BaseException):
                try:
                    raise result
                finally:
                    del (
                        result
                    )  # whose traceback has this frame, and what failed would hold its tensors for as long as this name holds it
            yield result
            if not isinstance(result, int):
                return
    finally:
        abandoned.set()
        thread.join()
