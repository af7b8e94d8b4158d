"""Several models of one server, each with a real engine on one queue."""

from collections.abc import Callable, Iterator

import pytest

from nextgpt_chat.conversation import Conversation
from nextgpt_chat.engine.follow import follow
from nextgpt_chat.engine.models import Models
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import NotFoundError, SetupError
from nextgpt_chat.events import Done, Event, Model, Stats, TextDelta
from nextgpt_chat.settings import ReplySettings
from tests.conftest import Opened, scripted
from tests.web.test_server import DESCRIPTION

OTHER = DESCRIPTION.model_copy(update={"name": "other"})


def saying(store: Opened, text: str) -> Model:
    def reply(conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        yield TextDelta(text)
        yield Done(Stats(text, seed=1))

    return scripted(store.content, reply)


def served(store: Opened, load: Callable[[], Model]) -> Models:
    first = Worker(store.jobs, lambda: saying(store, "first"), "scripted")
    return Models([(DESCRIPTION, first), (OTHER, Worker(store.jobs, load, "other"))])


def ask(store: Opened, model: str) -> str:
    conversation, job = store.post("me", model=model)
    for _ in follow(store.jobs, "me", job):
        pass
    message = store.conversations.messages("me", conversation)[-1]
    return message.turn.text or str(message.error)


def test_each_answers_what_it_is_asked(store: Opened) -> None:
    models = served(store, lambda: saying(store, "other"))
    models.start()
    assert [ask(store, "other"), ask(store, "scripted"), ask(store, "other")] == ["other", "first", "other"]
    assert (models.state, models.problem) == ("ready", None)
    models.stop()
    assert models.state == "ending"


def test_one_that_cannot_be_loaded_says_why_and_the_other_answers(store: Opened) -> None:
    def broken() -> Model:
        raise SetupError("Something is missing.")

    models = served(store, broken)
    models.start()
    assert [ask(store, "scripted"), ask(store, "other")] == ["first", "Something is missing."]
    assert (models.state, models.problem) == ("failed", "Something is missing.")
    models.stop()


def test_models_are_found_by_name(store: Opened) -> None:
    models = served(store, lambda: saying(store, "other"))
    assert (models.named("").name, models.named("other").name, models.default.name) == ("scripted", "other", "scripted")
    assert models.find("nobody") is None
    assert models.find(None) is None
    with pytest.raises(NotFoundError, match=r"no model called 'nobody' here. The models are: scripted, other\."):
        models.named("nobody")


def test_two_of_one_name_are_refused(store: Opened) -> None:
    worker = Worker(store.jobs, lambda: saying(store, "first"), "scripted")
    with pytest.raises(SetupError, match="Two models are called scripted"):
        Models([(DESCRIPTION, worker), (DESCRIPTION, worker)])
