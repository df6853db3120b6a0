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
