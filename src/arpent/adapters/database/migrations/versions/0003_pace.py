"""Columns for a job's rate, and an index for the operator's list of all clients' jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("begun", sa.BigInteger))
    op.add_column("partitions", sa.Column("finished_at", sa.BigInteger))
    op.add_column("partitions", sa.Column("handled", sa.Integer))
    op.add_column("partitions", sa.Column("seconds", sa.Float))
    op.create_index("partitions_by_end", "partitions", ["job_id", "finished_at"])
    op.create_index("jobs_by_age", "jobs", ["created", "id"])
