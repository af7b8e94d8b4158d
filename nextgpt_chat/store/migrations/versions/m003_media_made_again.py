"""A job can be about one medium of a reply, and a reply has more than one job.

Why: a picture, sound or clip can be made again with another seed, by a job like that of the reply, and the reply stays as it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "m003"
down_revision = "m002"

NAMES = {"uq": "%(table_name)s_%(column_0_name)s_key"}
"""What PostgreSQL calls the constraints that have no name; in SQLite they get it here, so that one can be dropped by it."""


def upgrade() -> None:
    with _events_aside(), op.batch_alter_table("jobs", naming_convention=NAMES) as jobs:
        jobs.add_column(sa.Column("medium", sa.Integer(), nullable=True))
        jobs.drop_constraint("jobs_reply_id_key", type_="unique")
        jobs.create_index("jobs_of_reply", ["reply_id"])


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE medium IS NOT NULL")
    with _events_aside(), op.batch_alter_table("jobs", naming_convention=NAMES) as jobs:
        jobs.drop_index("jobs_of_reply")
        jobs.create_unique_constraint("jobs_reply_id_key", ["reply_id"])
        jobs.drop_column("medium")


@contextmanager
def _events_aside() -> Iterator[None]:
    """SQLite changes a table by making it anew and dropping the old one, which would delete every event along with its job."""
    if op.get_bind().dialect.name != "sqlite":
        yield
        return
    op.execute("CREATE TEMPORARY TABLE kept_events AS SELECT * FROM job_events")
    op.execute("DELETE FROM job_events")
    yield
    op.execute("INSERT INTO job_events SELECT * FROM kept_events")
    op.execute("DROP TABLE kept_events")
