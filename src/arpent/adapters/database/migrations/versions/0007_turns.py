"""Clients take turns: an index to look up when a client was last served."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("jobs_by_client_turn", "jobs", ["owner", "served"])
