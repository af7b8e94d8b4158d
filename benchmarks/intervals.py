"""How often the 95 % intervals of a campaign's scores and of its position bias hold the truth, on simulated campaigns.

    python benchmarks/intervals.py [CAMPAIGNS]

Annotators have tastes of their own, items on which systems do better and worse, and 15 % of comparisons are ties. The truth is what a campaign of
400 annotators and 3,000 items finds.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from nextgpt_chat.annotate.ranking import Ranking, rank
from tests.annotate.test_statistics import drawn

STRENGTH, SIDE = (0.6, 0.0, -0.6), 0.4
SIZES = ((5, 30), (8, 30), (12, 60))
TASTES = (0.4, 0.8)


def ranked(random: np.random.Generator, raters: int, items: int, side: float, taste: float) -> Ranking:
    """A simulated campaign's ranking."""
    found = rank(drawn(random, raters, items, STRENGTH, side, own=taste))
    assert found is not None
    return found


def main() -> None:
    """Prints the table."""
    campaigns = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print("| annotators | items | spread of tastes, log-odds | scores covered | bias covered | false alarms of a bias |")  # noqa: T201
    print("|---|---|---|---|---|---|")  # noqa: T201
    for raters, items in SIZES:
        for taste in TASTES:
            random = np.random.default_rng(3)
            truth = ranked(random, 400, 3_000, SIDE, taste)
            scores, biases, alarms = [], [], []
            for _ in range(campaigns):
                found = ranked(random, raters, items, SIDE, taste)
                scores += [one.low <= truth.scores[name].value <= one.high for name, one in found.scores.items()]
                biases.append(found.position.low <= truth.position.value <= found.position.high)
                fair = ranked(random, raters, items, 0.0, taste)
                alarms.append(fair.position.low > 0 or fair.position.high < 0)
            cells = " | ".join(f"{100 * np.mean(one):.1f} %" for one in (scores, biases, alarms))
            print(f"| {raters} | {items} | {taste} | {cells} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
