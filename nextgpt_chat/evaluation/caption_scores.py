"""What a model says of media beside what people wrote of them: BLEU-4, ROUGE-L and CIDEr-D, as the COCO caption tools define them.

METEOR and SPICE are not here: they need Java, or WordNet to download. The COCO tools cut sentences into words with Stanford's tokenizer in
Java; `words` does the same for plain English, and differs on addresses, abbreviations and the like.
"""

import re
from collections.abc import Sequence

from torchmetrics.functional.text import bleu_score
from torchmetrics.functional.text.rouge import rouge_score

from nextgpt_chat.evaluation.cider import cider_d
from nextgpt_chat.evaluation.interval import Score, share

CLITIC = re.compile(r"(n't|'(?:s|re|ve|ll|d|m))\b")
WORD = re.compile(r"n't|'\w+|\d+(?:[.,:]\d+)+|\w+(?:-\w+)*")
RECALL_WEIGHT = 1.2
"""How much more recall counts than precision in ROUGE-L: the beta of the COCO caption tools."""

CaptionScores = dict[str, float | Score]


def caption_scores(said: Sequence[str], captions: Sequence[Sequence[str]]) -> CaptionScores:
    """Scores of one sentence an item beside the item's captions: BLEU-4 and ROUGE-L from 0 to 1, CIDEr-D from 0 to 10.

    BLEU-4 is one number for all items together, so it has no interval.
    """
    candidates = [words(sentence) for sentence in said]
    references = [[words(caption) for caption in those] for those in captions]
    joined = [" ".join(candidate) for candidate in candidates]
    targets = [[" ".join(reference) for reference in those] for those in references]
    return {
        "BLEU-4": float(bleu_score(joined, targets, n_gram=4)),
        "ROUGE-L": share([rouge_l(candidate, those) for candidate, those in zip(joined, targets, strict=True)]),
        "CIDEr-D": share(cider_d(candidates, references)),
    }


def words(sentence: str) -> list[str]:
    """Lower-case words without punctuation: `The dog's bed isn't red.` is the, dog, 's, bed, is, n't, red."""
    return WORD.findall(CLITIC.sub(r" \1", sentence.lower().replace("’", "'")))


def rouge_l(candidate: str, references: Sequence[str]) -> float:
    """The longest common subsequence as an F score from 0 to 1, with the best precision and the best recall over the references.

    Sentences are words with a blank between.
    """
    found = [
        rouge_score(candidate, reference, rouge_keys="rougeL", normalizer=str, tokenizer=str.split) for reference in references
    ]
    precision = max(float(one["rougeL_precision"]) for one in found)
    recall = max(float(one["rougeL_recall"]) for one in found)
    weight = RECALL_WEIGHT**2
    return (1 + weight) * precision * recall / (recall + weight * precision) if precision and recall else 0.0
