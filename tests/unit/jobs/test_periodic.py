"""Periodic tasks are repeated, even after errors, and run once more at the end."""

from __future__ import annotations

import time

from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease
from arpent.jobs.periodic import PeriodicTask, PeriodicTasks
from arpent.jobs.run_metrics import RunMetrics
from tests.support.jobs import make_partition


def test_a_failing_chore_is_tried_again_and_stops_no_other() -> None:
    done: list[str] = []

    def fail() -> None:
        done.append("bad")
        raise OSError("not now")

    def good() -> None:
        done.append("good")

    chores = (PeriodicTask(name="bad", seconds=0.01, action=fail), PeriodicTask(name="good", seconds=0.01, action=good))
    rounds = PeriodicTasks(chores)
    end = time.monotonic() + 60
    while (done.count("bad") < 3 or done.count("good") < 3) and time.monotonic() < end:
        time.sleep(0.01)
    rounds.close()
    assert done.count("bad") >= 3
    assert done.count("good") >= 3


def test_the_last_round_is_at_the_end() -> None:
    done: list[int] = []
    rounds = PeriodicTasks([PeriodicTask(name="count", seconds=600, action=lambda: done.append(1))])
    while not done:
        time.sleep(0.01)
    rounds.close()
    assert len(done) == 2


def test_what_a_runner_did() -> None:
    tally = RunMetrics()
    lease = Lease(job_id="j", token="t", partition=make_partition(0, range(1, 4)), attempt=1)
    outcome = Outcome(done=2, failed=1, bytes_read=10, seconds=(("read", 1.5),), processing_units=0.5)
    tally.finished(lease, outcome)
    tally.finished(lease, outcome)
    tally.retried(lease, OSError())
    tally.analysed(lease, 0.25)
    taken = tally.take()
    assert taken == {
        ("partitions", ""): 2, ("features", "done"): 4, ("features", "failed"): 2, ("read_bytes", ""): 20,
        ("processing_units", ""): 1.0, ("stage_seconds", "read"): 3.0, ("retries", "partition"): 1,
        ("stage_seconds", "analysis"): 0.25,
    }  # fmt: skip
    assert tally.take() == {}
    tally.put_back(taken)
    assert tally.take() == taken
