"""Workers: outcomes and errors come back, a dead one costs its own ticket, and none outlives its parent."""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from threading import Thread

import psutil
import pytest

from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.executors.processes import fork_server, worker, worker_life
from arpent.adapters.executors.processes.executor import ProcessExecutor
from arpent.adapters.executors.processes.limits import CallLimits
from arpent.domain.boundary.pulse import pulse
from arpent.domain.errors import ArpentError, AssetUnreadable, WorkerDied, WorkLost, WorldError
from arpent.domain.partition import Outcome
from arpent.domain.ports.execution import Executor, Ticket
from arpent.domain.ports.jobs import Lease
from tests.support.jobs import make_partition, make_request

FORK_SERVER = "arpent.adapters.executors.processes.fork_server"
PATIENCE_SECONDS = 120
"""After so long something counts as hanging, on the slowest machine."""
STRESS = {"3": 200, "WorkerDied": 3}
"""How many tickets have to end so, at least."""


def count(lease: Lease) -> Outcome:
    assert lease.partition is not None
    return Outcome(done=len(lease.partition.features), failed=0)


def worker_id(_: Lease) -> Outcome:
    return Outcome(done=os.getpid(), failed=0)


def signals_as_ours(_: Lease) -> Outcome:
    there = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    return Outcome(done=int(there == (signal.SIG_IGN, signal.SIG_DFL)), failed=0)


def sleep_long(_: Lease) -> Outcome:
    time.sleep(600)
    raise AssertionError


def die(_: Lease) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def takes_a_second(_: Lease) -> Outcome:
    time.sleep(1)
    return Outcome(done=1, failed=0)


def dies_after_a_second(_: Lease) -> Outcome:
    time.sleep(1)
    os._exit(7)


def fail(_: Lease) -> Outcome:
    raise AssetUnreadable("B04.tif is truncated", transient=True)


class Peculiar(Exception):
    """Can be pickled, but not be had back."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")


def fail_peculiarly(_: Lease) -> Outcome:
    raise Peculiar("B04.tif", "truncated")


def prepare_badly() -> None:
    os._exit(3)


def lease(number: int = 0) -> Lease:
    return Lease(job_id="j", token="t", partition=make_partition(number, range(1, 4)), attempt=1)


def wait_for(ticket: Ticket) -> Outcome:
    end = time.monotonic() + PATIENCE_SECONDS
    while not ticket.done():
        assert time.monotonic() < end
        time.sleep(0.01)
    return ticket.result()


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(processes: set[int]) -> set[int]:
    end = time.monotonic() + PATIENCE_SECONDS
    while (left := {each for each in processes if lives(each)}) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """Forks of the process's fork servers."""
    found: list[psutil.Process] = []
    for server in servers_of(process):
        with suppress(psutil.NoSuchProcess):  # one that nobody needs any more ends
            found += server.children()
    return found


def servers_of(process: psutil.Process) -> list[psutil.Process]:
    """Those that live."""
    found = []
    for child in process.children():
        with suppress(psutil.NoSuchProcess):  # a zombie counts as such
            if FORK_SERVER in " ".join(child.cmdline()):
                found.append(child)
    return found


class TestSerial:
    def test_answers_at_once(self) -> None:
        executor: Executor = InlineExecutor()
        ticket = executor.submit(count, lease())
        assert ticket.done()
        assert ticket.result().done == 3
        with pytest.raises(AssetUnreadable):
            executor.submit(fail, lease()).result()


def test_a_ticket_gets_a_worker_that_is_there() -> None:
    """A spare place, or another of several, is not taken in turns: each would start a worker anew."""
    executor = ProcessExecutor(2, spare=1)
    try:
        used = {wait_for(executor.submit(worker_id, lease())).done for _ in range(4)}
    finally:
        executor.close()
    assert len(used) == 1


def test_workers_can_be_there_before_the_work() -> None:
    executor = ProcessExecutor(2)
    before = {each.pid for each in workers_of(psutil.Process())}
    try:
        executor.make_ready()
        end = time.monotonic() + PATIENCE_SECONDS
        while len(there := {each.pid for each in workers_of(psutil.Process())} - before) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert {wait_for(executor.submit(worker_id, lease())).done for _ in range(4)} <= there
    finally:
        executor.close()
    assert not wait_until_gone(there)


@pytest.fixture(scope="module")
def executor() -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor(2)
    yield executor
    executor.close()


class TestProcesses:
    def test_bring_outcomes_back(self, executor: ProcessExecutor) -> None:
        assert executor.slots == 2
        assert wait_for(executor.submit(count, lease())).done == 3

    def test_bring_errors_back(self, executor: ProcessExecutor) -> None:
        with pytest.raises(AssetUnreadable, match=r"B04\.tif is truncated") as caught:
            wait_for(executor.submit(fail, lease()))
        assert caught.value.transient

    def test_bring_back_what_cannot_travel(self, executor: ProcessExecutor) -> None:
        with pytest.raises(ArpentError, match=r"^arpent failed here \(Peculiar\); the server's log has the details"):
            wait_for(executor.submit(fail_peculiarly, lease()))
        with pytest.raises((AttributeError, pickle.PicklingError)):
            wait_for(executor.submit(lambda _: Outcome(done=0, failed=0), lease()))
        assert wait_for(executor.submit(count, lease())).done == 3

    def test_tell_where_an_error_arose(self, executor: ProcessExecutor) -> None:
        with pytest.raises(AssetUnreadable) as caught:
            wait_for(executor.submit(fail, lease()))
        assert "in fail\n" in "".join(traceback.format_exception(caught.value))

    def test_a_death_costs_one_ticket(self, executor: ProcessExecutor) -> None:
        tickets = [executor.submit(die if k == 1 else count, lease(k)) for k in range(6)]
        with pytest.raises(WorkerDied, match=r"worker process died \(SIGKILL\)") as caught:
            wait_for(tickets.pop(1))
        assert caught.value.transient
        assert [wait_for(ticket).done for ticket in tickets] == [3] * 5

    def test_leave_interrupts_to_their_parent(self, executor: ProcessExecutor) -> None:
        assert wait_for(executor.submit(signals_as_ours, lease())).done == 1

    def test_can_be_cancelled_midway(self, executor: ProcessExecutor) -> None:
        tickets = [executor.submit(sleep_long, lease()) for _ in range(4)]
        while not all(ticket.begun() for ticket in tickets[:2]):
            time.sleep(0.01)
        assert not any(ticket.begun() for ticket in tickets[2:])
        for ticket in tickets:
            ticket.cancel()
            with pytest.raises(WorldError, match="cancelled"):
                wait_for(ticket)
        assert wait_for(executor.submit(count, lease())).done == 3


def test_work_ends_when_it_is_no_longer_held() -> None:
    executor = ProcessExecutor(2)
    try:
        held, kept = (executor.submit(sleep_long, lease(number)) for number in range(2))
        for _ in range(8):
            for ticket in (held, kept):
                ticket.hold(2.0)
            time.sleep(0.25)
        assert not held.done(), "each call replaces the one before"
        kept.hold(600.0)
        with pytest.raises(WorkLost, match="could not be renewed"):
            wait_for(held)
        assert not kept.done()
        kept.cancel()
    finally:
        executor.close()


def hang(_: Lease) -> Outcome:
    """In native code that lets no other thread run."""
    ctypes.PyDLL(None).sleep(600)
    raise AssertionError


def go_on(_: Lease) -> Outcome:
    for _ in range(25):
        time.sleep(0.2)
        pulse()
    return Outcome(done=1, failed=0)


def test_work_that_hangs_is_ended_and_work_that_goes_on_is_not() -> None:
    """However long it takes."""
    executor = ProcessExecutor(2, limits=CallLimits(still_seconds=3.0))
    try:
        busy, hung = executor.submit(go_on, lease(0)), executor.submit(hang, lease(1))
        with pytest.raises(WorkerDied, match="hung: it made no progress for 3 s, which ARPENT_POLICY__STALL_SECONDS"):
            wait_for(hung)
        assert wait_for(busy).done == 1
        assert wait_for(executor.submit(count, lease(2))).done == 3, "with another worker"
    finally:
        executor.close()


def test_the_death_of_idle_workers_is_survived() -> None:
    """No work is charged with the death."""
    executor = ProcessExecutor(1)
    try:
        for _ in range(2):
            worker = wait_for(executor.submit(worker_id, lease())).done
            os.kill(worker, signal.SIGKILL)
            assert wait_until_gone({worker}) == set()
            time.sleep(0.5)
        assert wait_for(executor.submit(count, lease())).done == 3
    finally:
        executor.close()


def test_workers_that_cannot_begin_are_not_charged_to_the_work() -> None:
    executor = ProcessExecutor(1, prepare_badly)
    try:
        with pytest.raises(WorldError, match=r"while starting \(exit code 3\)") as caught:
            wait_for(executor.submit(count, lease()))
        assert caught.value.transient
        assert not isinstance(caught.value, WorkerDied)
    finally:
        executor.close()


def test_a_frozen_worker_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not even take the work out of its pipe."""
    monkeypatch.setattr("arpent.adapters.executors.processes.executor.CLOSE_SECONDS", 0.5)
    executor = ProcessExecutor(1)
    worker = wait_for(executor.submit(worker_id, lease())).done
    os.kill(worker, signal.SIGSTOP)
    ticket = executor.submit(count, replace(lease(), request=make_request("x" * 3_000_000)))
    time.sleep(0.3)
    executor.close()
    assert wait_until_gone({worker}) == set()
    with pytest.raises(WorldError):
        wait_for(ticket)


def test_closing_leaves_nothing_behind() -> None:
    executor = ProcessExecutor(2)
    worker = wait_for(executor.submit(worker_id, lease())).done
    running = [executor.submit(sleep_long, lease()) for _ in range(3)]
    assert lives(worker)
    executor.close()
    assert wait_until_gone({worker}) == set()
    assert all(ticket.done() for ticket in running)
    with pytest.raises(WorldError):
        executor.submit(count, lease())


def ends_soon(_: Lease) -> Outcome:
    """A worker that gives a good answer, longer than a pipe holds, and dies at any moment after: in the middle of it,
    or of what it is given next."""
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 2e-3))
    return Outcome(done=3, failed=0, seconds=(("x" * 400_000, 0.0),))


def ended(ticket: Ticket) -> str:
    try:
        return str(wait_for(ticket).done)
    except WorldError as error:
        return type(error).__name__


@pytest.mark.slow
def test_whenever_workers_are_killed_every_ticket_ends() -> None:
    """Hundreds of tiny tasks; workers die by themselves between any two instructions, and are killed at any time."""
    dice = random.Random(5)
    others = set(workers_of(psutil.Process()))  # not ours to kill
    executor = ProcessExecutor(3)
    ends: Counter[str] = Counter()
    waiting: deque[Ticket] = deque()
    leases = (lease(), lease(), replace(lease(), request=make_request("x" * 400_000)))
    killed = 0
    try:
        while killed < 12 or any(ends[end] < least for end, least in STRESS.items()):
            while len(waiting) < 60:
                waiting.append(executor.submit(ends_soon if dice.random() < 0.004 else count, dice.choice(leases)))
            if sum(ends.values()) > 20 and dice.random() < 0.05:
                time.sleep(dice.uniform(0, 0.01))
                with suppress(psutil.NoSuchProcess, IndexError):
                    dice.choice([each for each in workers_of(psutil.Process()) if each not in others]).kill()
                    killed += 1
            ends[ended(waiting.popleft())] += 1
        ends.update(ended(ticket) for ticket in waiting)
    finally:
        executor.close()
    # Four kills in a row may meet one thread's workers while starting: then it says that none can be started.
    assert ends.keys() <= {"3", "WorkerDied", "EnvironmentFault"}, ends
    assert ends["EnvironmentFault"] <= killed // 4, ends


PARENT = """
import sys, time
from arpent.adapters.executors.processes.executor import ProcessExecutor
from tests.unit.adapters.executors.processes.test_executor import lease, sleep_long, wait_for, worker_id
if __name__ == "__main__":
    executor = ProcessExecutor(2)
    ids = {wait_for(executor.submit(worker_id, lease())).done}
    for _ in range(2):
        executor.submit(sleep_long, lease())
    time.sleep(0.5)
    import psutil
    print(*(ids | {child.pid for child in psutil.Process().children(recursive=True)}), flush=True)
    time.sleep(600)
"""


BARE = """
import sys
from arpent.adapters.executors.processes.executor import ProcessExecutor
from tests.unit.adapters.executors.processes.test_executor import count, lease, wait_for
print("begins", __name__, flush=True)
executor = ProcessExecutor(2)
print(wait_for(executor.submit(count, lease())).done)
executor.close()
"""


def test_a_script_that_guards_nothing_runs_once(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "bare.py").write_text(BARE)
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "bare.py")], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.split() == ["begins", "__main__", "3"]
    assert done.stderr == ""


def test_workers_end_with_a_killed_parent(tmp_path: Path, repository: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    with subprocess.Popen([sys.executable, str(script)], stdout=-1, text=True, env=environment) as parent:
        assert parent.stdout is not None
        workers = {int(each) for each in parent.stdout.readline().split()}
        parent.kill()
    assert len(workers) >= 3
    assert wait_until_gone(workers) == set()


def kill_servers() -> None:
    for server in servers_of(psutil.Process()):
        server.kill()


def test_work_goes_on_when_the_fork_server_is_killed() -> None:
    """It costs no ticket, neither what runs nor what comes."""
    executor = ProcessExecutor(2)
    try:
        running = executor.submit(takes_a_second, lease())
        while not running.begun():
            time.sleep(0.01)
        kill_servers()
        further = [executor.submit(takes_a_second, lease(number)) for number in range(3)]
        assert [wait_for(ticket).done for ticket in (running, *further)] == [1] * 4
    finally:
        executor.close()


def test_the_death_of_a_worker_without_fork_server_is_noticed() -> None:
    executor = ProcessExecutor(1)
    try:
        running = executor.submit(dies_after_a_second, lease())
        while not running.begun():
            time.sleep(0.01)
        kill_servers()
        with pytest.raises(WorkerDied, match="for an unknown reason"):
            wait_for(running)
        assert wait_for(executor.submit(count, lease())).done == 3
    finally:
        executor.close()


def test_a_frozen_fork_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arpent.adapters.executors.processes.fork_server.PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr("arpent.adapters.executors.processes.fork_server.END_SECONDS", 0.5)
    executor = ProcessExecutor(2)
    try:
        assert wait_for(executor.submit(count, lease())).done == 3
        frozen = servers_of(psutil.Process())
        for server in frozen:
            server.suspend()
        tickets = [executor.submit(takes_a_second, lease()) for _ in range(2)]
        assert [wait_for(ticket).done for ticket in tickets] == [1] * 2
        # The order that it did not take must not be carried out later: another worker would take work away.
        assert any(not lives(server.pid) for server in frozen)
        tickets = [executor.submit(count, lease()) for _ in range(20)]
        assert [wait_for(ticket).done for ticket in tickets] == [3] * 20
    finally:
        executor.close()


def test_without_a_fork_server_workers_are_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POSSIBLE", False)
    executor = ProcessExecutor(1)
    try:
        assert wait_for(executor.submit(count, lease())).done == 3
        with pytest.raises(WorkerDied, match="SIGKILL"):
            wait_for(executor.submit(die, lease()))
        assert wait_for(executor.submit(count, lease())).done == 3
    finally:
        executor.close()


def refuse(_: int) -> int:
    raise OSError(errno.ENOSYS, "not implemented")


def test_a_kernel_that_lets_nobody_watch_processes_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has the call wherever it was compiled."""
    assert fork_server.can_watch()
    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert not fork_server.can_watch()


def test_a_worker_that_cannot_watch_its_parent_works(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Pipe()
    monkeypatch.setattr(os, "pidfd_open", refuse)
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    watching = Thread(target=worker_life._end_with, args=(os.getpid(), theirs.fileno()))
    watching.start()
    watching.join(2 * worker_life.LAST_SECONDS)
    assert watching.is_alive()
    ours.close()
    watching.join(PATIENCE_SECONDS)
    assert ends == [1]


def variable(_: Lease) -> Outcome:
    return Outcome(done=int(os.environ.get("OF_THIS_TEST", "0")), failed=0)


def test_workers_see_the_variables_of_when_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As programs that are started then: keys of buckets may be set between two jobs."""
    for value in ("1", "2"):
        monkeypatch.setenv("OF_THIS_TEST", value)
        executor = ProcessExecutor(1)
        try:
            assert wait_for(executor.submit(variable, lease())).done == int(value)
        finally:
            executor.close()


def loaded() -> None:
    sys.modules["loaded_for_workers"] = sys


def is_loaded(_: Lease) -> Outcome:
    return Outcome(done=int("loaded_for_workers" in sys.modules), failed=0)


def test_workers_have_what_was_loaded_for_all() -> None:
    executor = ProcessExecutor(1, load=loaded)
    try:
        assert wait_for(executor.submit(is_loaded, lease())).done == 1
    finally:
        executor.close()


HERE = """
import signal, sys
from arpent.adapters.executors.processes import fork_server
from arpent.adapters.executors.processes.executor import ProcessExecutor
from tests.unit.adapters.executors.processes.test_executor import *
signal.signal(signal.SIGTERM, lambda *_: print("caught", flush=True))
sys.modules["loaded_for_workers"] = sys
print("begins", flush=True)
fork_server.begin_here()
executor = ProcessExecutor(2)
print(*(wait_for(executor.submit(each, lease())).done for each in (is_loaded, signals_as_ours)), flush=True)
print(ended(executor.submit(die, lease())), flush=True)
executor.close()
"""


UNPREPARED = """
import sys
from arpent.adapters.executors.processes import fork_server
from arpent.adapters.executors.processes.executor import ProcessExecutor
from tests.unit.adapters.executors.processes.test_executor import *
fork_server.begin_here()
print("goes on", flush=True)
executor = ProcessExecutor(1, int_of_nothing)
try:
    wait_for(executor.submit(count, lease()))
except WorldError as error:
    print(error, flush=True)
executor.close()
"""


def int_of_nothing() -> None:
    int("nothing")


def test_what_fails_in_a_worker_goes_on_with_no_code_of_its_program(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "unprepared.py").write_text(UNPREPARED)
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "unprepared.py")], capture_output=True, text=True, env=environment, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == "goes on"
    assert "while starting (exit code 1)" in second
    assert "ValueError" in done.stderr


def test_a_program_of_ours_is_its_own_fork_server(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "here.py").write_text(HERE)
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "here.py")], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.split() == ["begins", "1", "1", "WorkerDied"]
    assert done.stderr == ""
