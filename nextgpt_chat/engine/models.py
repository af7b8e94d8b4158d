"""The models of one server, each with an engine of its own."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import NotFoundError, SetupError

STATES = ("failed", "loading", "ending", "ready")
"""What an engine can be, the worst first."""


class Models:
    """What can be talked to; the first one answers where nobody chooses another."""

    def __init__(self, served: Sequence[tuple[Checkpoint, Worker]]) -> None:
        """Raises `SetupError` if two have the same name."""
        names = [checkpoint.name for checkpoint, _ in served]
        if twice := {name for name in names if names.count(name) > 1}:
            raise SetupError(f"Two models are called {twice.pop()}. Give one of them another name in its nextgpt.json.")
        self._served = {checkpoint.name: (checkpoint, worker) for checkpoint, worker in served}
        self.checkpoints = [checkpoint for checkpoint, _ in self._served.values()]
        self.workers = [worker for _, worker in self._served.values()]
        self.default, self.names = self.checkpoints[0], list(self._served)

    def find(self, name: str | None) -> Checkpoint | None:
        """The model with that name, if it is served here."""
        return self._served[name][0] if name in self._served else None

    def named(self, name: str) -> Checkpoint:
        """The model with that name, or the first one for an empty name. Raises `NotFoundError` if it is not served here."""
        found = self.find(name or self.default.name)
        if found is None:
            raise NotFoundError(f"There is no model called '{name}' here. The models are: {', '.join(self.names)}.")
        return found

    @property
    def state(self) -> str:
        """loading, ready, failed or ending: what the worst of the engines is."""
        return min((worker.state for worker in self.workers), key=STATES.index)

    @property
    def problem(self) -> str | None:
        """Why a model could not be loaded, in a sentence."""
        return next((worker.problem for worker in self.workers if worker.problem), None)

    def start(self) -> None:
        """Starts the engines."""
        for worker in self.workers:
            worker.start()

    def notify(self) -> None:
        """There is a new job."""
        for worker in self.workers:
            worker.notify()

    def stop(self, drain: float = 0.0) -> None:
        """Ends the engines at the same time, as `Worker.stop` does with one."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda worker: worker.stop(drain), self.workers))
