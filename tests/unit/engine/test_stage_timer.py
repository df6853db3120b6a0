"""The stopwatch: every moment counts for exactly one stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from arpent.domain.boundary import pulse
from arpent.engine import stage_timer as stopwatch
from arpent.engine.stage_timer import Stopwatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that pass when told to."""
    now = [0.0]
    monkeypatch.setattr(stopwatch, "perf_counter", lambda: now[0])
    return now


def test_inner_stages_take_their_time_from_outer_ones(clock: list[float]) -> None:
    watch = Stopwatch()
    clock[0] += 1

    def entries() -> Iterator[int]:
        for number in range(3):
            clock[0] += 10
            yield number

    with watch.stage("write"):
        clock[0] += 100
        for _ in watch.each("render", entries()):
            clock[0] += 1000
    assert dict(watch.seconds) == {"other": 1, "render": 30, "write": 3100}


def test_an_error_ends_the_stage(clock: list[float]) -> None:
    watch = Stopwatch()
    with suppress(RuntimeError), watch.stage("read"):
        clock[0] += 2
        raise RuntimeError
    clock[0] += 1
    assert dict(watch.seconds) == {"other": 1, "read": 2}


def test_one_that_does_not_run_counts_nothing() -> None:
    watch = Stopwatch(running=False)
    with watch.stage("read"):
        assert list(watch.each("render", "ab")) == ["a", "b"]
    assert "read" not in dict(watch.seconds)


def test_each_begin_and_end_of_a_stage_is_a_sign_that_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    watch, done = Stopwatch(), "nothing"
    monkeypatch.setattr(pulse._Heard, "by", lambda: heard.append(done))
    with watch.stage("script"):
        done = "some"
    assert heard == ["nothing", "some"]
