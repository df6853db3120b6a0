"""Clock: the time used for leases, lists and quotas: that of the PostgreSQL server, so that all machines agree."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from weakref import WeakKeyDictionary, ref

from sqlalchemy import Engine, text

from arpent.adapters.database.connection import reading
from arpent.domain.errors import WorldError

log = logging.getLogger(__name__)

COMPARE_SECONDS = 10.0
"""Pause between two comparisons with the database's clock."""
SLOW_SECONDS = 2.0
"""A comparison that takes longer is too inaccurate and is ignored."""
TOLD_SECONDS = 5.0
"""Difference between the database's clock and this machine's above which a warning is logged."""
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that cannot be set and, if the system has CLOCK_BOOTTIME, keeps running while the machine sleeps."""


def steady_seconds() -> float:
    """Seconds on the clock `_STEADY`."""
    return time.clock_gettime(_STEADY)


class DatabaseClock:
    """The time of the database server, queried every COMPARE_SECONDS and extrapolated in between, so that callers
    seldom wait and this machine's clock may be wrong or be set. Thread-safe."""

    def __init__(self, ask: Callable[[], datetime], steady: Callable[[], float] = steady_seconds) -> None:
        """`ask`: the time of the database's server; raises WorldError."""
        self._ask = ask
        self._steady = steady
        self._lock = Lock()
        self._zero: datetime | None = None  # the time at which `steady` was 0
        self._compare_at = 0.0
        self._told = False

    def __call__(self) -> datetime:
        """The time now, aware. Raises WorldError if the database has never answered."""
        if self._zero is None or self._steady() >= self._compare_at:
            self._compare()
        assert self._zero is not None, "a first comparison that fails raises"
        return self._zero + timedelta(seconds=self._steady())

    def _compare(self) -> None:
        """Compare the clocks, unless another thread is doing so."""
        if not self._lock.acquire(blocking=self._zero is None):
            return
        try:
            asked = self._steady()
            told = self._ask()
            answered = self._steady()
            if self._zero is None or answered - asked < SLOW_SECONDS:
                self._zero = told.astimezone(UTC) - timedelta(seconds=(asked + answered) / 2)
                self._tell(told)
        except WorldError:
            if self._zero is None:
                raise
        finally:
            self._compare_at = self._steady() + COMPARE_SECONDS
            self._lock.release()

    def _tell(self, told: datetime) -> None:
        ahead = (datetime.now(UTC) - told).total_seconds()
        if abs(ahead) > TOLD_SECONDS and not self._told:
            log.warning("This machine's clock is %.0f s ahead of the database's, which counts", ahead)
        self._told = abs(ahead) > TOLD_SECONDS


_CLOCKS: WeakKeyDictionary[Engine, Callable[[], datetime]] = WeakKeyDictionary()


def clock_of(engine: Engine) -> Callable[[], datetime]:
    """The clock of a database: for PostgreSQL the server's; for SQLite, whose processes share a machine, the
    machine's."""
    if engine.dialect.name != "postgresql":
        return _machine_clock
    known = _CLOCKS.get(engine)
    if known is None:
        known = _CLOCKS.setdefault(engine, DatabaseClock(_asking(engine)))
    return known


def _machine_clock() -> datetime:
    return datetime.now(UTC)


def _asking(engine: Engine) -> Callable[[], datetime]:
    known = ref(engine)  # a strong reference would keep it in _CLOCKS for ever

    def ask() -> datetime:
        alive = known()
        assert alive is not None, "who asks has a store of this engine"
        with reading(alive) as connection:
            told: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return told

    return ask
