"""How an alignment of any language model is trained: where, how long, how fast, and by how many together."""

from dataclasses import dataclass
from pathlib import Path

from nextgpt_chat.training.loop import processes
from nextgpt_chat.training.sharding import check_shared


@dataclass(frozen=True)
class Course:
    """Raises `InputError` if one process alone is to share."""

    run: Path
    """Folder of embeddings, states, log and curve."""
    epochs: float
    """How often each example is met."""
    batch: int
    """Examples in a step, in each process."""
    rate: float
    """Highest learning rate."""
    seed: int
    shared: bool = False
    """Whether several processes hold the language model together."""

    def __post_init__(self) -> None:
        check_shared(self.shared)

    @property
    def told(self) -> str:
        """What tells it from another one in the same folder."""
        return f"{self.epochs} {self.batch} {self.rate} {self.seed}"

    @property
    def sharing(self) -> int:
        """How many processes hold one language model."""
        return processes().num_processes if self.shared else 1
