"""How many rows of a partition were taken from an earlier request."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for whose in ("settled", "unsettled"):
        op.add_column("partitions", sa.Column(f"{whose}_kept", sa.BigInteger))
