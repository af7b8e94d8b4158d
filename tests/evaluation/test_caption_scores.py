"""Caption scores against values worked out by hand, and against the COCO caption tools."""

import math

import pytest

from nextgpt_chat.evaluation.caption_scores import caption_scores, rouge_l, words
from nextgpt_chat.evaluation.cider import cider_d
from nextgpt_chat.evaluation.interval import Score


def test_a_sentence_is_cut_into_words_as_the_coco_tools_do() -> None:
    assert words("The dog's bed isn’t red, it's 3.5 m long.") == "the dog 's bed is n't red it 's 3.5 m long".split()
    assert words("A T-shirt - on a chair!") == "a t-shirt on a chair".split()
    assert words(" . ") == []


def test_bleu_4_is_the_geometric_mean_of_four_precisions() -> None:
    # 4 of 5 words, 3 of 4 pairs, 2 of 3 triples, 1 of 2 runs of four: (4/5 · 3/4 · 2/3 · 1/2) ** (1/4)
    assert caption_scores(["a b c d e"], [["a b c d f"]])["BLEU-4"] == pytest.approx(0.2**0.25, abs=1e-6)
    # All that is said is right, and it is 4 words long where the nearest reference has 6.
    assert caption_scores(["a b c d"], [["a b c d e f", "x"]])["BLEU-4"] == pytest.approx(math.exp(1 - 6 / 4), abs=1e-6)


def test_rouge_l_takes_the_best_precision_and_the_best_recall() -> None:
    assert rouge_l("a b c d", ["a x c d"]) == pytest.approx(3 / 4)
    # Precision is 3/4 with the first reference, recall 2/2 with the second.
    assert rouge_l("a b c d", ["a x c d y z", "a b"]) == pytest.approx((1 + 1.44) * 0.75 / (1 + 1.44 * 0.75))
    assert rouge_l("a b", ["c d"]) == 0


def test_cider_d_weighs_rare_words_and_punishes_another_length() -> None:
    # One word and one pair are alike and rare, there are no longer runs: 10 · (1 + 1 + 0 + 0) / 4.
    assert cider_d(["a b".split(), "x".split()], [["a b".split()], ["c d".split()]]) == pytest.approx([5, 0])
    # cos = 2 / √6 for words, 1 / √2 for pairs; one word shorter.
    expected = 10 / 4 * (2 / math.sqrt(6) + 1 / math.sqrt(2)) * math.exp(-1 / 72)
    assert cider_d(["a b".split(), "x".split()], [["a b e".split()], ["c d".split()]])[0] == pytest.approx(expected)
    # A word of every item counts nothing.
    assert cider_d([["a"], ["a"]], [[["a"]], [["a"]]]) == [0, 0]
    # Saying a rare word twice is clipped at once: the product is 1 · 1, the norms are 2 and 1; one word longer.
    assert cider_d([["a", "a"], ["x"]], [[["a"]], [["c"]]])[0] == pytest.approx(10 / 4 * (1 / 2) * math.exp(-1 / 72))


def test_scores_are_those_of_the_coco_caption_tools() -> None:
    """The expected values were printed by pycocoevalcap 1.2 for the same words."""
    said = [
        "a man rides a brown horse on the beach",
        "two dogs play with a red ball in the grass",
        "a plate of food on a wooden table",
    ]
    captions = [
        ["A man riding a horse on the beach.", "A man rides a brown horse along the ocean."],
        ["Two dogs playing with a ball.", "Two brown dogs play in the grass with a red ball."],
        ["A white plate of food on a table.", "Food is on a plate on a wooden table, near a glass."],
    ]
    scores = caption_scores(said, captions)
    assert scores["BLEU-4"] == pytest.approx(0.6956638479, abs=1e-6)
    assert isinstance(scores["ROUGE-L"], Score)
    assert scores["ROUGE-L"].value == pytest.approx(0.8267830870, abs=1e-6)
    assert isinstance(scores["CIDEr-D"], Score)
    assert scores["CIDEr-D"].value == pytest.approx(4.3856769333, abs=1e-6)
    assert scores["CIDEr-D"].count == 3


def test_silence_scores_nothing() -> None:
    scores = caption_scores(["", ""], [["a red bird"], ["a dog runs"]])
    assert [scores["BLEU-4"], scores["ROUGE-L"].value, scores["CIDEr-D"].value] == [0, 0, 0]  # type: ignore[union-attr]
