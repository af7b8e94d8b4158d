"""Those who judge, under ids that say nothing about them; and those who let their conversations be judged."""

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from nextgpt_chat.store.annotation_tables import ConsentRow, ItemRow, RaterRow
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.tables import ConversationRow, UserRow

TERMS = 1
"""Version of what annotators agree to."""
SHARING = 1
"""Version of what people agree to who let their conversations be judged."""


def rater_of(session: Session, user: str) -> RaterRow:
    """The rater that a user is, made the first time."""
    row = session.scalar(select(RaterRow).where(RaterRow.user_id == user))
    if row is None:
        row = RaterRow(user_id=user, consent=0)
        session.add(row)
        session.flush()
    return row


class Consents:
    """Who lets annotators see their conversations."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def given(self, user: str) -> bool:
        """Whether the user agreed to what is asked today."""
        with self.database.reading() as session:
            row = session.get(ConsentRow, user)
            return row is not None and row.version == SHARING

    def give(self, user: str) -> None:
        """The user agrees."""
        with self.database.session() as session:
            if session.get(UserRow, user) is None:
                session.add(UserRow(id=user))
                session.flush()
            session.merge(ConsentRow(user_id=user, version=SHARING))

    def take_back(self, user: str) -> None:
        """The user agrees no longer: nobody is shown their conversations from now on. What was judged stays, without what it was about."""
        with self.database.session() as session:
            row = session.get(ConsentRow, user)
            if row is not None:
                session.delete(row)
            withdraw(session, ItemRow.owner_id == user)


def withdraw(session: Session, *which: ColumnElement[bool]) -> None:
    """Copies of conversations in campaigns are put where the next sweep deletes them; `which` says of which items."""
    copies = list(session.scalars(select(ItemRow.conversation_id).where(*which, ItemRow.conversation_id.is_not(None))))
    session.execute(update(ConversationRow).where(ConversationRow.id.in_(copies)).values(deleted=ConversationRow.created))
    session.execute(update(ItemRow).where(ItemRow.conversation_id.in_(copies)).values(conversation_id=None))
