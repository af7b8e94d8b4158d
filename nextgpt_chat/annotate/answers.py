"""Answers that a campaign's systems still have to give: put into the engine's queue, and collected from it.

The engine does not know campaigns. People who chat go first: a campaign has at most one reply in a model's queue, and none while others wait.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.annotate.identity import gives_away
from nextgpt_chat.annotate.items import models_in, said_by_models
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.store.annotation_tables import AnswerRow, CampaignRow, ItemRow
from nextgpt_chat.store.audit import record
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.messages import conversation_up_to
from nextgpt_chat.store.quota import OPEN, count_jobs
from nextgpt_chat.store.tables import ConversationRow, JobRow, MessageRow

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between looks at what is finished."""
TRIES = 3
"""How often an answer is tried until it counts as failed."""

Ready = Callable[[], Mapping[str, Callable[[], str]]]
"""The models that are loaded, each with what tells the revision of its weights."""


class Answering:
    """Called again and again; each call does what can be done at once."""

    def __init__(self, database: Database, content: ContentStore, ready: Ready, notify: Callable[[], None]) -> None:
        """`notify` tells the engine that there is something to do."""
        self.database, self.content, self.ready, self.notify = database, content, ready, notify
        self._revisions: dict[str, str] = {}

    def __call__(self) -> None:
        with self.database.reading() as session:  # most of the time there is nothing, and nobody is kept from writing
            if not session.scalar(select(AnswerRow.id).where(AnswerRow.status.in_(("waiting", "running"))).limit(1)):
                return
        with self.database.session() as session:
            self._collect(session)
        models = self.ready()
        for model in models.keys() - self._revisions.keys():
            self._revisions[model] = models[model]()
        with self.database.session() as session:
            posted = [self._post(session, model) for model in models]
        if any(posted):
            self.notify()

    def _collect(self, session: Session) -> None:
        """Takes over what the engine has ended."""
        ended = session.execute(
            select(AnswerRow, MessageRow, CampaignRow)
            .join(ItemRow, ItemRow.id == AnswerRow.item_id)
            .join(CampaignRow, CampaignRow.id == ItemRow.campaign_id)
            .join(MessageRow, MessageRow.id == AnswerRow.message_id)
            .where(AnswerRow.status == "running", MessageRow.status != "running")
        ).all()
        for answer, message, campaign in ended:
            if message.status == "complete" and message.parts:
                told = conversation_up_to(session, message.id, message.conversation_id, self.content)
                answer.status, answer.seed = "ready", message.stats.get("seed")
                answer.leak = gives_away(said_by_models(told.turns), models_in(session, campaign.id))
            else:
                answer.status = "waiting" if answer.tries < TRIES else "failed"
                log.warning("answer %s of campaign %r ended as %s (%s)", answer.id, campaign.name, message.status, message.error)
            if answer.status != "waiting":
                said: dict[str, Any] = {
                    "system": answer.system,
                    "model": answer.model,
                    "revision": answer.revision,
                    "seed": answer.seed,
                }
                record(session, campaign.id, "answered", answer=answer.id, status=answer.status, settings=answer.settings, **said)

    def _post(self, session: Session, model: str) -> bool:
        """Puts the next answer of a model into its queue, if nothing else waits there; returns whether it did."""
        if count_jobs(session, JobRow.model == model, JobRow.status.in_(OPEN)):
            return False
        following = session.execute(
            select(AnswerRow, ConversationRow)
            .join(ItemRow, ItemRow.id == AnswerRow.item_id)
            .join(CampaignRow, CampaignRow.id == ItemRow.campaign_id)
            .join(ConversationRow, ConversationRow.id == ItemRow.conversation_id)
            .where(AnswerRow.status == "waiting", AnswerRow.model == model, CampaignRow.status == "open")
            .order_by(CampaignRow.created, ItemRow.number, AnswerRow.system)
            .limit(1)
        ).first()
        if following is None:
            return False
        answer, conversation = following
        reply = MessageRow(
            conversation_id=conversation.id,
            parent_id=conversation.leaf_id,
            role="assistant",
            status="running",
            model=model,
            stats={},
        )
        session.add(reply)
        session.flush()
        session.add(
            JobRow(conversation_id=conversation.id, reply_id=reply.id, model=model, settings=answer.settings, status="queued")
        )
        answer.message_id, answer.status, answer.revision = reply.id, "running", self._revisions[model]
        answer.tries += 1
        return True
