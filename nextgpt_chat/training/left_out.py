"""What cannot be learnt from is left out, and a person reads how much that is, and why."""

from collections.abc import Sequence

QUOTED = 3
"""Reasons that are said."""


def left_out(what: str, reasons: Sequence[str]) -> str:
    """How many of them there are, and the first reasons."""
    return f"{len(reasons):,} {what}. The first: {'; '.join(reasons[:QUOTED])}"
