"""The bulkhead: a call costs its own worker, no client has all of them, and every limit is kept."""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from arpent.adapters.executors.processes.bulkhead import ProcessBulkhead
from arpent.adapters.executors.processes.fair_queue import FairQueue
from arpent.adapters.executors.processes.limits import CallLimits
from arpent.adapters.executors.processes.ticket import ProcessTicket
from arpent.domain.boundary.trace import trace_fields, trace_of, traced
from arpent.domain.errors import InvalidRequest, LimitExceeded, RateLimited, WorkerDied, WorldError

PATIENCE = 60
MEMORY = 600
LIMITS = CallLimits(seconds=20.0, memory_mib=MEMORY, advice="Ask for less.")


def double(number: int) -> int:
    return 2 * number


def worker_id(_: object) -> int:
    return os.getpid()


def logged_fields(_: object) -> dict[str, str]:
    return dict(trace_fields())


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def die(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(PATIENCE)


def refuse(_: object) -> None:
    raise InvalidRequest.at("aggregation->resx", "is wrong")


def take_memory(mebibytes: int) -> int:
    return int(np.ones(mebibytes << 17).sum())


def take_it_bit_by_bit(mebibytes: int) -> int:
    return len([bytearray(b"x" * (1 << 20)) for _ in range(mebibytes)])


def lack_memory_in_geos(_: object) -> None:
    """As GEOS says it."""
    raise shapely.errors.GEOSException("std::bad_alloc")


def take_shared_memory(mebibytes: int) -> int:
    """Not private, so that the kernel's limit does not count it."""
    area = mmap.mmap(-1, mebibytes << 20)
    for place in range(0, len(area), 4096):
        area[place] = 1
        if not place % (1 << 26):
            time.sleep(0.05)
    return len(area)


def result(ticket: ProcessTicket[Any]) -> Any:
    return ticket.future.result(PATIENCE)


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def bulkhead() -> Iterator[ProcessBulkhead]:
    """One worker for a client, and one more."""
    bulkhead = ProcessBulkhead(1, LIMITS, queue=3)
    yield bulkhead
    bulkhead.close()


def test_answers_and_errors_come_back(bulkhead: ProcessBulkhead) -> None:
    assert result(bulkhead.submit("me", double, 21)) == 42
    with pytest.raises(InvalidRequest, match="resx") as caught:
        result(bulkhead.submit("me", refuse, None))
    assert caught.value.violations == (("aggregation->resx", "is wrong"),)


def test_lines_of_the_worker_name_the_request(bulkhead: ProcessBulkhead) -> None:
    trace = trace_of("my-request", None)
    with traced(trace):
        ticket = bulkhead.submit("me", logged_fields, None)
    assert result(ticket) == trace.fields
    assert result(bulkhead.submit("me", logged_fields, None)) == {}


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_crash_costs_one_call(bulkhead: ProcessBulkhead, number: signal.Signals) -> None:
    other = bulkhead.submit("you", double, 1)
    with pytest.raises(WorkerDied, match=f"died .{number.name}."):
        result(bulkhead.submit("me", die, number))
    assert result(other) == 2
    assert result(bulkhead.submit("me", double, 2)) == 4


@pytest.mark.parametrize("take", [take_memory, take_it_bit_by_bit, take_shared_memory, lack_memory_in_geos])
def test_memory_has_a_limit(bulkhead: ProcessBulkhead, take: Any) -> None:
    assert result(bulkhead.submit("me", take_memory, 50)) == 50 << 17
    with pytest.raises(LimitExceeded, match=f"more than the allowed {MEMORY} MiB"):
        result(bulkhead.submit("me", take, 3 * MEMORY))
    assert result(bulkhead.submit("me", double, 2)) == 4


def test_time_has_a_limit(bulkhead: ProcessBulkhead) -> None:
    with pytest.raises(LimitExceeded, match=r"longer than the allowed 0\.2 s\. Ask for less\."):
        result(bulkhead.submit("me", sleep, PATIENCE, 0.2))
    assert result(bulkhead.submit("me", double, 2)) == 4


def test_no_client_has_all_workers(bulkhead: ProcessBulkhead) -> None:
    greedy = [bulkhead.submit("greedy", sleep, PATIENCE) for _ in range(3)]
    try:
        wait_for(greedy[0].begun)
        assert result(bulkhead.submit("me", double, 21)) == 42
        assert [ticket.begun() for ticket in greedy] == [True, False, False]
    finally:
        for ticket in greedy:
            ticket.cancel()
    wait_for(lambda: all(ticket.done() for ticket in greedy))


def test_a_queue_has_an_end_and_who_leaves_makes_room(bulkhead: ProcessBulkhead) -> None:
    tickets = [bulkhead.submit("greedy", sleep, PATIENCE)]
    wait_for(tickets[0].begun)
    tickets += [bulkhead.submit("greedy", sleep, PATIENCE) for _ in range(3)]
    with pytest.raises(RateLimited, match="1 requests under way and 3 waiting"):
        bulkhead.submit("greedy", double, 1)
    tickets[2].cancel()
    tickets.append(bulkhead.submit("greedy", sleep, PATIENCE))
    for ticket in tickets:
        ticket.cancel()
    wait_for(lambda: all(ticket.done() for ticket in tickets))
    assert result(bulkhead.submit("greedy", double, 1)) == 2


def test_a_call_that_nobody_wants_ends(bulkhead: ProcessBulkhead) -> None:
    worker = result(bulkhead.submit("me", worker_id, None))
    ticket = bulkhead.submit("me", sleep, PATIENCE)
    wait_for(ticket.begun)
    ticket.cancel()
    with pytest.raises(CancelledError):
        result(ticket)
    others = {result(bulkhead.submit(client, worker_id, None)) for client in "abcdef"}
    assert lives(worker) == (worker in others), "the one that slept is gone"


def test_closing_leaves_nothing_behind() -> None:
    bulkhead = ProcessBulkhead(1, LIMITS, queue=3)
    worker = result(bulkhead.submit("me", worker_id, None))
    running = [bulkhead.submit("me", sleep, PATIENCE) for _ in range(2)]
    bulkhead.close()
    wait_for(lambda: not lives(worker))
    assert all(ticket.done() for ticket in running)
    with pytest.raises(WorldError):
        bulkhead.submit("me", double, 1)


class TestTurns:
    """The queue alone, without processes."""

    def ticket(self) -> ProcessTicket[int]:
        return ProcessTicket(double, 1)

    def test_clients_take_turns(self) -> None:
        queue = FairQueue(waiting=9, running=9)
        owners = {}
        for client in "aaaaabbc":
            ticket = self.ticket()
            owners[ticket] = client
            queue.put(client, ticket)
        order = [owners[ticket] for _ in owners if (ticket := queue.get()) is not None]
        assert "".join(order) == "abcabaaa"

    def test_a_place_is_taken_until_it_is_free_again(self) -> None:
        """Until the slot has a new worker, not until the call has ended."""
        queue = FairQueue(waiting=9, running=1)
        first, second, other = self.ticket(), self.ticket(), self.ticket()
        queue.put("a", first)
        queue.put("a", second)
        assert queue.get() is first
        first.settle(2)
        queue.put("b", other)
        assert queue.get() is other
        queue.free(first)
        assert queue.get() is second

    def test_the_end(self) -> None:
        queue = FairQueue(waiting=9, running=1)
        ticket = self.ticket()
        queue.put("a", ticket)
        assert queue.close() == (ticket,)
        assert queue.get() is None
        with pytest.raises(WorldError):
            queue.put("a", self.ticket())
