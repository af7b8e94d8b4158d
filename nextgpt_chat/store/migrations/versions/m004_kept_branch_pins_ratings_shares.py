"""A conversation knows which of its branches is shown, can be pinned, deleted for a while and shared; replies can be judged.

Why: people go back to earlier versions, bring back what they deleted by mistake, pass conversations on, and say what was good.
"""

import sqlalchemy as sa
from alembic import op

revision = "m004"
down_revision = "m003"

NEWEST = """
UPDATE conversations SET leaf_id = (
    SELECT id FROM messages WHERE conversation_id = conversations.id ORDER BY number DESC LIMIT 1
)
"""
"""Until now the branch of the newest message was shown."""


def upgrade() -> None:
    op.add_column("conversations", sa.Column("leaf_id", sa.String(32), nullable=True))
    op.execute(NEWEST)
    op.add_column("conversations", sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("conversations", sa.Column("deleted", sa.DateTime(), nullable=True))
    op.create_table(
        "ratings",
        sa.Column("message_id", sa.String(32), sa.ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("medium", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("updated", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "shares",
        sa.Column("token", sa.String(40), primary_key=True),
        sa.Column("conversation_id", sa.String(32), sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
    )
    op.create_index("share_of_conversation", "shares", ["conversation_id"], unique=True)


def downgrade() -> None:
    op.drop_table("shares")
    op.drop_table("ratings")
    for column in ("deleted", "pinned", "leaf_id"):
        op.drop_column("conversations", column)
