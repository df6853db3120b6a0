"""Databases for tests: a SQLite file, or a schema of its own on the PostgreSQL of $ARPENT_TEST_POSTGRES."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, make_url, text

from arpent.adapters.database.connection import make_engine
from arpent.adapters.database.migrate import migrate

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'jobs.db'}"
        return
    url = os.environ.get("ARPENT_TEST_POSTGRES")
    if not url:
        pytest.skip("needs PostgreSQL: run `make test-services`, or set ARPENT_TEST_POSTGRES to its URL")
    schema = f"test_{uuid4().hex[:12]}"
    keeper = make_engine(url)
    with keeper.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    own = make_url(url).update_query_dict({"options": f"-csearch_path={schema}"})
    yield own.render_as_string(hide_password=False)
    with keeper.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    keeper.dispose()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[Engine]:
    """A migrated database."""
    with empty_database(kind, folder) as url:
        engine = make_engine(url)
        migrate(engine)
        yield engine
        engine.dispose()
