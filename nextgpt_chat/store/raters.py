"""Those who judge, under ids that say nothing about them; and those who let their conversations be judged."""

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from nextgpt_chat.store.annotation_tables import AnswerRow, ConsentRow, ItemRow, RaterRow
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.tables import ConversationRow, JobRow, UserRow

TERMS = 1
"""Version of what annotators agree to."""
SHARING = 1
"""Version of what people agree to who let their conversations be judged."""


def rater_of(session: Session, user: str) -> RaterRow:
    """The rater that a user is, made the first time."""
    sought = select(RaterRow).where(RaterRow.user_id == user)
    row = session.scalar(sought)
    if row is None:
        try:
            with session.begin_nested():
                row = RaterRow(user_id=user, consent=0)
                session.add(row)
        except IntegrityError:  # the same user, in another window at the same moment
            row = session.scalars(sought).one()
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
    """Copies of conversations in campaigns are put where the next sweep deletes them; `which` says of which items. Answers to them that are
    still to be made are given up."""
    rows = session.execute(select(ItemRow.id, ItemRow.conversation_id).where(*which, ItemRow.conversation_id.is_not(None))).all()
    for item, copy in rows:
        session.execute(update(ConversationRow).where(ConversationRow.id == copy).values(deleted=ConversationRow.created))
        session.execute(update(JobRow).where(JobRow.conversation_id == copy).values(cancel=True))
        open_answers = update(AnswerRow).where(AnswerRow.item_id == item, AnswerRow.status.in_(("waiting", "running")))
        session.execute(open_answers.values(status="failed"))
        session.execute(update(ItemRow).where(ItemRow.id == item).values(conversation_id=None))


def take_over(session: Session, visitor: str, user: str) -> None:
    """A visitor's conversations become a user's: copies of them in campaigns stay only if the user lets theirs be judged."""
    agreed = session.get(ConsentRow, user)
    if agreed is None or agreed.version != SHARING:
        withdraw(session, ItemRow.owner_id == visitor)
    session.execute(update(ItemRow).where(ItemRow.owner_id == visitor).values(owner_id=user))
    session.execute(delete(ConsentRow).where(ConsentRow.user_id == visitor))
