"""What tests let a Dask cluster do instead of a partition; workers import it from here."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from arpent.domain.errors import AssetUnreadable
from arpent.domain.partition import Outcome
from arpent.domain.ports.execution import Ticket
from arpent.domain.ports.jobs import Lease
from tests.support.jobs import make_partition, make_request
from tests.support.server import wait_for

MODULES = {"PYTHONPATH": str(Path(__file__).parents[2])}
"""A worker's variable: where this is found."""
SECRET = "never-say-this-aloud"
NAP_SECONDS = 2.0


def count(lease: Lease) -> Outcome:
    assert lease.partition is not None
    assert lease.request is not None
    assert lease.request.script == SECRET
    return Outcome(done=len(lease.partition.features), failed=0)


def fail(_: Lease) -> Outcome:
    raise AssetUnreadable("B04.tif is truncated", transient=True)


def break_down(_: Lease) -> Outcome:
    raise ZeroDivisionError("by zero")


def nap(_: Lease) -> Outcome:
    time.sleep(NAP_SECONDS)
    return Outcome(done=1, failed=0)


def nap_in(folder: Path, lease: Lease) -> Outcome:
    """Leaves a file of the partition's number when it begins, and another when it ends."""
    assert lease.partition is not None
    (folder / f"begun-{lease.partition.number}").touch()
    time.sleep(NAP_SECONDS)
    (folder / f"ended-{lease.partition.number}").touch()
    return Outcome(done=len(lease.partition.features), failed=0)


def process_number(_: Lease) -> Outcome:
    return Outcome(done=os.getpid(), failed=0)


def die(_: Lease) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def lease(number: int = 0) -> Lease:
    return Lease(job_id="job", token="token-of-this-lease", partition=make_partition(number, range(1, 4)), attempt=1,
                 request=make_request(SECRET))  # fmt: skip


def outcome(ticket: Ticket, seconds: float = 30) -> Outcome:
    wait_for(ticket.done, seconds, "the ticket")
    return ticket.result()
