"""What clients used per month, and their turns by weight."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usages",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("amount", sa.Float, nullable=False),
    )
    op.create_table(
        "turns",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("began", sa.Float, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
    )
