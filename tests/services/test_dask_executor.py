"""Work on a real Dask cluster: outcomes and errors come back, workers come and go, and nothing is told of secrets."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest

pytest.importorskip("distributed", reason="needs Dask: install arpent[dask]")

from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.adapters.executors.dask.executor import DaskExecutor
from arpent.domain.errors import ArpentError, AssetUnreadable, WorkerDied, WorkLost, WorldError
from arpent.domain.job import Status
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.execution import Executor, Ticket
from arpent.jobs.policy import Policy
from arpent.jobs.runner import Runner
from arpent.jobs.state_machine import Event, advance
from arpent.jobs.work_functions import WorkFunctions
from tests.support.dask_calls import (
    MODULES,
    NAP_SECONDS,
    SECRET,
    break_down,
    count,
    die,
    fail,
    lease,
    nap,
    nap_in,
    outcome,
    process_number,
)  # fmt: skip
from tests.support.dask_cluster import Cluster, cluster
from tests.support.databases import database
from tests.support.jobs import Clock, cut, make_request, processing_job
from tests.support.server import free_port, wait_for

pytestmark = pytest.mark.services
SILENCE_SECONDS = 3.0


@pytest.fixture(scope="module", autouse=True)
def wanted() -> None:
    if not os.environ.get("ARPENT_TEST_DASK"):
        pytest.skip("needs time for Dask: run `make test-services`, or set ARPENT_TEST_DASK to 1")


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path, (1, 2), **MODULES, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as made:
        yield made


@pytest.fixture
def executor(workers: Cluster) -> Iterator[DaskExecutor]:
    made = DaskExecutor(workers.address, silence_seconds=SILENCE_SECONDS)
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
    wait_for(lambda: executor.slots == 7, 60, "the new worker's threads")
    added.kill()
    wait_for(lambda: executor.slots == 3, 60, "the threads to be gone")


def test_a_killed_worker_costs_its_own_work_only(executor: DaskExecutor) -> None:
    tickets = [executor.submit(die if number == 1 else nap, lease(number)) for number in range(3)]
    with pytest.raises(WorkerDied) as caught:
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
    ticket = executor.submit(nap, lease())
    time.sleep(0.3)
    ticket.cancel()
    assert ticket.done(), "nobody waits for the end of the nap"
    with pytest.raises(WorldError, match="lost"):
        outcome(ticket)


def error_of(ticket: Ticket) -> WorkerDied | None:
    try:
        ticket.result()
    except WorkerDied as error:
        return error
    return None


def test_what_a_frozen_worker_has_is_lost_and_it_gets_no_more(executor: DaskExecutor, workers: Cluster) -> None:
    """Its connections live, its machine answers; Dask would wait five minutes for it, and give it the next work."""
    frozen = workers.processes[2]
    tickets = [executor.submit(nap, lease(number)) for number in range(3)]
    wait_for(lambda: executor.slots == 3 and all(ticket.begun() for ticket in tickets), 60, "the work to begin")
    frozen.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    wait_for(lambda: executor.slots == 1 and all(ticket.done() for ticket in tickets), 60, "the silence to be noticed")
    assert time.monotonic() - began > SILENCE_SECONDS - 1.5
    reasons = [str(error) for ticket in tickets if (error := error_of(ticket)) is not None]
    assert len(reasons) == 2, "two of them ran there"
    assert all(f"silent for {SILENCE_SECONDS:g} s" in reason for reason in reasons)
    done = {outcome(executor.submit(process_number, lease(number))).done for number in range(4)}
    assert done == {workers.processes[1].pid}
    frozen.send_signal(signal.SIGCONT)
    wait_for(lambda: executor.slots == 3, 60, "it to be heard of again")


def test_a_frozen_scheduler_is_not_waited_for(executor: DaskExecutor, workers: Cluster) -> None:
    ticket = executor.submit(nap, lease())
    assert executor.slots == 3
    workers.processes[0].send_signal(signal.SIGSTOP)
    wait_for(lambda: executor.slots == 0 and ticket.done(), 60, "the silence to be noticed")
    with pytest.raises(WorkLost, match="scheduler was silent"):
        ticket.result()
    workers.processes[0].send_signal(signal.SIGCONT)
    wait_for(lambda: executor.slots == 3, 60, "it to answer again")
    assert outcome(executor.submit(count, lease())).done == 3


class Eager(DaskExecutor):
    """As if another runner had filled the cluster, too: what is given to it has to wait there."""

    slots = 8  # type: ignore[assignment]


def test_stop_lets_run_what_runs_and_cancels_what_waits(workers: Cluster, tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as engine:
        jobs, work, policy = SqlJobStore(engine), SqlWorkStore(engine), Policy()
        job = processing_job(jobs, work, Clock(), cut(16, 2)).id
        duties = WorkFunctions(
            analyse=lambda job, wanted: Analysis(partitions=iter(())),
            process=partial(nap_in, tmp_path),
            parse=lambda job: make_request(),
            give_up=lambda lease, error: Outcome(done=0, failed=2),
        )
        executor, over = Eager(workers.address), Flag()
        thread = Thread(target=Runner(jobs, work, executor, duties, policy).run, args=(over,))
        thread.start()
        try:
            wait_for(lambda: len(list(tmp_path.glob("begun-*"))) == 3, 60, "all threads to be busy", pause=0.01)
            held = "SELECT count(*) FROM partitions WHERE token IS NOT NULL"
            with engine.connect() as connection:
                assert connection.exec_driver_sql(held).scalar_one() == 8
            stopped = jobs.get(job)
            jobs.save(advance(stopped, Event.STOP, Clock()(), policy))
            time.sleep(2 * NAP_SECONDS)  # those that waited would have begun by then
            assert [len(list(tmp_path.glob(f"{name}-*"))) for name in ("begun", "ended")] == [3, 3]
            with engine.connect() as connection:
                assert connection.exec_driver_sql(held).scalar_one() == 0
            job_now = jobs.get(job)
            assert (job_now.status, job_now.progress.done, job_now.progress.open) == (Status.STOPPED, 6, 5)
        finally:
            over.set()
            thread.join()
            executor.close()


def test_a_lost_scheduler_leaves_no_slots_and_is_found_again(executor: DaskExecutor, workers: Cluster) -> None:
    ticket = executor.submit(nap, lease())
    workers.processes[0].kill()
    with pytest.raises(WorkLost):
        outcome(ticket)
    wait_for(lambda: executor.slots == 0, 60, "the slots to go")
    workers.processes[0].wait()
    workers.scheduler()
    workers.worker(2)
    wait_for(lambda: executor.slots >= 2, 60, "the new scheduler's workers")
    assert outcome(executor.submit(count, lease())).done == 3


def test_no_scheduler() -> None:
    with pytest.raises(WorldError, match="No Dask scheduler answers at tcp://127") as caught:
        DaskExecutor(f"tcp://127.0.0.1:{free_port()}")
    assert caught.value.transient
