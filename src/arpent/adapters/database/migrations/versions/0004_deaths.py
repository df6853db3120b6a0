"""A partition's history: deaths of its workers, cuts, claims and retries; the least suspect partitions come first."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("partitions", sa.Column("deaths", sa.Integer, nullable=False, server_default="0"))
    op.add_column("partitions", sa.Column("cut_from", sa.Integer))
    for name in ("vanished", "claims", "round", "lacking"):
        op.add_column("partitions", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("vanished", sa.Integer, nullable=False, server_default="0"))
    op.drop_index("partitions_open", "partitions")
    op.create_index("partitions_open", "partitions", ["job_id", "finished", "deaths", "number"])
