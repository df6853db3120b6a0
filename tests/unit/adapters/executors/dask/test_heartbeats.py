"""Which workers are alive: judged by changes of what the scheduler says, never by its clock or by our own pauses."""

from __future__ import annotations

import pytest

from arpent.adapters.executors.dask.heartbeats import LONGEST_GAP_SECONDS, Heartbeats, WorkerHeartbeat

HERE, THERE = "tcp://here:1", "tcp://there:1"


def sign(last_seen: float, threads: int = 2) -> WorkerHeartbeat:
    return WorkerHeartbeat(threads=threads, last_seen=last_seen)


@pytest.fixture
def pulse() -> Heartbeats:
    """Of two workers, one of which was last heard of long before this clock began."""
    made = Heartbeats(10.0)
    made.look({HERE: sign(1e9), THERE: sign(5.0, 3)}, 100.0)
    return made


def test_at_first_all_are_living(pulse: Heartbeats) -> None:
    assert (pulse.threads, pulse.living, pulse.silent) == (5, (HERE, THERE), frozenset())


def test_one_falls_silent_and_is_heard_of_again(pulse: Heartbeats) -> None:
    pulse.look({HERE: sign(1e9 + 1), THERE: sign(5.0, 3)}, 109.9)
    assert pulse.silent == frozenset()
    pulse.look({HERE: sign(1e9 + 2), THERE: sign(5.0, 3)}, 110.1)
    assert (pulse.threads, pulse.living, pulse.silent) == (2, (HERE,), {THERE})
    pulse.look({HERE: sign(1e9 + 3), THERE: sign(5.1, 3)}, 111.0)
    assert (pulse.threads, pulse.silent) == (5, frozenset())
    pulse.look({HERE: sign(1e9 + 4), THERE: sign(5.1, 3)}, 120.5)
    assert pulse.silent == frozenset(), "silence counts from the last sign"


def test_workers_come_and_go(pulse: Heartbeats) -> None:
    pulse.look({HERE: sign(1e9)}, 111.0)
    assert pulse.silent == {HERE}
    pulse.look({THERE: sign(5.0, 3)}, 112.0)
    assert (pulse.threads, pulse.silent) == (3, frozenset()), "who comes again begins anew"


def test_who_slept_himself_accuses_nobody() -> None:
    pulse = Heartbeats(2 * LONGEST_GAP_SECONDS)
    pulse.look({HERE: sign(1.0)}, 0.0)
    pulse.look({HERE: sign(1.0)}, 50_000.0)
    assert pulse.silent == frozenset()
    pulse.look({HERE: sign(1.0)}, 50_000.0 + LONGEST_GAP_SECONDS)
    assert pulse.silent == {HERE}


def test_many_workers_say_less_often_that_they_live() -> None:
    pulse = Heartbeats(3.0)
    many = {f"tcp://host:{number}": sign(1.0) for number in range(1000)}
    pulse.look(many, 0.0)
    pulse.look(many, 12.0)
    assert pulse.silent == frozenset()
    pulse.look(many, 36.0)
    assert len(pulse.silent) == 1000
