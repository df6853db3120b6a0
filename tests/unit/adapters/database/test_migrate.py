"""Migrations build the schema, once, even when several servers start together."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from arpent.adapters.database.connection import make_engine, reading
from arpent.adapters.database.keys import stored_key
from arpent.adapters.database.migrate import migrate
from arpent.adapters.database.schema import metadata
from tests.support.databases import KINDS, empty_database

MIGRATE = """
import sys
from arpent.adapters.database.connection import make_engine
from arpent.adapters.database.keys import stored_key
from arpent.adapters.database.migrate import migrate
engine = make_engine(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
migrate(engine)
print(stored_key(engine).hex())
"""


@pytest.mark.parametrize("kind", KINDS)
def test_migrations_make_the_schema(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as url:
        engine = make_engine(url)
        migrate(engine)
        migrate(engine)
        with reading(engine) as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert stored_key(engine) == stored_key(engine)
        engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_two_servers_may_start_at_once(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as url:
        servers = [
            subprocess.Popen([sys.executable, "-c", MIGRATE, url], text=True, stdin=-1, stdout=-1) for _ in range(3)
        ]
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        for server in servers:
            assert server.stdin is not None
            server.stdin.write("go\n")
            server.stdin.flush()
        keys = [server.communicate(timeout=60)[0] for server in servers]
    assert [server.returncode for server in servers] == [0, 0, 0]
    assert len(set(keys)) == 1, "all servers sign with the same key"


def test_a_new_file_that_somebody_else_just_makes_is_waited_for(tmp_path: Path) -> None:
    """SQLite refuses at once to change the journal of a file that is locked, whatever its patience."""
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE first (number)")
    ending = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    ending.start()
    engine = make_engine(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()
    ending.join()
    other.close()
