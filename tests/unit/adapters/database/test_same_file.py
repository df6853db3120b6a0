"""A database's file that is removed or replaced under a server: told, and nothing more is stored where it is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from arpent.adapters.database.connection import make_engine, reading, writing
from arpent.adapters.database.counters import SqlCounters
from arpent.adapters.database.migrate import migrate
from arpent.domain.errors import WorldError


@pytest.fixture
def opened(tmp_path: Path) -> tuple[Engine, Path]:
    path = tmp_path / "arpent.db"
    engine = make_engine(f"sqlite:///{path}")
    migrate(engine)
    assert SqlCounters(engine).answers()
    return engine, path


@pytest.mark.parametrize("pooled", [True, False])
def test_a_file_that_is_removed(opened: tuple[Engine, Path], pooled: bool) -> None:
    engine, path = opened
    kept = path.rename(path.with_name("kept.db"))
    if not pooled:
        engine.dispose()
    with pytest.raises(WorldError, match=r"ARPENT_DATABASE_URL names was removed") as caught:
        SqlCounters(engine).answers()
    assert caught.value.transient
    with pytest.raises(WorldError, match="was removed"), writing(engine):
        pass
    assert not path.exists()  # no empty database is made in its place
    kept.rename(path)
    assert SqlCounters(engine).answers()
    engine.dispose()


@pytest.mark.parametrize("pooled", [True, False])
def test_a_file_that_is_replaced(opened: tuple[Engine, Path], pooled: bool) -> None:
    engine, path = opened
    path.rename(path.with_name("kept.db"))
    other = make_engine(f"sqlite:///{path}")
    migrate(other)
    if not pooled:
        engine.dispose()
    with pytest.raises(WorldError, match=r"was replaced.*start them on the new one"), reading(engine):
        pass
    assert SqlCounters(other).answers()
    other.dispose()
    engine.dispose()


@pytest.mark.parametrize("journals", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_journals_that_are_removed(opened: tuple[Engine, Path], journals: tuple[str, ...]) -> None:
    """Who opens the file now makes new ones: two processes would overwrite each other's pages."""
    engine, path = opened
    SqlCounters(engine).add({("kept", ""): 1.0})
    for journal in journals:
        path.with_name(path.name + journal).unlink()
    for _ in range(2):  # of the second, the pool has no connection left, and must not open one on new journals
        with pytest.raises(WorldError, match=r"arpent\.db-(wal|shm), .* was removed.*start them again") as caught:
            SqlCounters(engine).answers()
        assert caught.value.transient
    engine.dispose()
    again = make_engine(f"sqlite:///{path}")
    assert SqlCounters(again).totals() == {("kept", ""): 1.0}  # who closed the file last has written it
    again.dispose()


def test_journals_that_are_replaced(opened: tuple[Engine, Path]) -> None:
    engine, path = opened
    with reading(engine):  # another connection
        journal = path.with_name("arpent.db-wal")
        journal.unlink()
        journal.touch()
        with pytest.raises(WorldError, match="was replaced while"), writing(engine):
            pass
    engine.dispose()


def test_journals_end_with_the_last_connection(opened: tuple[Engine, Path]) -> None:
    """As they should: the next one makes new ones."""
    engine, path = opened
    for _ in range(2):
        engine.dispose()
        assert not path.with_name("arpent.db-wal").exists()
        assert SqlCounters(engine).answers()
    engine.dispose()


def test_a_folder_that_is_away_for_a_moment(opened: tuple[Engine, Path]) -> None:
    engine, path = opened
    away = path.parent.rename(path.parent.with_name("away"))
    with pytest.raises(WorldError, match="was removed"):
        SqlCounters(engine).answers()
    away.rename(path.parent)
    assert SqlCounters(engine).answers()
    engine.dispose()


def test_a_file_that_is_emptied(opened: tuple[Engine, Path]) -> None:
    """Who opened it would delete the journal, in which everything may be."""
    engine, path = opened
    SqlCounters(engine).add({("kept", ""): 1.0})
    with reading(engine):  # another connection keeps the journal
        path.write_bytes(b"")
        for _ in range(2):
            with pytest.raises(WorldError, match="was emptied while arpent had it open") as caught:
                SqlCounters(engine).answers()
            assert caught.value.transient
    engine.dispose()  # the last connection writes into the file what is in the journal
    again = make_engine(f"sqlite:///{path}")
    assert SqlCounters(again).totals() == {("kept", ""): 1.0}
    again.dispose()
