"""The local engine: one thread that loads the model, claims jobs and logs what happens.

It is given `load`, which returns a `Model`; it knows neither what that is nor pages.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from nextgpt_chat.errors import Cancelled, UserError
from nextgpt_chat.events import Done, Event, Failed, MediaProgress, Model, Stats, TextDelta
from nextgpt_chat.store.jobs import INTERRUPTED, Job, Jobs, worker_name

log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between looks at the queue when nobody notifies."""
FLUSH = 0.1
"""Seconds for which events are collected before they are written; a page cannot show more than ten changes a second well."""
CANCEL_CHECK = 0.1
"""Seconds between looks at the cancel flag."""
BROKEN = "Something went wrong while the reply was made. It is in the log; press Retry to try again."


class Worker:
    """Makes replies, and media of them again, one at a time, in a thread of its own."""

    def __init__(self, jobs: Jobs, load: Callable[[], Model], model: str, only: str | None = None) -> None:
        """`load` returns the model named `model`; only jobs for that model are claimed, and only the job `only` if it is given."""
        self.jobs, self.load, self.model, self.only = jobs, load, model, only
        self.state = "loading"
        """loading, ready, failed or ending."""
        self.problem: str | None = None
        """Why the model could not be loaded, in a sentence."""
        self._draining = threading.Event()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Marks what an earlier process left behind, and begins."""
        interrupted = self.jobs.recover()
        if interrupted:
            log.warning("%d replies were interrupted by the end of the last process", interrupted)
        self._thread.start()

    def notify(self) -> None:
        """There is a new job."""
        self._wake.set()

    def stop(self, drain: float = 0.0, timeout: float = 10.0) -> None:
        """Begins nothing more, gives the running reply `drain` seconds, interrupts it then (it can be retried) and ends the thread.

        What waits in the queue stays there for the next process.
        """
        self.state = "ending"
        self._draining.set()
        self._wake.set()
        started = self._thread.ident is not None  # not where the port was taken
        if started:
            self._thread.join(drain)
        self._stopping.set()
        if started:
            self._thread.join(timeout)

    def __enter__(self) -> "Worker":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _run(self) -> None:
        """The thread: outlives every error, such as a full disk or a database that does not answer for a while."""
        model = self._loaded()
        broken = False
        while not self._draining.is_set():
            try:
                if broken:
                    self.jobs.recover()  # ends the log of a job that could not be written to its end
                broken = False
                self._next(model)
            except Exception:
                log.exception("the queue cannot be read or written; the engine tries again")
                broken = True
                self._stopping.wait(POLL)

    def _next(self, model: Model | None) -> None:
        job = self.jobs.claim(worker_name(), self.model, self.only)
        if job is None:
            self._wake.wait(POLL)
            self._wake.clear()
        elif model is None:
            self.jobs.append(job.id, Failed(self.problem or BROKEN))
        else:
            self._make(job, model)

    def _loaded(self) -> Model | None:
        try:
            model = self.load()
        except UserError as error:
            self.problem = str(error)
        except Exception:
            log.exception("the model could not be loaded")
            self.problem = (
                "The model could not be loaded; the reason is in the log. Run `nextgpt-chat doctor` to see what is missing."
            )
        else:
            self._become("ready")
            return model
        self._become("failed")
        return None

    def _become(self, state: str) -> None:
        if not self._draining.is_set():
            self.state = state

    def _make(self, job: Job, model: Model) -> None:
        """Runs one job to its end; whatever happens, its log ends with Done or Failed."""
        waiting: list[Event] = []
        flushed = 0.0
        last: Event | None = None
        try:
            for event in self._events(job, model):
                last = event
                _collect(waiting, event)
                if not isinstance(event, TextDelta | MediaProgress) or time.monotonic() - flushed > FLUSH:
                    if self._stopping.is_set() and isinstance(event, Done):
                        break
                    self.jobs.append(job.id, *waiting)
                    waiting, flushed = [], time.monotonic()
        except UserError as error:
            last = self._fail(job, waiting, str(error))
        except Cancelled:
            if not self._stopping.is_set():
                last = Done(Stats(job.model, seed=job.settings.seed or 0, stopped=True))
                self.jobs.append(job.id, *waiting, last)
        except Exception:
            log.exception("job %s failed", job.id)
            last = self._fail(job, waiting, BROKEN)
        if self._stopping.is_set() and not isinstance(last, Failed):
            self.jobs.append(job.id, *(event for event in waiting if not isinstance(event, Done)), Failed(INTERRUPTED))
        elif not isinstance(last, Done | Failed):
            log.error("job %s ended without Done or Failed", job.id)
            self._fail(job, waiting, BROKEN)

    def _events(self, job: Job, model: Model) -> Iterator[Event]:
        cancelled = _Throttled(lambda: self._stopping.is_set() or self.jobs.cancelled(job.id))
        if job.medium is None:
            return model.reply(job.conversation, job.settings, cancelled)
        return model.remake(job.conversation, job.medium, job.settings, cancelled)

    def _fail(self, job: Job, waiting: list[Event], message: str) -> Failed:
        failed = Failed(message)
        self.jobs.append(job.id, *waiting, failed)
        return failed


def _collect(waiting: list[Event], event: Event) -> None:
    """Adds an event; text grows the text before it, and progress replaces older progress."""
    before = waiting[-1] if waiting else None
    if isinstance(event, TextDelta) and isinstance(before, TextDelta):
        waiting[-1] = TextDelta(before.text + event.text)
    elif isinstance(event, MediaProgress) and isinstance(before, MediaProgress) and event.index == before.index:
        waiting[-1] = event
    else:
        waiting.append(event)


class _Throttled:
    """A slow question, asked at most every `CANCEL_CHECK` seconds; a yes stays a yes."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self.ask, self.answer, self.asked = ask, False, 0.0

    def __call__(self) -> bool:
        if not self.answer and time.monotonic() - self.asked > CANCEL_CHECK:
            self.answer, self.asked = self.ask(), time.monotonic()
        return self.answer
