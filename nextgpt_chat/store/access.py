"""Whose a conversation is. Every query in a visitor's name begins here.

What does not exist, what was deleted and what belongs to somebody else give the same `NotFoundError`.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.store.tables import ConversationRow, MessageRow


def owned(session: Session, user: str, conversation: str, deleted: bool = False) -> ConversationRow:
    """The user's conversation; one of those that were deleted and can still be brought back, if `deleted`."""
    row = session.get(ConversationRow, conversation)
    if row is None or row.user_id != user or (row.deleted is not None) != deleted:
        raise NotFoundError("There is no such conversation.")
    return row


def owned_message(session: Session, user: str, message: str, role: str | None = None) -> tuple[MessageRow, ConversationRow]:
    """A message in one of the user's conversations, and that conversation; `role` is who must have written it, if it matters."""
    row = session.scalar(select(MessageRow).where(MessageRow.id == message))
    if row is None or role not in (row.role, None):
        raise NotFoundError("There is no such reply." if role == "assistant" else "There is no such message.")
    return row, owned(session, user, row.conversation_id)
