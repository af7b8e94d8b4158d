"""How a campaign's items are written: requests as conversations, answers as versions of the last reply, and who is compared with whom."""

import random
import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.annotate.identity import gives_away, spoken
from nextgpt_chat.annotate.plan import Item, Plan, System
from nextgpt_chat.conversation import Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.export.dialogue_file import DialogueReader
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.annotation_tables import AnswerRow, CampaignRow, ConsentRow, ItemRow, TaskRow
from nextgpt_chat.store.conversations import title_of
from nextgpt_chat.store.messages import messages_up_to, turn_of, write_parts
from nextgpt_chat.store.raters import SHARING
from nextgpt_chat.store.tables import ConversationRow, MessageRow

Read = tuple[list[Turn], list[Turn]]
"""An item's request, and its answers."""


def models_in(session: Session, campaign: str) -> list[str]:
    """Names of the models that answer in a campaign, by which an answer would give itself away."""
    mine = select(AnswerRow.model).join(ItemRow, ItemRow.id == AnswerRow.item_id).where(ItemRow.campaign_id == campaign).distinct()
    return spoken(name for name in session.scalars(mine) if name)


def said_by_models(turns: Sequence[Turn]) -> str:
    """What replies say, each in a paragraph: earlier ones, which annotators read as well, may give away who answers."""
    return "\n".join(turn.text for turn in turns if turn.role == "assistant")


def read_items(plan: Plan, folder: Path | None, content: ContentStore, settings: Settings) -> list[Read]:
    """The items' requests and answers; files that they name lie in `folder` and are taken into the content store.

    Raises `InputError` for files that are not there or cannot be accepted.
    """
    with tempfile.TemporaryDirectory() as empty:
        reader = DialogueReader(folder or Path(empty), content, settings, made=True)
        return [_read(reader, item, number) for number, item in enumerate(plan.items, 1)]


def write_items(
    session: Session, content: ContentStore, campaign: CampaignRow, plan: Plan, read: Sequence[Read]
) -> tuple[int, int]:
    """Writes all items of a campaign; returns how many they are, and how many tasks."""
    maker = _Maker(session, content, campaign, plan)
    for item, (asked, answers) in zip(plan.items, read, strict=True):
        maker.add(item, asked, answers)
    maker.add_stored()
    maker.shuffle()
    return maker.items, len(maker.tasks)


def _read(reader: DialogueReader, item: Item, number: int) -> Read:
    try:
        asked = item.dialogue()
        # The reader takes whole dialogues alone: a request is read with something said in return, which is dropped.
        closed = [*asked, {"role": "assistant", "parts": [{"kind": "text", "text": "."}]}]
        turns = reader.turns({"turns": closed})[:-1]
        answers = [reader.turns({"turns": [*asked, {"role": "assistant", "parts": answer.parts}]})[-1] for answer in item.answers]
    except InputError as error:
        raise InputError(f"Item {number}: {error}") from error
    return turns, answers


class _Maker:
    """Writes the items of one campaign."""

    def __init__(self, session: Session, content: ContentStore, campaign: CampaignRow, plan: Plan) -> None:
        self.session, self.content, self.campaign, self.plan = session, content, campaign, plan
        self.items = 0
        self.tasks: list[TaskRow] = []
        self.random = random.Random(plan.seed)
        self.models = plan.models()

    def add(self, item: Item, asked: Sequence[Turn], answers: Sequence[Turn]) -> None:
        """An item of the plan, with the answers that are there, or with places for those that will be made."""
        row, leaf = self._item(asked)
        made = []
        for ready, turn in zip(item.answers, answers, strict=True):
            answer = self._ready(row, leaf, [*asked, turn], ready.system, ready.model or ready.system)
            answer.revision, answer.seed, answer.settings = ready.revision, ready.seed, ready.settings
            made.append((answer, ready.gold))
        made += [] if item.answers else [(self._waiting(row, system), {}) for system in self.plan.systems]
        self._tasks(row, made, item.gold)

    def add_stored(self) -> None:
        """Replies of people who agreed, drawn at random, at most one of each conversation."""
        wanted = self.plan.conversations
        if not wanted:
            return
        others = [system.name for system in self.plan.systems] if self.plan.mode == "pairwise" else []
        agreed = (
            select(MessageRow)
            .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
            .join(ConsentRow, ConsentRow.user_id == ConversationRow.user_id)
            .where(ConsentRow.version == SHARING, ConversationRow.deleted.is_(None))
            .where(MessageRow.role == "assistant", MessageRow.status == "complete", MessageRow.model.not_in(others))
            .order_by(MessageRow.number)
        )
        by_conversation: dict[str, list[MessageRow]] = {}
        for message in self.session.scalars(agreed):
            if message.parts:
                by_conversation.setdefault(message.conversation_id, []).append(message)
        if len(by_conversation) < wanted:
            raise InputError(
                f"{wanted} conversations are wanted, and people agreed to {len(by_conversation)} that would do. Take fewer, or ask more people."
            )
        for conversation in self.random.sample(sorted(by_conversation), wanted):
            self._copy(self.random.choice(by_conversation[conversation]))

    def _copy(self, reply: MessageRow) -> None:
        turns = [turn_of(row, self.content) for row in messages_up_to(self.session, reply.id, reply.conversation_id)]
        row, leaf = self._item(turns[:-1])
        source = self.session.get_one(ConversationRow, reply.conversation_id)
        row.owner_id, row.source_id = source.user_id, source.id
        answer = self._ready(row, leaf, turns, reply.model or "", reply.model or "")
        answer.seed, answer.settings = reply.stats.get("seed"), {}
        systems = self.plan.systems if self.plan.mode == "pairwise" else []
        self._tasks(row, [(answer, {}), *((self._waiting(row, system), {}) for system in systems)], {})

    def shuffle(self) -> None:
        """Puts the tasks in an order that says nothing."""
        numbers = list(range(len(self.tasks)))
        self.random.shuffle(numbers)
        for task, number in zip(self.tasks, numbers, strict=True):
            task.number = number
        self.session.flush()

    def _item(self, asked: Sequence[Turn]) -> tuple[ItemRow, str]:
        """A new item with its conversation, and the id of its last message."""
        conversation = ConversationRow(user_id=self.campaign.user_id, title=title_of(asked[-1]))
        self.session.add(conversation)
        self.session.flush()
        for turn in asked:
            conversation.leaf_id = self._message(conversation.id, conversation.leaf_id, turn, None)
        self.items += 1
        row = ItemRow(campaign_id=self.campaign.id, number=self.items, conversation_id=conversation.id)
        self.session.add(row)
        self.session.flush()
        assert conversation.leaf_id is not None
        return row, conversation.leaf_id

    def _message(self, conversation: str, parent: str | None, turn: Turn, model: str | None) -> str:
        message = MessageRow(
            conversation_id=conversation, parent_id=parent, role=turn.role, status="complete", model=model, stats={}
        )
        self.session.add(message)
        self.session.flush()
        write_parts(self.session, message, turn)
        return message.id

    def _ready(self, item: ItemRow, leaf: str, turns: Sequence[Turn], system: str, model: str) -> AnswerRow:
        """The last turn as an answer to those before it."""
        assert item.conversation_id is not None
        message = self._message(item.conversation_id, leaf, turns[-1], model)
        answer = AnswerRow(item_id=item.id, system=system, model=model, settings={}, message_id=message, status="ready")
        answer.revision, answer.leak = "", gives_away(said_by_models(turns), [*self.models, *spoken([model])])
        return self._added(answer)

    def _waiting(self, item: ItemRow, system: System) -> AnswerRow:
        settings = system.settings.model_dump(mode="json")
        return self._added(AnswerRow(item_id=item.id, system=system.name, model=system.model, settings=settings, status="waiting"))

    def _added(self, answer: AnswerRow) -> AnswerRow:
        self.session.add(answer)
        self.session.flush()
        return answer

    def _tasks(self, item: ItemRow, answers: Sequence[tuple[AnswerRow, dict[str, int]]], gold: dict[str, str]) -> None:
        """One task for each answer, or for each two of them."""
        if self.plan.mode == "absolute":
            pairs: list[tuple[AnswerRow, AnswerRow | None, dict[str, Any]]] = [
                (answer, None, dict(known)) for answer, known in answers
            ]
        else:
            pairs = [(one, other, _gold(gold, one, other)) for (one, _), (other, _) in combinations(answers, 2)]
        for one, other, known in pairs:
            task = TaskRow(
                campaign_id=self.campaign.id, number=0, item_id=item.id, first_id=one.id, second_id=other and other.id, gold=known
            )
            self.session.add(task)
            self.tasks.append(task)
        self.session.flush()


def _gold(gold: dict[str, str], one: AnswerRow, other: AnswerRow) -> dict[str, str]:
    """What is known of two answers, in the words of a judgement; a winner who is neither of them says nothing."""
    words = {one.system: "first", other.system: "second", "tie": "tie", "bad": "bad"}
    return {key: words[value] for key, value in gold.items() if value in words}
