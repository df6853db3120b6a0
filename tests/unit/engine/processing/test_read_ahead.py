"""Intervals are read ahead where reading takes long, and errors come where they belong."""

from __future__ import annotations

import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from arpent.domain.interval import Interval
from arpent.engine.processing.acquisitions import Acquisitions, IntervalAcquisitions
from arpent.engine.processing.read_ahead import FROM_SECONDS, reading_ahead

START = datetime(2025, 1, 1, tzinfo=UTC)


def intervals(count: int, *, reached: bool = True) -> list[IntervalAcquisitions]:
    day, one = timedelta(days=1), Acquisitions(candidates=(), items=(), reach=np.full((1, 1), reached))
    return [
        IntervalAcquisitions(interval=Interval(start=START + k * day, end=START + (k + 1) * day), inputs=(one,))
        for k in range(count)
    ]


class Reading:
    """Reads an interval as its start, after some seconds; notes the threads."""

    def __init__(self, seconds: float, broken: int | None = None) -> None:
        self.seconds, self.broken, self.threads = seconds, broken, []

    def __call__(self, found: IntervalAcquisitions) -> Any:
        self.threads.append(threading.current_thread().name)
        time.sleep(self.seconds)
        day = (found.interval.start - START).days
        if day == self.broken:
            raise ValueError(f"day {day}")
        return day


def test_what_takes_long_is_read_by_other_threads_in_order() -> None:
    reading, every = Reading(4 * FROM_SECONDS), intervals(9)
    with reading_ahead(reading) as ahead:
        assert [ahead.read(one) for one in ahead.each(iter(every))] == list(range(9))
    assert sum(name.startswith("ahead") for name in reading.threads) >= 5


@pytest.mark.parametrize("seconds", [0.0, 4 * FROM_SECONDS])
def test_what_takes_no_time_or_has_nothing_is_read_here(seconds: float) -> None:
    reading, every = Reading(seconds), intervals(9, reached=seconds == 0.0)
    with reading_ahead(reading) as ahead:
        assert [ahead.read(one) for one in ahead.each(every)] == list(range(9))
    assert not any(name.startswith("ahead") for name in reading.threads)


def test_an_error_is_raised_for_its_interval_only() -> None:
    reading, found = Reading(4 * FROM_SECONDS, broken=5), []
    with reading_ahead(reading) as ahead:
        for one in ahead.each(intervals(9)):
            try:
                found.append(ahead.read(one))
            except ValueError as error:
                found.append(str(error))
    assert found == [0, 1, 2, 3, 4, "day 5", 6, 7, 8]


def test_what_nobody_reads_does_not_go_on() -> None:
    reading = Reading(4 * FROM_SECONDS)
    with reading_ahead(reading) as ahead:
        for one in itertools.islice(ahead.each(intervals(99)), 4):
            ahead.read(one)
    assert len(reading.threads) < 9
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())
