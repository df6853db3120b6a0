"""Ended jobs are looked through once more for secrets: fields spelt otherwise than the API writes them were missed."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE jobs SET scrubbed = FALSE")
