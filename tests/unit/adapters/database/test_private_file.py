"""The database's files are its owner's alone: they hold the server's key."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from arpent.adapters.database.connection import make_engine, reading
from arpent.adapters.database.keys import stored_key
from arpent.adapters.database.migrate import migrate


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def wide_open() -> None:
    """A umask that takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'arpent.db'}")
    migrate(engine)
    stored_key(engine)
    with reading(engine):
        found = modes(tmp_path)
    assert {"arpent.db", "arpent.db-wal", "arpent.db-shm"} <= found.keys()
    assert set(found.values()) == {0o600}
    engine.dispose()


def test_a_wider_one_is_tightened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{tmp_path / 'arpent.db'}"
    first = make_engine(url)
    migrate(first)
    for path in tmp_path.iterdir():
        path.chmod(0o664)
    second = make_engine(url)
    with reading(second):
        assert set(modes(tmp_path).values()) == {0o600}
    assert "arpent.db could be read or written by others (664)" in caplog.text
    first.dispose()
    second.dispose()


def test_a_reader_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'arpent.db'}"
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    (tmp_path / "arpent.db").chmod(0o644)
    reader = make_engine(url, reader=True)
    with reading(reader):
        assert modes(tmp_path)["arpent.db"] == 0o644
    reader.dispose()


def test_making_an_engine_makes_no_file(tmp_path: Path) -> None:
    make_engine(f"sqlite:///{tmp_path / 'arpent.db'}")
    assert list(tmp_path.iterdir()) == []
