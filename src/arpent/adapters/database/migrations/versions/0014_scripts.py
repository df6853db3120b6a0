"""The texts of evalscripts stored in buckets, as the analyses read them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scripts",
        sa.Column(
            "job_id", sa.String(36), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, nullable=False
        ),
        sa.Column("text", sa.LargeBinary, nullable=False),
    )
