"""Work on a real Dask cluster: outcomes and errors come back, workers come and go, and nothing is told of secrets."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from arpent.adapters.dask_executor import DaskExecutor
from arpent.errors import ArpentError, AssetUnreadable, WorldError
from arpent.model.partition import Outcome
from arpent.ports import Executor, Lease, Ticket
from tests.support.dask_cluster import Cluster, cluster
from tests.support.jobs import make_partition
from tests.support.server import free_port, wait_for

pytestmark = pytest.mark.services
SECRET = "never-say-this-aloud"


def count(lease: Lease) -> Outcome:
    assert lease.partition is not None
    assert lease.body == SECRET
    return Outcome(done=len(lease.partition.features), failed=0)


def fail(_: Lease) -> Outcome:
    raise AssetUnreadable("B04.tif is truncated", transient=True)


def break_down(_: Lease) -> Outcome:
    raise ZeroDivisionError("by zero")


def sleep_briefly(_: Lease) -> Outcome:
    time.sleep(2)
    return Outcome(done=1, failed=0)


def die(_: Lease) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def lease(number: int = 0) -> Lease:
    return Lease(job_id="job", token="token-of-this-lease", partition=make_partition(number, range(1, 4)), attempt=1,
                 body=SECRET)  # fmt: skip


def outcome(ticket: Ticket, seconds: float = 30) -> Outcome:
    wait_for(ticket.done, seconds, "the ticket")
    return ticket.result()


@pytest.fixture(scope="module", autouse=True)
def wanted() -> None:
    if not os.environ.get("ARPENT_TEST_DASK"):
        pytest.skip("ARPENT_TEST_DASK is not set")


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Cluster]:
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with cluster(tmp_path, (1, 2), **environment) as made:
        yield made


@pytest.fixture
def executor(workers: Cluster) -> Iterator[DaskExecutor]:
    made = DaskExecutor(workers.address)
    yield made
    made.close()


def test_outcomes_and_errors_come_back(executor: DaskExecutor, workers: Cluster) -> None:
    held: Executor = executor
    assert held.slots == 3
    assert [outcome(ticket).done for ticket in [held.submit(count, lease(number)) for number in range(20)]] == [3] * 20
    with pytest.raises(AssetUnreadable, match=r"B04\.tif is truncated") as caught:
        outcome(held.submit(fail, lease()))
    assert caught.value.transient
    with pytest.raises(ArpentError, match="ZeroDivisionError"):
        outcome(held.submit(break_down, lease()))
    assert "ZeroDivisionError" in workers.log, "what broke is in the worker's log"
    assert "arpent-job-0-1-" in workers.log, "Dask names the work that failed"
    assert SECRET not in workers.log
    assert "token-of-this-lease" not in workers.log


def test_slots_follow_the_workers(executor: DaskExecutor, workers: Cluster) -> None:
    assert executor.slots == 3
    added = workers.worker(4)
    wait_for(lambda: executor.slots == 7, 30, "the new worker's threads")
    added.kill()
    wait_for(lambda: executor.slots == 3, 30, "the threads to be gone")


def test_a_killed_worker_costs_its_own_work_only(executor: DaskExecutor) -> None:
    tickets = [executor.submit(die if number == 1 else sleep_briefly, lease(number)) for number in range(3)]
    with pytest.raises(WorldError, match="died") as caught:
        outcome(tickets[1])
    assert caught.value.transient
    shared = 0
    for number in (0, 2):  # one of them may have shared the process of the one that died
        try:
            outcome(tickets[number])
        except WorldError:
            shared += 1
    assert shared < 2
    assert outcome(executor.submit(count, lease())).done == 3


def test_cancelled_work_is_over_at_once(executor: DaskExecutor) -> None:
    ticket = executor.submit(sleep_briefly, lease())
    time.sleep(0.3)
    began = time.monotonic()
    ticket.cancel()
    with pytest.raises(WorldError, match="lost"):
        outcome(ticket, 1)
    assert time.monotonic() - began < 1


def test_a_lost_scheduler_leaves_no_slots_and_is_found_again(executor: DaskExecutor, workers: Cluster) -> None:
    ticket = executor.submit(sleep_briefly, lease())
    workers.processes[0].kill()
    with pytest.raises(WorldError) as caught:
        outcome(ticket)
    assert caught.value.transient
    wait_for(lambda: executor.slots == 0, 30, "the slots to go")
    workers.processes[0].wait()
    workers.scheduler()
    workers.worker(2)
    wait_for(lambda: executor.slots >= 2, 60, "the new scheduler's workers")
    assert outcome(executor.submit(count, lease())).done == 3


def test_no_scheduler() -> None:
    with pytest.raises(WorldError, match="No Dask scheduler answers at tcp://127") as caught:
        DaskExecutor(f"tcp://127.0.0.1:{free_port()}")
    assert caught.value.transient
