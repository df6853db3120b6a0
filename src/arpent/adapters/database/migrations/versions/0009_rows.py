"""Outcomes of a job's rows: counts per partition, and why rows failed."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for whose in ("settled", "unsettled"):
        for what in ("numbers", "masked", "absent", "failed"):
            op.add_column("partitions", sa.Column(f"{whose}_{what}", sa.BigInteger))
    op.create_table(
        "reasons",
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("settled", sa.Boolean, primary_key=True),
        sa.Column("reason", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
