"""Clients have roles, can be disabled, and keep their former secret for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With defaults in the database: a server of the previous version may still add clients.
    op.add_column("clients", sa.Column("role", sa.String(16), nullable=False, server_default="user"))
    op.add_column("clients", sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("clients", sa.Column("generation", sa.Integer, nullable=False, server_default="0"))
    op.add_column("clients", sa.Column("rotated", sa.BigInteger))
    op.add_column("clients", sa.Column("former_salt", sa.LargeBinary))
    op.add_column("clients", sa.Column("former_hash", sa.LargeBinary))
    op.add_column("clients", sa.Column("former_until", sa.BigInteger))
