"""The first tables: jobs, partitions, payloads, findings, clients, secrets."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _jobs()
    _work()
    op.create_table(
        "clients",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("user_action", sa.String(8), nullable=False),
        sa.Column("user_action_updated", sa.BigInteger),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("last_updated", sa.BigInteger),
        sa.Column("stop_reason", sa.String(16)),
        sa.Column("retry", sa.Boolean, nullable=False),
        sa.Column("scrubbed", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("token", sa.String(36)),
        sa.Column("leased_until", sa.BigInteger),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("served", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("estimate", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("jobs_by_created", "jobs", ["owner", "created", "id"])
    op.create_index("jobs_by_status", "jobs", ["owner", "status", "created", "id"])
    op.create_index("jobs_by_turn", "jobs", ["status", "served"])


def _work() -> None:
    op.create_table(
        "partitions",
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("features", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("processing_units", sa.Float, nullable=False),
        sa.Column("finished", sa.Boolean, nullable=False),
        sa.Column("token", sa.String(36)),
        sa.Column("leased_until", sa.BigInteger),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("failures", sa.Integer, nullable=False),
    )
    op.create_index("partitions_open", "partitions", ["job_id", "finished", "number"])
    op.create_table(
        "payloads",
        sa.Column("job_id", sa.String(36), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("features", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["job_id", "number"], ["partitions.job_id", "partitions.number"], ondelete="CASCADE"),
    )
    op.create_table(
        "findings",
        sa.Column("job_id", sa.String(36), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("feature", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(64), primary_key=True),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("identifier", sa.Text),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer),
    )
    op.create_index("findings_by_partition", "findings", ["job_id", "partition"])
