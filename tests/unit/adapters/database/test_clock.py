"""The clock of a database: its server's, whatever that of this machine shows."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from arpent.adapters.database.clock import COMPARE_SECONDS, SLOW_SECONDS, DatabaseClock, clock_of
from arpent.adapters.database.connection import make_engine, reading
from arpent.adapters.database.usage import SqlUsageStore
from arpent.adapters.executors.inline import InlineExecutor
from arpent.domain.errors import WorldError
from arpent.settings import Settings
from arpent.wiring import server, store
from arpent.wiring.access import access_control
from arpent.wiring.quotas import work_store
from tests.support.databases import KINDS, database

HERE = datetime(2026, 1, 1, tzinfo=UTC)


class Told:
    """A database's server, and seconds that pass here."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.time = HERE
        self.takes = 0.0
        self.asked = 0
        self.away = False
        self.clock = DatabaseClock(self.ask, lambda: self.seconds)

    def ask(self) -> datetime:
        self.asked += 1
        self.seconds += self.takes
        if self.away:
            raise WorldError("away", transient=True)
        return self.time

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)


def test_it_goes_on_from_what_was_told() -> None:
    told = Told()
    assert told.clock() == HERE
    told.passes(COMPARE_SECONDS / 2)
    assert told.clock() == told.time
    assert told.asked == 1, "nobody waits for the database each time"
    told.time += timedelta(hours=1)
    told.passes(COMPARE_SECONDS)
    assert told.clock() == told.time, "it is compared now and then"
    assert told.asked == 2


def test_it_goes_on_while_the_database_is_away() -> None:
    told = Told()
    told.away = True
    with pytest.raises(WorldError):
        told.clock()
    told.away = False
    assert told.clock() == HERE
    told.away = True
    told.passes(3 * COMPARE_SECONDS)
    assert told.clock() == told.time
    assert told.clock() == told.time
    assert told.asked == 3, "one that is away is asked after the pause, too"


def test_a_late_answer_changes_nothing() -> None:
    told = Told()
    told.clock()
    told.passes(COMPARE_SECONDS)
    told.takes = SLOW_SECONDS + 1
    assert told.clock() == told.time + timedelta(seconds=told.takes)


def test_who_asks_while_another_compares_does_not_wait() -> None:
    told = Told()
    told.clock()
    told.passes(COMPARE_SECONDS)
    asked, answers = threading.Event(), threading.Event()

    def slow() -> datetime:
        asked.set()
        answers.wait(30)
        return told.time

    told.clock._ask = slow
    thread = threading.Thread(target=told.clock)
    thread.start()
    assert asked.wait(30)
    assert told.clock() == told.time
    answers.set()
    thread.join(30)


@pytest.mark.parametrize("kind", KINDS)
def test_machines_on_other_clocks_agree(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each takes the other's work away, for ever. All processes of a SQLite file have the machine's clock."""
    with database(kind, tmp_path) as engine:
        if kind == "sqlite":
            assert clock_of(engine) is clock_of(make_engine("sqlite://"))
            return

        class Ahead(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                return datetime.now(UTC) + timedelta(hours=1)

        monkeypatch.setattr("arpent.adapters.database.clock.datetime", Ahead)
        with reading(engine) as connection:
            there = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        assert abs((clock_of(engine)() - there).total_seconds()) < 60
        assert clock_of(engine) is clock_of(engine)


@pytest.mark.parametrize("kind", KINDS)
def test_servers_and_runners_keep_it(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as engine:
        settings = Settings(database_url=engine.url.render_as_string(hide_password=False))
        access = access_control(settings, engine)
        kept = [
            server.runner(settings, engine, InlineExecutor())._now,
            server.service(settings, engine)._now,
            server.job_store(settings, engine)._now,
            work_store(settings, engine)._now,
            access.tokens._now,
            store.clients(engine)._now,
            SqlUsageStore(engine)._now,
        ]
        assert all(clock is clock_of(engine) for clock in kept)
