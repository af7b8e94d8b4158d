"""Indexes on the columns by which rows refer to each other.

Why: deleting a conversation looks up, for each message and each file, what refers to it; without these indexes that reads
whole tables while everybody else waits for the write lock.
"""

from alembic import op

revision = "m002"
down_revision = "m001"

INDEXES = {
    "messages_of_parent": ("messages", "parent_id"),
    "jobs_of_conversation": ("jobs", "conversation_id"),
    "parts_of_asset": ("message_parts", "sha256"),
}


def upgrade() -> None:
    for name, (table, column) in INDEXES.items():
        op.create_index(name, table, [column])


def downgrade() -> None:
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table_name=table)
