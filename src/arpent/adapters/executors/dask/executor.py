"""Executor on a Dask cluster: partitions run on its workers; counts and findings come back.

The client lives on an event loop in its own thread: besides the HTTP server, only this module and the ticket are
asynchronous. Leases must be renewed in time, so nothing here waits for work to end; only a scheduler is waited for, at
most CONNECT_SECONDS, when connecting and when its workers are first listed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import pickle
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias
from urllib.parse import urlsplit

from dask import config
from distributed import Client, Security

from arpent.adapters.executors.dask.heartbeats import Heartbeats, WorkerHeartbeat
from arpent.adapters.executors.dask.task import Work
from arpent.adapters.executors.dask.ticket import DaskTicket
from arpent.domain.errors import WorkerDied, WorkLost, WorldError
from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
"""Time limit for a scheduler to answer."""
LOOK_SECONDS = 1.0
"""Pause between checks of the workers …"""
LOOKED_AT_ONCE = 200
"""… if there are at most this many workers; twice as many are checked half as often."""
LARGEST_WORK = "1 GiB"
"""Size of work above which Dask warns: its default of 10 MiB is too small, since features are part of the work."""
TLS_SETTINGS = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT and …__CLIENT__KEY"
"""Dask's own settings for TLS."""
RECONNECT_SECONDS = 5.0
"""Pause between two tries to reach a lost scheduler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """The state of the cluster at one check."""

    slots: int = 0
    """Number of threads of workers that respond."""
    workers: int = 0
    """Number of workers, silent ones included."""
    wanted: tuple[str, ...] = ()
    """Workers to give work to; empty: any, because none is silent."""
    lost: frozenset[str] = frozenset()
    """Names of all work on silent workers, including other clients' work."""


Looking: TypeAlias = futures.Future[ClusterState]


class DaskExecutor:
    """A client of an existing Dask scheduler; workers may come and go. Every worker thread is a slot."""

    def __init__(self, address: str, prepare: Callable[[], None] | None = None, silence_seconds: float = 60.0) -> None:
        """`address`: tcp://host:port or tls://host:port (with Dask's own TLS settings). `prepare`: picklable, runs
        first in every worker process. A worker silent for `silence_seconds` loses its work, and gets none until it
        responds. Raises WorldError if no scheduler answers."""
        self._address = address
        self._prepare = None if prepare is None else pickle.dumps(prepare)
        self._silence_seconds = silence_seconds
        self._topic = f"arpent-{uuid.uuid4().hex}"
        self._lock = Lock()
        self._tickets: dict[str, DaskTicket] = {}
        self._connect_at = 0.0
        self._closed = False
        if _may_be_overheard(address):
            log.warning("The keys of requests travel to %s unencrypted: see dask+tls:// in docs/scaling.md", address)
        self._client: Client | None = None
        self._begin(self._connect())

    def _begin(self, client: Client) -> None:
        """Start with a new scheduler: forget what was known about earlier workers."""
        self._client = client
        self._heartbeats = Heartbeats(self._silence_seconds)
        self._found = ClusterState()
        self._looking: Looking | None = None
        self._look_at = 0.0
        self._heard_at = time.monotonic()

    @property
    def slots(self) -> int:
        """Number of worker threads about a second ago; 0 while the scheduler is unreachable."""
        client = self._living()
        if client is None:
            return 0
        with self._lock:
            if self._looking is None and time.monotonic() >= self._look_at:
                first = not self._look_at
                self._looking = asyncio.run_coroutine_threadsafe(
                    _look(client, self._heartbeats), client.loop.asyncio_loop
                )
                if first:
                    futures.wait([self._looking], CONNECT_SECONDS)  # wait for the first answer only
            if self._looking is not None and self._looking.done():
                self._learn(self._looking)
                self._looking = None
            return self._found.slots

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> DaskTicket:
        client = self._living()
        if client is None:
            raise WorldError(f"No Dask scheduler answers at {self._address}", transient=True)
        work = Work(function, lease, self._prepare, self._topic)
        try:
            client.subscribe_topic(self._topic, self._hear)  # repeated: the scheduler may be a new one
            with config.set({"distributed.admin.large-graph-warning-threshold": LARGEST_WORK}):
                future = client.submit(work, key=work.name, pure=False, workers=list(self._found.wanted) or None)
        except (RuntimeError, OSError) as error:
            raise WorldError(f"The Dask scheduler accepts no work: {type(error).__name__}", transient=True) from error
        ticket = DaskTicket(future)
        with self._lock:
            self._tickets = {name: each for name, each in self._tickets.items() if not each.done()}
            self._tickets[work.name] = ticket
        return ticket

    def close(self) -> None:
        """Cancel work under way; the cluster keeps running."""
        self._closed = True
        if self._client is not None:
            self._client.close(timeout=CONNECT_SECONDS)

    # ---- the state of work on the cluster -------------------------------------------------------------------------

    def _hear(self, event: tuple[float, str]) -> None:
        """Note, on the client's thread, that some work has begun."""
        if (ticket := self._tickets.get(event[1])) is not None:
            ticket.begin()

    def _learn(self, looking: Looking) -> None:
        now, silence = time.monotonic(), f"was silent for {self._silence_seconds:g} s"
        error: WorldError = WorkerDied(f"A worker of the cluster {silence}")  # out of memory, a machine is silent, too
        if not looking.cancelled() and looking.exception() is None:
            self._found, self._heard_at = looking.result(), now
            lost = self._found.lost
        else:
            self._found, lost = ClusterState(), frozenset()
            if now - self._heard_at >= self._silence_seconds:
                lost, error = frozenset(self._tickets), WorkLost(f"The Dask scheduler {silence}")
        for name in lost & self._tickets.keys():
            self._tickets.pop(name).lose(error)
        self._look_at = now + LOOK_SECONDS * max(1.0, self._found.workers / LOOKED_AT_ONCE)

    # ---- the scheduler -------------------------------------------------------------------------------------------

    def _living(self) -> Client | None:
        """The client, reconnected if the scheduler was lost; None while there is none."""
        with self._lock:
            if self._closed:
                return None
            if self._client is not None and self._client.status in ("running", "connecting"):
                return self._client
            if time.monotonic() < self._connect_at:
                return None
            self._connect_at = time.monotonic() + RECONNECT_SECONDS
            if self._client is not None:
                with suppress(TimeoutError, OSError):
                    self._client.close(timeout=1)
                self._client = None
            try:
                self._begin(self._connect())
            except WorldError as error:
                log.warning("%s", error)
            return self._client

    def _connect(self) -> Client:
        if self._address.startswith("tls:") and not _has_certificates():
            raise WorldError(f"Cannot connect to {self._address}: {TLS_SETTINGS} must name certificates")
        try:
            return Client(self._address, timeout=CONNECT_SECONDS, set_as_default=False, direct_to_workers=False)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            hint = f" (does it use TLS, and do {TLS_SETTINGS} match?)" if self._address.startswith("tls:") else ""
            raise WorldError(f"No Dask scheduler answers at {self._address}{hint}", transient=True) from error


def _has_certificates() -> bool:
    """Whether TLS certificates are configured. Checked first, because a client that cannot start hangs and logs a lot
    when it ends."""
    try:
        return Security().get_connection_args("client").get("ssl_context") is not None
    except (OSError, ValueError):  # no such file, or no certificate
        return False


def _may_be_overheard(address: str) -> bool:
    """Whether unencrypted traffic to this address leaves this machine."""
    split = urlsplit(address)
    try:
        return split.scheme == "tcp" and not ipaddress.ip_address(split.hostname or "").is_loopback
    except ValueError:
        return split.scheme == "tcp" and split.hostname != "localhost"


async def _look(client: Client, heartbeats: Heartbeats) -> ClusterState:
    """Ask the scheduler for its workers, and for the work of the silent ones."""
    answer = await asyncio.wait_for(client.scheduler.identity(), CONNECT_SECONDS)
    heartbeats.look(_heartbeats(answer["workers"]), time.monotonic())
    silent = heartbeats.silent
    if not silent:
        return ClusterState(slots=heartbeats.threads, workers=len(answer["workers"]))
    held = await asyncio.wait_for(client.scheduler.processing(), CONNECT_SECONDS)
    lost = frozenset(str(name) for address in silent for name in held.get(address, ()))
    return ClusterState(slots=heartbeats.threads, workers=len(answer["workers"]), wanted=heartbeats.living, lost=lost)


def _heartbeats(workers: Mapping[str, Mapping[str, object]]) -> dict[str, WorkerHeartbeat]:
    """Heartbeats by worker address. A worker that is paused or about to leave takes no work."""
    return {
        address: WorkerHeartbeat(
            threads=int(str(worker["nthreads"])) if worker["status"] == "running" else 0,
            last_seen=float(str(worker["last_seen"])),
        )
        for address, worker in workers.items()
    }
