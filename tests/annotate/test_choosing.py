from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.choosing import GAP
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.settings import Settings
from tests.annotating import NAMES, annotator, answer, create, plan, rows_of, work
from tests.conftest import Opened


def test_each_item_is_judged_as_often_as_was_wanted(store: Opened, settings: Settings) -> None:
    campaign, desk = create(store, settings, count=8, overlap=2), Desk(store)
    done = [len(work(desk, annotator(store, number), campaign)) for number in range(1, 4)]
    assert sum(done) == 16
    assert set(Counter(row.task for row in rows_of(store, campaign)).values()) == {2}


def test_what_was_judged_least_comes_first_and_systems_stay_in_balance(store: Opened, settings: Settings) -> None:
    campaign, desk = Campaigns(store, settings).create(checked(plan(10, NAMES, overlap=3))), Desk(store)
    for number in (1, 2, 3):
        work(desk, annotator(store, number), campaign, most=6)
        rows = rows_of(store, campaign)
        assert max(Counter(row.task for row in rows).values()) == 1
        pairs = Counter((row.first, row.second) for row in rows)
        assert max(pairs.values()) - min(pairs.values()) <= 1


def test_many_at_once_take_no_more_than_was_wanted(store: Opened, settings: Settings) -> None:
    campaign, desk = create(store, settings, count=5, overlap=2), Desk(store)
    users = [annotator(store, number) for number in range(1, 9)]
    with ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(lambda user: desk.next(user, campaign), users))
    there = Counter(one.prompt[0].text for one in shown if one)
    assert sum(there.values()) == 8
    assert max(there.values()) <= 2
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda user: work(desk, user, campaign), users))
    assert set(Counter(row.task for row in rows_of(store, campaign)).values()) == {2}


def test_some_come_a_second_time_with_the_sides_exchanged(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings, count=20, repeats=0.2), Desk(store), annotator(store)
    seen = work(desk, user, campaign)
    first = {shown.prompt[0].text: (number, shown) for number, shown in reversed(list(enumerate(seen)))}
    again = [(number, shown) for number, shown in enumerate(seen) if first[shown.prompt[0].text][0] < number]
    assert len(again) == 4
    for number, shown in again:
        before, other = first[shown.prompt[0].text]
        assert number - before > GAP
        assert shown.answers == other.answers[::-1]
    assert sum(row.round for row in rows_of(store, campaign)) == 4


def test_known_ones_are_strewn_in_for_everybody(store: Opened, settings: Settings) -> None:
    known = [
        {"prompt": f"Known {n}.", "answers": [answer("walrus", n), answer("heron", n)], "gold": {"overall": "heron"}}
        for n in range(3)
    ]
    items = [*plan(20)["items"], *known]
    campaign, desk = Campaigns(store, settings).create(checked(plan() | {"items": items, "golds": 0.1, "overlap": 1})), Desk(store)
    for number in (1, 2):
        work(desk, annotator(store, number), campaign, most=10)
    golds = [row for row in rows_of(store, campaign) if row.gold]
    assert Counter(row.rater for row in golds).most_common() == [(golds[0].rater, 1), (golds[-1].rater, 1)]
    assert {row.gold for row in golds} == {"second"}


def test_a_campaign_of_known_ones_alone_is_judged_too(store: Opened, settings: Settings) -> None:
    known = [{"prompt": "Known.", "answers": [answer("walrus", 1), answer("heron", 1)], "gold": {"overall": "heron"}}]
    campaign = Campaigns(store, settings).create(checked(plan() | {"items": known, "golds": 0.1}))
    assert len(work(Desk(store), annotator(store), campaign)) == 1
