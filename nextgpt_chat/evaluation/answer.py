"""One reply of a model, without a screen and without a store."""

from nextgpt_chat.conversation import Conversation, Turn
from nextgpt_chat.events import Reply
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.store.jobs import parts_of


def answer(reply: Reply, turns: tuple[Turn, ...], seed: int) -> Turn:
    """What a model answers to the last of `turns`; the same seed gives the same answer. Raises `UserError` as `Pipeline.reply` does."""
    events = list(reply(Conversation(turns), ReplySettings(seed=seed), lambda: False))
    return Turn("assistant", parts_of(events))
