"""Agreement, ranking and means against values that are known, and intervals against a truth that is drawn again and again."""

from collections.abc import Sequence

import krippendorff
import numpy as np
import pytest

from nextgpt_chat.annotate.agreement import Share, alpha, kappas, with_gold, with_themselves
from nextgpt_chat.annotate.clustered import mean
from nextgpt_chat.annotate.judgements import Judgement, counted
from nextgpt_chat.annotate.ranking import rank
from tests.annotating import NAMES, judgement

OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Four observers and twelve units: the example of Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C."""


def observed() -> list[Judgement]:
    return [
        judgement(item, f"observer {rater}", score=int(value))
        for rater, values in enumerate(OBSERVERS)
        for item, value in enumerate(values.split())
        if value != "."
    ]


def test_alpha_is_that_of_the_literature() -> None:
    # 0.815 for ordinal data, as published; nominal 0.743 by the same example.
    found = alpha(observed())
    assert found.value == pytest.approx(0.815, abs=0.001)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.815 < found.high <= 1
    assert (found.units, found.raters) == (11, 4)
    letters = dict(zip("12345", ("first", "second", "tie", "bad", "other"), strict=True))
    assert krippendorff.alpha(
        [[np.nan if value == "." else int(value) for value in values.split()] for values in OBSERVERS],
        level_of_measurement="nominal",
    ) == pytest.approx(0.743, abs=0.001)
    four = [row for row in observed() if row.score != 5]
    named = [judgement(row.item, row.rater, choice=letters[str(row.score)], second="heron") for row in four]
    matrix = [
        [next((row.score for row in four if row.rater == f"observer {rater}" and row.item == item), np.nan) for item in range(12)]
        for rater in range(4)
    ]
    assert alpha(named).value == pytest.approx(krippendorff.alpha(matrix, level_of_measurement="nominal"))


@pytest.mark.parametrize(
    "rows", [[], [judgement(1, "ada", score=3)], [judgement(item, rater, score=3) for item in (1, 2) for rater in ("ada", "eva")]]
)
def test_where_nothing_varies_or_is_shared_there_is_no_alpha(rows: list[Judgement]) -> None:
    assert alpha(rows).value is None


def test_kappa_weighs_scores_by_how_far_they_lie_apart() -> None:
    mine, near, far = [1, 2, 3, 4, 5, 3], [2, 3, 4, 5, 4, 2], [5, 5, 1, 1, 1, 1]
    rows = [
        judgement(item, name, score=score)
        for name, scores in (("ada", mine), ("eva", near), ("ida", far))
        for item, score in enumerate(scores)
    ]
    found = {(one.one, one.other): one for one in kappas(rows)}
    close, apart = found["ada", "eva"].value, found["ada", "ida"].value
    assert close is not None
    assert apart is not None
    assert close > 0.5 > 0 > apart
    assert (found["ada", "eva"].raw, found["ada", "eva"].units) == (0, 6)
    same = [judgement(item, name, score=3) for name in ("ada", "eva") for item in range(3)]
    assert (kappas(same)[0].value, kappas(same)[0].raw) == (None, 1.0)


def test_raters_are_held_against_themselves_and_against_what_is_known() -> None:
    rows = [judgement(item, "ada", choice="first", second="heron") for item in range(4)]
    rows += [
        judgement(item, "ada", choice=choice, second="heron", round=1) for item, choice in enumerate(("first", "first", "tie"))
    ]
    rows += [
        judgement(7, "ada", choice="tie", second="heron", gold="first"),
        judgement(8, "ada", score=4, gold=5),
        judgement(9, "ada", score=3, gold=5),
    ]
    assert with_themselves(rows) == {"ada": Share(2, 3)}
    assert with_gold(rows) == {"ada": Share(1, 3)}
    assert len(counted(rows)) == 4


def drawn(
    random: np.random.Generator,
    raters: int,
    items: int,
    strength: Sequence[float],
    side: float,
    ties: float = 0.15,
    own: float = 0.4,
) -> list[Judgement]:
    """A campaign by raters with tastes of their own, of items on which systems do better and worse, each judged by four."""
    taste, luck = random.normal(0, own, (raters, 3)), random.normal(0, 1.5 * own, (items, 3))
    lean = side + random.normal(0, own / 2, raters)
    rows = []
    for item in range(items):
        for one, other in ((0, 1), (0, 2), (1, 2)):
            for rater in random.choice(raters, 4, replace=False):
                left = random.random() < 0.5
                apart = (
                    strength[one] - strength[other] + taste[rater, one] - taste[rater, other] + luck[item, one] - luck[item, other]
                )
                odds = apart + (lean[rater] if left else -lean[rater])
                won = random.random() < 1 / (1 + np.exp(-odds))
                choice = "tie" if random.random() < ties else "first" if won else "second"
                rows.append(
                    judgement(
                        item, f"r{rater}", choice=choice, first=NAMES[one], second=NAMES[other], left="first" if left else "second"
                    )
                )
    return rows


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    strength, side = (0.6, 0.0, -0.6), 0.4
    # What a campaign without end would find: tastes and ties draw scores together, so they are not the strengths that went in.
    endless = rank(drawn(random, 400, 3_000, strength, side))
    assert endless
    truth = {name: one.value for name, one in endless.scores.items()}
    covered, alarms, campaigns = [], 0, 120
    for _ in range(campaigns):
        found = rank(drawn(random, 8, 30, strength, side))
        assert found
        covered += [one.low <= truth[name] <= one.high for name, one in found.scores.items()]
        covered.append(found.position.low <= endless.position.value <= found.position.high)
    for _ in range(campaigns):
        fair = rank(drawn(random, 8, 30, strength, 0.0))
        assert fair
        alarms += fair.position.low > 0 or fair.position.high < 0
    assert 0.92 <= np.mean(covered) <= 0.98
    assert alarms / campaigns <= 0.1


def test_the_order_is_found_and_the_side_does_not_get_into_it() -> None:
    rows = drawn(np.random.default_rng(1), 8, 60, (1.0, 0.0, -1.0), 1.0)
    found = rank(rows)
    assert found
    assert list(found.scores) == list(NAMES)
    assert sum(one.value for one in found.scores.values()) == pytest.approx(0)
    assert found.position.low > 0
    assert found.left[0] > 0.6 * found.left[1]
    # All sides exchanged, the scores are what they were and the bias has the other sign.
    mirrored = rank(
        [
            judgement(
                row.item,
                row.rater,
                choice=row.choice,
                first=row.first,
                second=row.second,
                left="second" if row.left == "first" else "first",
            )
            for row in rows
        ]
    )
    assert mirrored
    assert [one.value for one in mirrored.scores.values()] == pytest.approx([one.value for one in found.scores.values()])
    assert mirrored.position.value == pytest.approx(-found.position.value)
    wins = {(one.first, one.second): one for one in found.wins}
    assert wins["walrus", "otter"].share > 0.75 > 0.5 > wins["otter", "walrus"].share
    assert wins["walrus", "otter"].won == wins["otter", "walrus"].lost


def test_who_wins_everything_has_a_finite_score() -> None:
    rows = [
        judgement(item, rater, choice="first", second="heron", left=left)
        for item in range(10)
        for rater, left in (("ada", "first"), ("eva", "second"))
    ]
    found = rank(rows)
    assert found
    assert 0 < found.scores["walrus"].value < 5
    assert rank([judgement(1, "ada", score=3)]) is None
    alone = rank(
        [judgement(1, "ada", choice="tie", second="heron"), judgement(1, "ada", choice="first", second="heron", left="second")]
    )
    assert alone
    assert alone.scores["walrus"].high == np.inf  # one item and one rater say nothing about others


def test_a_mean_of_few_raters_is_less_sure_than_its_count_says() -> None:
    random = np.random.default_rng(2)
    lean = random.normal(0, 1, 5)
    rows = [(float(lean[rater] + random.normal(0, 0.3)), item, rater) for item in range(40) for rater in range(5)]
    values, items, raters = zip(*rows, strict=True)
    found, naive = mean(values, items, raters, (-9.0, 9.0)), 1.96 * np.std(values) / np.sqrt(len(values))
    assert found.value == pytest.approx(np.mean(values))
    assert found.high - found.value > 5 * naive
    assert found.low >= -9
    assert mean(values, items, raters, (-9.0, 0.1)).high <= 0.1
    for few in (([3.0], [1], [1]), ([3.0, 4.0] * 4, [1, 2, 3, 4] * 2, [1, 2] * 4), ([3.0] * 9, list(range(9)), [1, 2, 3] * 3)):
        assert mean(*few, (1.0, 5.0)).high == np.inf  # too few, or nothing varies
