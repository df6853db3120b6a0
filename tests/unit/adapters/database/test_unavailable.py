"""PostgreSQL's errors: what is about the server may pass, what is about a value is refused for good."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from arpent.adapters.database.connection import make_engine, reading, writing
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.migrate import migrate
from arpent.domain.errors import DatabaseRefused, WorldError
from tests.support.databases import empty_database
from tests.support.jobs import make_job

pytestmark = pytest.mark.services


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with empty_database("postgresql", tmp_path) as url:
        yield url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    migrate(engine)
    yield engine
    engine.dispose()


def with_default(url: str, option: str) -> Engine:
    """The database with another default of its administrator."""
    options = make_url(url).query["options"]
    changed = make_url(url).update_query_dict({"options": f"{options} -c{option}"})
    return make_engine(changed.render_as_string(hide_password=False))


def test_a_server_that_takes_no_changes_is_waited_for(url: str, engine: Engine) -> None:
    """As one whose place another has taken, or whose disk is nearly full; a new connection may reach the other."""
    standby = with_default(url, "default_transaction_read_only=on")
    with reading(standby) as connection:
        first = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    with pytest.raises(WorldError, match="read-only") as waited:
        SqlJobStore(standby).add(make_job())
    assert waited.value.transient
    assert not isinstance(waited.value, DatabaseRefused)
    with reading(standby) as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar() != first
    standby.dispose()


@pytest.mark.parametrize("trouble", ["RENAME TO elsewhere", "RENAME COLUMN body TO b"])
def test_tables_that_are_away_are_waited_for(trouble: str, engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text(f"ALTER TABLE jobs {trouble}"))
    with pytest.raises(WorldError) as waited:
        SqlJobStore(engine).add(make_job())
    assert waited.value.transient
    assert not isinstance(waited.value, DatabaseRefused)


def test_what_is_too_large_is_refused(engine: Engine) -> None:
    """It would be tried for ever."""
    key = {"name": secrets.token_hex(30), "label": "x", "value": 1.0}
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE counters ALTER COLUMN name TYPE text"))
    with pytest.raises(DatabaseRefused), writing(engine) as connection:
        connection.execute(
            text("INSERT INTO counters VALUES (:name, :label, :value)"), key | {"name": secrets.token_hex(9_000)}
        )


def test_no_statement_is_prepared(engine: Engine) -> None:
    """Behind a pooler the next transaction has another connection, which does not know it."""
    with engine.connect() as connection:
        for _ in range(20):
            connection.execute(text("SELECT 1"))
        assert connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar() == 0


def test_transactions_are_isolated_as_the_stores_expect(url: str) -> None:
    """Else who changes a job beside another is answered 503."""
    engine = with_default(url, "default_transaction_isolation=serializable")
    with reading(engine) as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
    engine.dispose()
