"""Ended jobs are searched for secrets once more: fields not spelt as the API writes them had been missed."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE jobs SET scrubbed = FALSE")
