"""Rows of messages as turns and conversations, and back. Who may see them is not known here."""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, selectinload

from nextgpt_chat.conversation import Conversation, Media, Turn
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.store.codec import asset_row, part_from_row, part_to_row
from nextgpt_chat.store.tables import AssetRow, ConversationRow, MessageRow, PartRow


def branch(session: Session, owned: ConversationRow) -> tuple[list[MessageRow], dict[str | None, list[str]]]:
    """The messages of the branch that is shown, in order; and by what they follow all messages, which are versions of each other."""
    rows = session.scalars(
        select(MessageRow)
        .where(MessageRow.conversation_id == owned.id)
        .order_by(MessageRow.number)
        .options(selectinload(MessageRow.parts))
    ).all()
    versions: dict[str | None, list[str]] = {}
    for row in rows:
        versions.setdefault(row.parent_id, []).append(row.id)
    return path_to(owned.leaf_id, {row.id: row for row in rows}), versions


def path_to(leaf: str | None, rows: dict[str, MessageRow]) -> list[MessageRow]:
    """The messages from the root to `leaf`."""
    path = []
    while leaf is not None:
        path.append(rows[leaf])
        leaf = rows[leaf].parent_id
    return path[::-1]


def messages_of(session: Session, conversation: str) -> dict[str, MessageRow]:
    """All messages of a conversation by their ids."""
    return {row.id: row for row in session.scalars(select(MessageRow).where(MessageRow.conversation_id == conversation))}


def messages_up_to(session: Session, leaf: str | None, conversation: str) -> list[MessageRow]:
    """The branch that ends in the message `leaf`, from its root."""
    return path_to(leaf, messages_of(session, conversation))


def newest_leaf(session: Session, message: MessageRow) -> str:
    """The end of the newest branch that goes through `message`."""
    children: dict[str | None, str] = {}
    rows = session.execute(
        select(MessageRow.id, MessageRow.parent_id)
        .where(MessageRow.conversation_id == message.conversation_id)
        .order_by(MessageRow.number)
    )
    for row in rows:
        children[row.parent_id] = row.id
    leaf = message.id
    while leaf in children:
        leaf = children[leaf]
    return leaf


def turn_of(row: MessageRow, content: ContentStore) -> Turn:
    """A message row as a value."""
    return Turn("user" if row.role == "user" else "assistant", tuple(part_from_row(part, content) for part in row.parts))


def conversation_up_to(session: Session, leaf: str | None, conversation: str, content: ContentStore) -> Conversation:
    """What the model gets to see: the branch that ends in the message `leaf`; replies without any part are left out."""
    rows = messages_up_to(session, leaf, conversation)
    return Conversation(tuple(turn_of(row, content) for row in rows if row.parts))


def write_parts(session: Session, message: MessageRow, turn: Turn) -> None:
    """Writes the parts of a message that has none yet."""
    for medium in turn.media:
        session.merge(asset_row(medium))
    session.flush()
    session.add_all(_placed(part_to_row(part, position), message) for position, part in enumerate(turn.parts))


def _placed(row: PartRow, message: MessageRow) -> PartRow:
    row.message_id = message.id
    return row


def media_rows(message: MessageRow) -> list[PartRow]:
    """The rows of a message's media, in their order."""
    return [row for row in message.parts if row.sha256 is not None]


def replace_medium(session: Session, message: MessageRow, number: int, medium: Media) -> None:
    """Puts `medium` in the place of number `number` of a message's media.

    A file that no message shows any more loses its row; `Library.sweep` deletes the file later, once nothing can bring it back.
    """
    session.merge(asset_row(medium))
    session.flush()
    row = media_rows(message)[number]
    before, row.sha256 = row.sha256, medium.sha256
    row.caption, row.seed, row.settings = medium.caption, medium.seed, medium.settings
    session.flush()
    if not session.scalar(select(func.count()).where(PartRow.sha256 == before)):
        session.execute(delete(AssetRow).where(AssetRow.sha256 == before))
