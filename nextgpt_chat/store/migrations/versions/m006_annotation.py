"""The annotators' desk.

Why: answers are judged by people, blind and several times over, and what they said is kept for ever.
"""

import sqlalchemy as sa
from alembic import op

revision = "m006"
down_revision = "m005"

APPEND_ONLY = ("judgements", "audit_events")


def upgrade() -> None:
    id32 = sa.String(32)
    op.create_table(
        "consents",
        sa.Column("user_id", id32, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "raters",
        sa.Column("id", id32, primary_key=True),
        sa.Column("user_id", id32, sa.ForeignKey("users.id", ondelete="SET NULL"), unique=True),
        sa.Column("consent", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", id32, primary_key=True),
        sa.Column("user_id", id32, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("name", sa.String(120), nullable=False, unique=True),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "guidelines",
        sa.Column("campaign_id", id32, sa.ForeignKey("campaigns.id"), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "campaign_items",
        sa.Column("id", id32, primary_key=True),
        sa.Column("campaign_id", id32, sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("conversation_id", id32, sa.ForeignKey("conversations.id", ondelete="SET NULL")),
        sa.Column("owner_id", id32),
        sa.Column("source_id", id32),
    )
    op.create_index("items_of_campaign", "campaign_items", ["campaign_id", "number"])
    op.create_index("item_of_conversation", "campaign_items", ["conversation_id"])
    op.create_index("items_of_owner", "campaign_items", ["owner_id"])
    op.create_index("items_of_source", "campaign_items", ["source_id"])
    op.create_table(
        "campaign_answers",
        sa.Column("id", id32, primary_key=True),
        sa.Column("item_id", id32, sa.ForeignKey("campaign_items.id"), nullable=False),
        sa.Column("system", sa.String(120), nullable=False),
        sa.Column("model", sa.String(120), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger()),
        sa.Column("message_id", id32, sa.ForeignKey("messages.id", ondelete="SET NULL")),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("leak", sa.Boolean(), nullable=False),
    )
    op.create_index("answers_of_item", "campaign_answers", ["item_id"])
    op.create_index("answers_by_status", "campaign_answers", ["status"])
    op.create_index("answer_of_message", "campaign_answers", ["message_id"])
    op.create_table(
        "campaign_tasks",
        sa.Column("id", id32, primary_key=True),
        sa.Column("campaign_id", id32, sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("item_id", id32, sa.ForeignKey("campaign_items.id"), nullable=False),
        sa.Column("first_id", id32, sa.ForeignKey("campaign_answers.id"), nullable=False),
        sa.Column("second_id", id32, sa.ForeignKey("campaign_answers.id")),
        sa.Column("gold", sa.JSON(), nullable=False),
    )
    op.create_index("tasks_of_campaign", "campaign_tasks", ["campaign_id", "number"])
    op.create_index("tasks_of_item", "campaign_tasks", ["item_id"])
    op.create_index("tasks_of_first", "campaign_tasks", ["first_id"])
    op.create_index("tasks_of_second", "campaign_tasks", ["second_id"])
    op.create_table(
        "assignments",
        sa.Column("id", id32, primary_key=True),
        sa.Column("task_id", id32, sa.ForeignKey("campaign_tasks.id"), nullable=False),
        sa.Column("rater_id", id32, sa.ForeignKey("raters.id"), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("swapped", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.Column("guideline", sa.Integer(), nullable=False),
        sa.Column("draft", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("opened", sa.DateTime(), nullable=False),
        sa.Column("sent", sa.DateTime()),
        sa.UniqueConstraint("task_id", "rater_id", "round", name="one_assignment_a_round"),
    )
    op.create_index("assignments_of_rater", "assignments", ["rater_id", "opened"])
    op.create_table(
        "judgements",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("rater_id", id32, nullable=False),
        sa.Column("assignment_id", id32),
        sa.Column("message_id", id32),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(8), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("criterion", sa.String(40), nullable=False),
        sa.Column("score", sa.Integer()),
        sa.Column("choice", sa.String(16)),
        sa.Column("text", sa.Text()),
        sa.Column("created", sa.DateTime(), nullable=False),
    )
    op.create_index("judgements_of_assignment", "judgements", ["assignment_id", "revision"])
    op.create_index("judgements_of_message", "judgements", ["message_id"])
    op.create_table(
        "audit_events",
        sa.Column("stream", id32, primary_key=True),
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("rater_id", id32),
        sa.Column("assignment_id", id32),
        sa.Column("action", sa.String(24), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("audit_of_assignment", "audit_events", ["assignment_id"])
    sqlite = op.get_bind().dialect.name == "sqlite"
    if not sqlite:
        op.execute(
            "CREATE FUNCTION only_added_to() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION '% is only added to', TG_TABLE_NAME; END $$ LANGUAGE plpgsql"
        )
    for table in APPEND_ONLY:
        for action in ("UPDATE", "DELETE"):
            then = (
                f"BEGIN SELECT RAISE(ABORT, '{table} is only added to'); END"
                if sqlite
                else "FOR EACH STATEMENT EXECUTE FUNCTION only_added_to()"
            )
            op.execute(f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} {then}")


def downgrade() -> None:
    tables = (
        "audit_events", "judgements", "assignments", "campaign_tasks", "campaign_answers", "campaign_items", "guidelines", "campaigns", "raters",
        "consents",
    )  # fmt: skip
    for table in tables:
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION only_added_to()")
