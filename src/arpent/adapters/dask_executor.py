"""Executor on a Dask cluster: partitions run wherever its workers are; only counts come back.

The client lives on an event loop of its own thread, and a ticket is a coroutine there: this is the other place, beside
the HTTP server, where arpent is asynchronous. Nothing here waits for the cluster, so that leases are renewed in time.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
import uuid
from collections.abc import Callable
from concurrent import futures
from functools import lru_cache
from threading import Lock

from dask import config
from distributed import Client, Future, KilledWorker
from distributed.comm import CommClosedError

from arpent.errors import ArpentError, WorldError
from arpent.model.partition import Outcome
from arpent.ports import Lease

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
"""How long a scheduler may take to answer."""
COUNT_SECONDS = 1.0
"""How often the workers' threads are counted."""
LARGEST_WORK = "1 GiB"
"""Features are part of the work; Dask would warn of every partition above 10 MiB."""
RECONNECT_SECONDS = 5.0
"""Pause between two tries to reach a scheduler that was lost."""


class DaskTicket:
    """Work on the cluster."""

    def __init__(self, future: Future[Outcome], waiting: futures.Future[Outcome]) -> None:
        self._future = future
        self._waiting = waiting

    def done(self) -> bool:
        return self._waiting.done()

    def result(self) -> Outcome:
        try:
            return self._waiting.result()
        except KilledWorker as error:
            raise WorldError(f"Workers of the cluster died: {error.last_worker}", transient=True) from None
        except (futures.CancelledError, asyncio.CancelledError, CommClosedError, OSError) as error:
            raise WorldError(f"The cluster lost the work ({type(error).__name__})", transient=True) from error
        except ArpentError:
            raise
        except Exception as error:  # what a partition raises is ours, see _Work: the worker could not even begin
            raise WorldError(f"A worker of the cluster cannot do arpent's work: {error}", transient=True) from error

    def cancel(self) -> None:
        """Work that has begun goes on in its worker, but its outcome is not wanted any more."""
        self._waiting.cancel()
        self._future.client.loop.add_callback(_forget, self._future)


class DaskExecutor:
    """A client of a scheduler that somebody else runs; workers may come and go. Every worker thread is a slot."""

    def __init__(self, address: str, prepare: Callable[[], None] | None = None) -> None:
        """`address`: tcp://host:port or tls://host:port (with Dask's own TLS settings); `prepare` runs first in every
        worker process; picklable. Raises WorldError if no scheduler answers."""
        self._address = address
        self._prepare = None if prepare is None else pickle.dumps(prepare)
        self._lock = Lock()
        self._client = self._connect()
        self._slots = 0
        self._count_at = 0.0
        self._counting: futures.Future[int] | None = None
        self._connect_at = 0.0
        self._closed = False

    @property
    def slots(self) -> int:
        """As of a second ago; none while the scheduler is out of reach."""
        client = self._living()
        if client is None:
            return 0
        with self._lock:
            if self._counting is None and time.monotonic() >= self._count_at:
                self._counting = asyncio.run_coroutine_threadsafe(_threads(client), client.loop.asyncio_loop)
                if not self._count_at:
                    futures.wait([self._counting], CONNECT_SECONDS)  # the first answer is waited for
            if self._counting is not None and self._counting.done():
                self._slots = 0 if self._counting.exception() else self._counting.result()
                self._counting, self._count_at = None, time.monotonic() + COUNT_SECONDS
            return self._slots

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> DaskTicket:
        client = self._living()
        if client is None:
            raise WorldError(f"No Dask scheduler answers at {self._address}", transient=True)
        work = _Work(function, lease, self._prepare)
        try:
            with config.set({"distributed.admin.large-graph-warning-threshold": LARGEST_WORK}):
                future = client.submit(work, key=work.name, pure=False)
        except (RuntimeError, OSError) as error:
            raise WorldError(f"The Dask scheduler takes no work: {type(error).__name__}", transient=True) from error
        waiting = asyncio.run_coroutine_threadsafe(_outcome(future), client.loop.asyncio_loop)
        return DaskTicket(future, waiting)

    def close(self) -> None:
        """Give up what is under way; the cluster is not ours to end."""
        self._closed = True
        if self._client is not None:
            self._client.close(timeout=CONNECT_SECONDS)

    def _living(self) -> Client | None:
        """The client, or a new one where the scheduler was lost; None while there is none."""
        with self._lock:
            if self._closed:
                return None
            if self._client is not None and self._client.status in ("running", "connecting"):
                return self._client
            if time.monotonic() < self._connect_at:
                return None
            self._connect_at = time.monotonic() + RECONNECT_SECONDS
            self._count_at, self._counting, self._slots = 0.0, None, 0
            try:
                if self._client is not None:
                    self._client.close(timeout=1)
                self._client = self._connect()
            except WorldError as error:
                log.warning("%s", error)
                self._client = None
            return self._client

    def _connect(self) -> Client:
        try:
            return Client(self._address, timeout=CONNECT_SECONDS, set_as_default=False, direct_to_workers=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise WorldError(f"No Dask scheduler answers at {self._address}", transient=True) from error


class _Work:
    """A call that tells nothing of itself but its name, wherever Dask shows or logs it."""

    def __init__(self, function: Callable[[Lease], Outcome], lease: Lease, prepare: bytes | None) -> None:
        self._function = function
        self._lease = lease
        self._prepare = prepare
        number = "analysis" if lease.partition is None else lease.partition.number
        self.name = f"arpent-{lease.job_id}-{number}-{lease.attempt}-{uuid.uuid4().hex}"

    def __call__(self) -> Outcome:
        if self._prepare is not None:
            _prepared(self._prepare)
        try:
            return self._function(self._lease)
        except ArpentError:
            raise
        except Exception as error:
            # Its class may exist on the worker only, and could then not be read here.
            logging.getLogger(__name__).exception("A partition broke", extra={"job": self._lease.job_id})
            raise ArpentError(f"arpent failed: {type(error).__name__}: {error}") from None

    def __repr__(self) -> str:
        return self.name


@lru_cache(maxsize=4)
def _prepared(prepare: bytes) -> None:
    """Once per worker process: what is pickled is the same every time, what comes out of it is not."""
    pickle.loads(prepare)()


async def _outcome(future: Future[Outcome]) -> Outcome:
    outcome: Outcome = await future
    return outcome


async def _threads(client: Client) -> int:
    """Threads of all workers now."""
    return sum((await asyncio.wait_for(client.scheduler.ncores(), CONNECT_SECONDS)).values())


async def _forget(future: Future[Outcome]) -> None:
    await future.cancel()
