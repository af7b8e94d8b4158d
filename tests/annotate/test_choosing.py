from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.choosing import GAP
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.annotate.sheet import Sheet
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import Done, Stats, TextDelta
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.audit import first_break, records
from tests.annotating import NAMES, annotator, answer, create, filled, plan, rows_of, work
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


def test_a_second_click_at_the_same_moment_changes_nothing(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings, count=3), Desk(store), annotator(store)
    with ThreadPoolExecutor(6) as pool:
        shown = list(pool.map(lambda _: desk.next(user, campaign), range(6)))
        assert len({one.assignment for one in shown if one}) == 1
        task = shown[0]
        assert task
        list(pool.map(lambda _: desk.send(user, task.assignment, filled(task)), range(6)))
    assert [row.revision for row in rows_of(store, campaign)] == [1]


def test_who_judged_a_chat_that_was_taken_back_goes_on(store: Opened, settings: Settings) -> None:
    for owner in ("ada", "eva"):
        store.post(owner)
        job = store.jobs.claim("test", "scripted")
        assert job
        store.jobs.append(job.id, TextDelta("Good morning."), Done(Stats("scripted", seed=1)))
        store.consents.give(owner)
    given = plan() | {"mode": "absolute", "conversations": 2, "repeats": 0.5, "items": plan(4)["items"]}
    campaign, desk, user = Campaigns(store, settings).create(checked(given)), Desk(store), annotator(store)
    work(desk, user, campaign, lambda shown: filled(shown, 3), most=8)
    store.consents.take_back("ada")
    store.consents.take_back("eva")
    work(desk, user, campaign, lambda shown: filled(shown, 3))
    assert desk.back(user, campaign)
    assert desk.progress(user, campaign).left == 0


def test_a_judgement_is_not_skipped_afterwards_and_a_skipped_item_may_be_full(store: Opened, settings: Settings) -> None:
    campaign, desk = create(store, settings, count=1, overlap=1), Desk(store)
    one, other = annotator(store, 1), annotator(store, 2)
    shown = desk.next(one, campaign)
    assert shown
    desk.skip(one, shown.assignment, "unclear", Sheet())
    (judged,) = work(desk, other, campaign)
    with pytest.raises(InputError, match="others have judged it"):
        desk.send(one, shown.assignment, filled(shown))
    with pytest.raises(InputError, match="judged this already"):
        desk.skip(other, judged.assignment, "unclear", Sheet())
    Campaigns(store, settings).set_open(campaign, False)
    with pytest.raises(InputError, match="closed"):
        desk.send(other, judged.assignment, filled(judged, "tie"))
    assert [row.choice for row in rows_of(store, campaign)] in (["first"], ["second"])


def test_known_ones_stay_rare_while_answers_are_still_made(store: Opened, settings: Settings) -> None:
    known = [
        {"prompt": f"Known {n}.", "answers": [answer("walrus", n), answer("heron", n)], "gold": {"overall": "heron"}}
        for n in range(4)
    ]
    waiting = plan() | {"items": ["Say.", *known], "systems": [{"model": "one"}, {"model": "other"}], "golds": 0.1}
    campaign = Campaigns(store, settings).create(checked(waiting))
    assert work(Desk(store), annotator(store), campaign) == []


def test_one_annotator_in_two_windows_waits_for_nobody(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings, count=3), Desk(store), annotator(store)
    shown = desk.next(user, campaign)
    assert shown

    def act(number: int) -> None:
        if number % 2:
            desk.save(user, shown.assignment, Sheet(answers={"reply/overall": "tie" if number % 4 == 1 else "bad"}))
        else:
            desk.next(user, campaign)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(48)))
    with store.database.reading() as session:
        assert first_break(records(session, campaign)) is None
