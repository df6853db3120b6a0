"""What an analysis is waiting for, and since when."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("waiting_since", sa.BigInteger))
    op.add_column("jobs", sa.Column("waiting_for", sa.Text))
