"""Links under which a conversation can be read by anybody who has them, until its owner takes them back."""

import secrets

from sqlalchemy import delete, select

from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.store.access import owned
from nextgpt_chat.store.conversations import Conversations, Message
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.tables import ConversationRow, ShareRow


class Shares:
    """At most one link for a conversation."""

    def __init__(self, database: Database, conversations: Conversations) -> None:
        self.database, self.conversations = database, conversations

    def token(self, user: str, conversation: str) -> str | None:
        """What names the conversation in its link, if there is one."""
        with self.database.reading() as session:
            owned(session, user, conversation)
            return session.scalar(select(ShareRow.token).where(ShareRow.conversation_id == conversation))

    def share(self, user: str, conversation: str) -> str:
        """Makes a link, which nobody can guess; one that is there already stays."""
        with self.database.session() as session:
            owned(session, user, conversation)
            row = session.scalar(select(ShareRow).where(ShareRow.conversation_id == conversation))
            if row is None:
                row = ShareRow(token=secrets.token_urlsafe(24), conversation_id=conversation)
                session.add(row)
            return row.token

    def revoke(self, user: str, conversation: str) -> None:
        """Takes the link back; a later one has another token."""
        with self.database.session() as session:
            owned(session, user, conversation)
            session.execute(delete(ShareRow).where(ShareRow.conversation_id == conversation))

    def read(self, token: str) -> tuple[str, list[Message]]:
        """Title and messages of the conversation that is shared under `token`, as it is now."""
        with self.database.reading() as session:
            row = session.scalar(
                select(ConversationRow)
                .join(ShareRow, ShareRow.conversation_id == ConversationRow.id)
                .where(ShareRow.token == token, ConversationRow.deleted.is_(None))
            )
        if row is None:
            raise NotFoundError("Nothing is shared under this address, or no longer.")
        return row.title, self.conversations.messages(row.user_id, row.id)
