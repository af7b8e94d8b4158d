import time
from collections.abc import Callable, Iterator

from nextgpt_chat.annotate.answers import TRIES, Answering
from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.conversation import Conversation
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import InputError
from nextgpt_chat.events import Done, Event, Stats, TextDelta
from nextgpt_chat.settings import ReplySettings, Settings
from nextgpt_chat.store.audit import records
from tests.annotating import annotator, plan, work
from tests.conftest import Opened, scripted

SYSTEMS = [{"model": "scripted", "label": "one"}, {"model": "scripted", "label": "other", "settings": {"seed": 9, "steps": 3}}]


def say(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
    text = conversation.turns[-1].text
    if text == "fail":
        raise InputError("That cannot be said.")
    yield TextDelta(f"{text} with {settings.steps}" + (", says llama" if text == "name" else ""))
    yield Done(Stats("scripted", seed=settings.seed or 4))


def made(store: Opened, settings: Settings, *items: str) -> tuple[Campaigns, str]:
    campaigns = Campaigns(store, settings)
    return campaigns, campaigns.create(checked(plan() | {"items": list(items), "systems": SYSTEMS}))


def until(answering: Answering, enough: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not enough():
        assert time.monotonic() < end
        answering()
        time.sleep(0.02)


def test_answers_are_made_by_the_engine_at_their_settings(store: Opened, settings: Settings) -> None:
    campaigns, campaign = made(store, settings, "hello", "fail", "name")
    with Worker(store.jobs, lambda: scripted(store.content, say), "scripted") as worker:
        answering = Answering(store.database, store.content, lambda: {"scripted": lambda: "rev1"}, worker.notify)
        until(answering, lambda: sum(campaigns.counts(campaign).answers.get(name, 0) for name in ("ready", "failed")) == 6)
    assert campaigns.counts(campaign).answers == {"ready": 4, "failed": 2}
    seen = work(Desk(store), annotator(store), campaign)
    assert {tuple(sorted(turn.text for turn in shown.answers)) for shown in seen} == {
        ("hello with 3", "hello with None"), ("name with 3, says llama", "name with None, says llama"),
    }  # fmt: skip
    with store.database.reading() as session:
        answered = [row.body for row in records(session, campaign) if row.action == "answered"]
    good = [body for body in answered if body["status"] == "ready"]
    assert {(body["system"], body["revision"], body["seed"], body["settings"]["steps"]) for body in good} == {
        ("one", "rev1", 4, None),
        ("other", "rev1", 9, 3),
    }
    assert campaigns.try_again(campaign) == 2
    assert campaigns.counts(campaign).answers["waiting"] == 2


def test_people_who_chat_go_first(store: Opened, settings: Settings) -> None:
    campaigns, campaign = made(store, settings, "hello")
    store.post("somebody")
    answering = Answering(store.database, store.content, lambda: {"scripted": lambda: "rev1"}, lambda: None)
    answering()
    assert campaigns.counts(campaign).answers == {"waiting": 2}
    job = store.jobs.claim("test", "scripted")
    assert job
    answering()
    assert campaigns.counts(campaign).answers == {"waiting": 2}
    store.jobs.append(job.id, Done(Stats("scripted", seed=1)))
    answering()
    answering()
    assert campaigns.counts(campaign).answers == {"waiting": 1, "running": 1}


def test_without_the_model_they_wait_and_a_closed_campaign_asks_for_nothing(store: Opened, settings: Settings) -> None:
    campaigns, campaign = made(store, settings, "hello")
    Answering(store.database, store.content, dict, lambda: None)()
    campaigns.set_open(campaign, False)
    Answering(store.database, store.content, lambda: {"scripted": lambda: "rev1"}, lambda: None)()
    assert campaigns.counts(campaign).answers == {"waiting": 2}


def test_an_answer_that_was_interrupted_is_tried_again(store: Opened, settings: Settings) -> None:
    campaigns, campaign = made(store, settings, "hello")
    answering = Answering(store.database, store.content, lambda: {"scripted": lambda: "rev1"}, lambda: None)
    for _ in range(TRIES):
        answering()
        assert store.jobs.claim(f"pid {2**22 + 1}", "scripted")
        assert store.jobs.recover() == 1
    answering()
    assert campaigns.counts(campaign).answers["failed"] == 1
