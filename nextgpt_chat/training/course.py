"""How an alignment of any language model is trained: where, how long, how fast, and by how many together."""

import math
from dataclasses import dataclass
from pathlib import Path

from nextgpt_chat.training.loop import Plan, check_launch, processes
from nextgpt_chat.training.sharding import check_shared

WARMUP, DECAY = 0.1, 0.001
"""Of the paper's table 7, like the rate that falls along a line."""
BETAS = (0.9, 0.95)
"""Of the authors' code."""
CONTEXT = 512
"""Most tokens of an example, as in the paper."""


@dataclass(frozen=True)
class Course:
    """Raises `InputError` for a launch that an alignment cannot take part in, and if one process alone is to share."""

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
        check_launch()
        check_shared(self.shared)

    @property
    def told(self) -> str:
        """What tells it from another one in the same folder, whoever takes part."""
        return f"{self.epochs} {self.batch} {self.rate} {self.seed}"

    @property
    def sharing(self) -> int:
        """How many processes hold one language model."""
        return processes().num_processes if self.shared else 1

    def plan(self, examples: int) -> Plan:
        """The paper's, for as many examples."""
        steps = max(2, math.ceil(self.epochs * examples / (self.batch * processes().num_processes)))
        return Plan(steps, self.rate, warmup=WARMUP, linear=True, decay=DECAY, betas=BETAS, bf16=True)
