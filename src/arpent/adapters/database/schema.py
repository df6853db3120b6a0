"""Schema: the tables of the database; `migrations` creates them, and a test checks that the two agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

from arpent.domain.boundary.text import clean

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970: sorts and compares the same way in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        try:
            return None if value is None else EPOCH + value * MICROSECOND
        except (OverflowError, TypeError):  # a damaged row must not make a whole list of jobs fail
            return EPOCH


class CleanText(TypeDecorator[str]):
    """Text that every database accepts: PostgreSQL refuses NUL; SQLite and PostgreSQL refuse lone surrogates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


ROWS = ("numbers", "masked", "absent", "failed", "kept")
"""The counts in `RowCounts`; `partitions` has two columns for each."""

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("user_action", String(8), nullable=False),
    Column("user_action_updated", Instant),
    Column("created", Instant, nullable=False),
    Column("last_updated", Instant),
    Column("begun", Instant),
    Column("stop_reason", String(16)),
    Column("retry", Boolean, nullable=False),
    Column("scrubbed", Boolean, nullable=False, default=False),
    Column("version", Integer, nullable=False),
    # The lease of the analysis, and when work of the job was last claimed (`served`).
    Column("token", String(36)),
    Column("leased_until", Instant),
    Column("not_before", Instant),
    Column("failures", Integer, nullable=False, default=0),
    Column("vanished", Integer, nullable=False, default=0),
    Column("served", BigInteger, nullable=False, default=0),
    # Since when its analysis or a partition has been waiting for something outside arpent, and for what.
    Column("waiting_since", Instant),
    Column("waiting_for", CleanText),
    # The HTTP request that its work is done for, see domain.boundary.trace.
    Column("trace", String(128)),
    Column("error", CleanText),
    Column("estimate", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("jobs_by_created", "owner", "created", "id"),
    Index("jobs_by_status", "owner", "status", "created", "id"),
    Index("jobs_by_turn", "status", "served"),
    Index("jobs_by_age", "created", "id"),
    Index("jobs_by_client_turn", "owner", "served"),
)

partitions = Table(
    "partitions",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("features", Integer, nullable=False),
    Column("done", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("processing_units", Float, nullable=False, default=0.0),
    Column("finished", Boolean, nullable=False, default=False),
    # For the job's rate: when the partition was last finished, how many features were handled then, and the time taken.
    Column("finished_at", Instant),
    Column("handled", Integer),
    Column("seconds", Float),
    Column("token", String(36)),
    Column("leased_until", Instant),
    Column("not_before", Instant),
    Column("failures", Integer, nullable=False, default=0),
    # Counted separately from failures: how often its worker died, and how often its lease ran out. `cut_from`: the
    # number of the original partition, if this is a part of one that was cut.
    Column("deaths", Integer, nullable=False, default=0),
    Column("vanished", Integer, nullable=False, default=0),
    Column("cut_from", Integer),
    # Since when something it needs is unavailable.
    Column("waiting_since", Instant),
    # How often it was claimed, how often START reopened it, and how many of its `done` features lack intervals.
    Column("claims", Integer, nullable=False, default=0),
    Column("round", Integer, nullable=False, default=0),
    Column("lacking", Integer, key="incomplete", nullable=False, default=0),
    # Row counts of its settled features and of those that START would process again; null: finished by an older
    # version.
    *(Column(f"{whose}_{what}", BigInteger) for whose in ("settled", "unsettled") for what in ROWS),
    Index("partitions_by_end", "job_id", "finished_at"),
    Index("partitions_open", "job_id", "finished", "deaths", "number"),
)

# Separate from `partitions`, so that summing up a job's progress reads no geometry.
payloads = Table(
    "payloads",
    metadata,
    Column("job_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("features", LargeBinary, nullable=False),
    ForeignKeyConstraint(["job_id", "number"], ["partitions.job_id", "partitions.number"], ondelete="CASCADE"),
)

# Texts of evalscripts stored in buckets, as the analysis read them. A separate table, since lists of jobs do not need
# them.
scripts = Table(
    "scripts",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("text", LargeBinary, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("feature", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(64), primary_key=True),
    Column("verdict", String(8), nullable=False),
    Column("identifier", CleanText),
    Column("message", CleanText, nullable=False),
    Column("partition", Integer),  # None: found by the analysis
    Index("findings_by_partition", "job_id", "partition"),
)

reasons = Table(
    "reasons",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("settled", Boolean, primary_key=True),
    Column("reason", CleanText, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("created", Instant, nullable=False),
    Column("role", String(16), nullable=False, default="user"),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("generation", Integer, nullable=False, default=0),
    Column("rotated", Instant),
    # The previous secret, and until when it is valid.
    Column("former_salt", LargeBinary),
    Column("former_hash", LargeBinary),
    Column("former_until", Instant),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("label", String(64), primary_key=True),
    Column("value", Float, nullable=False),
)

usages = Table(
    "usages",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("amount", Float, nullable=False),
)

# Stride scheduling in virtual time: the client whose next turn is `due` first is served; `began` is its last turn.
turns = Table(
    "turns",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("began", Float, nullable=False),
    Column("due", Float, nullable=False),
)
