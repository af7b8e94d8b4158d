"""CIDEr-D: how alike a caption is to those of people, rare words counting most (Vedantam et al., arXiv 1411.5726, section 5).

This is the variant with clipping and a penalty for another length; it is what the COCO caption tools print as CIDEr, and what papers
report. No kept library offers it without Java or models to download, so it is written here.
"""

import math
from collections import Counter
from collections.abc import Sequence

Words = Sequence[str]
Grams = list[Counter[Words]]
"""For n = 1..4, how often each run of n words occurs."""

LONGEST = 4
"""Words in the longest n-gram."""
SIGMA = 6.0
"""Difference in length, in words, at which the penalty is e**-0.5."""


def cider_d(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """The score of each candidate from 0 to 10 (papers print it times 100, and as a mean).

    `references` are the captions of the same item. A word is rare if few items of this very list have it in their references: scores
    depend on which items are measured together, and are 0 for a single one.
    """
    known = [[_grams(words) for words in those] for those in references]
    documents: Counter[Words] = Counter()
    for those in known:
        documents.update({gram for grams in those for counted in grams for gram in counted})
    items = math.log(len(references)) if references else 0.0

    def weighted(counted: Counter[Words]) -> dict[Words, float]:
        return {gram: count * (items - math.log(max(1, documents[gram]))) for gram, count in counted.items()}

    scores: list[float] = []
    for candidate, those in zip(candidates, known, strict=True):
        vectors = [weighted(counted) for counted in _grams(candidate)]
        each = []
        for grams, words in zip(those, references[len(scores)], strict=True):
            penalty = math.exp(-((len(candidate) - len(words)) ** 2) / (2 * SIGMA**2))
            alike = [_clipped_cosine(vector, weighted(counted)) for vector, counted in zip(vectors, grams, strict=True)]
            each.append(penalty * sum(alike) / LONGEST)
        scores.append(10 * sum(each) / len(each))
    return scores


def _grams(words: Words) -> Grams:
    return [Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for n in range(1, LONGEST + 1)]


def _clipped_cosine(candidate: dict[Words, float], reference: dict[Words, float]) -> float:
    """The cosine between two vectors, in which a candidate gains nothing by saying a thing more often than the reference does."""
    norm = math.hypot(*candidate.values()) * math.hypot(*reference.values())
    product = sum(min(value, reference[gram]) * reference[gram] for gram, value in candidate.items() if gram in reference)
    return product / norm if norm else 0.0
