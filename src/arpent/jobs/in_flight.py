"""In flight: the work that a runner holds, in other processes or in threads alongside its loop, and how much more it
may claim."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Thread
from typing import Generic, TypeVar

from arpent.domain.boundary.unforeseen import NativePanic
from arpent.domain.partition import Outcome
from arpent.domain.ports.execution import Ticket
from arpent.domain.ports.jobs import Lease
from arpent.jobs.policy import Policy
from arpent.jobs.work_functions import is_away

log = logging.getLogger(__name__)

ANALYSES_AT_ONCE = 2
"""Number of analyses at once, each in a thread; partitions of other jobs are processed at the same time."""
SPARE_PLACES = 1
"""Additional places, for analyses and for partitions, that other clients get when one client occupies all places."""

GLANCES = (0.001, 0.05)
"""Shortest and longest pause between checks of the work in flight, in seconds."""
GLANCE_SHARE = 0.05
"""Pause between checks as a share of the time since the last change: work is noticed late by at most this share."""

HELD_SHARE = 0.9
"""Share of a lease for which the last attempt at a partition may continue without a renewal."""

Answer = TypeVar("Answer")


class BackgroundCall(Generic[Answer]):
    """Runs one call in a daemon thread: a process that ends does not wait for the call, whose lease then expires."""

    def __init__(self, call: Callable[[], Answer], *, niceness: int = 0) -> None:
        """`niceness` is added to the caller's, for this call and the processes and threads it starts."""
        self._call = call
        self._niceness = niceness
        self._answer: list[Answer] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=copy_context().run, args=(self._run,), daemon=True)  # keep the request id in logs
        self._thread.start()

    def done(self) -> bool:
        """Whether the call has ended, with or without an error."""
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` for the call to end; returns whether it has ended."""
        self._thread.join(seconds)
        return self.done()

    def begun(self) -> bool:
        """Always True: the thread starts at once."""
        return True

    def hold(self, seconds: float) -> None:
        """Does nothing, for the reason given at `cancel`."""

    def result(self) -> Answer:
        """Wait for the call and return its result. Raises what the call raised, always as an Exception."""
        self._thread.join()
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:
            raise NativePanic(f"{type(self._error).__name__}: {self._error}") from self._error
        return self._answer[0]

    def cancel(self) -> None:
        """Does nothing: a thread cannot be ended from outside, and without its lease it cannot change anything."""

    def _run(self) -> None:
        try:
            os.nice(self._niceness)  # on Linux: of this thread only
            self._answer.append(self._call())
        except BaseException as error:  # kept, and raised to the thread that asks for the result
            self._error = error


@dataclass(slots=True, kw_only=True)
class InFlight:
    """A piece of work that a runner holds."""

    lease: Lease
    """The lease of the work."""
    ticket: Ticket | BackgroundCall[None] | BackgroundCall[Outcome]
    """The running call."""
    renew_at: datetime
    """When to renew the lease."""
    began: datetime
    """When it was claimed."""
    giving_up: bool = False
    """Whether the call writes errors instead of results."""
    outcome: Outcome | None = None
    """Outcome of the work, kept until it is stored."""
    refused: bool = False
    """Whether the database refused the original outcome."""
    unwanted: bool = False
    """Whether the job was stopped before this work began; a message that it did begin may still be on its way."""

    def held(self, policy: Policy, passed: timedelta) -> InFlight:
        """Limit how long a last attempt may run without another renewal of its lease; returns this work. `passed`: time
        since the lease or its renewal was requested (a store may answer slowly). A last attempt writes errors into the
        files of what it cannot read: if a runner without connection to the database lost the lease, these would
        overwrite another worker's results. Earlier attempts are not limited: their outcome waits for the database."""
        if self.lease.partition is not None and self.lease.attempt >= policy.attempts:
            self.ticket.hold(max(0.0, HELD_SHARE * policy.lease_seconds - max(0.0, passed.total_seconds())))
        return self

    def counts(self, error: Exception, now: datetime, policy: Policy) -> bool:
        """Whether a failure counts as one of the limited attempts, and not as part of a wait for an unavailable
        service. Work that ran for longer than such a wait may last had answers meanwhile, so a new wait begins."""
        worked = (now - self.began).total_seconds() > policy.outage_seconds
        return self.giving_up or worked or not is_away(error)

    def tell(self) -> None:
        """Log one line about the outcome of a partition."""
        assert self.lease.partition is not None, "an analysis has no outcome"
        assert self.outcome is not None, "it is told once it has ended"
        log.info(
            "Partition %d is finished: %d features done, %d failed, %.1f MB read, %.1f s",
            self.lease.partition.number,
            self.outcome.done,
            self.outcome.failed,
            self.outcome.bytes_read / 1e6,
            sum(seconds for _, seconds in self.outcome.seconds),
            extra={"job": self.lease.job_id},
        )


def glance(seconds: float) -> float:
    """Seconds until the next check of the work in flight; `seconds`: time since the last change."""
    return min(GLANCES[1], max(GLANCES[0], GLANCE_SHARE * seconds))


def raising(error: Exception) -> Outcome:
    """Raise the error; a BackgroundCall runs this in place of work that could not be submitted."""
    raise error


def next_lease(claim: Callable[..., Lease | None], in_flight: Sequence[InFlight], slots: int) -> Lease | None:
    """Claim the next work, if there is some and there is room for it. `claim`: WorkStore.claim with time and seconds
    bound; `slots`: places of the executor. While partitions fill all slots, a client may have only one analysis: more
    would slow down the partitions of others. When one client occupies all places, other clients get one more, so that
    they need not wait for that client's work to end. Claims that could find no more than an earlier one are skipped."""
    analysed, processed = _owners(in_flight, analyses=True), _owners(in_flight, analyses=False)
    analyses, partitions = len(analysed) < ANALYSES_AT_ONCE, len(processed) < slots
    but = set() if partitions else set(analysed)
    if (analyses or partitions) and (lease := claim(analyses=analyses, partitions=partitions, but=but)) is not None:
        return lease
    if not analyses and len(set(analysed)) == 1 and len(analysed) < ANALYSES_AT_ONCE + SPARE_PLACES:
        lease = claim(analyses=True, partitions=False, but=set(analysed))
        if lease is not None:
            return lease
    if not partitions and len(set(processed)) == 1 and len(processed) < slots + SPARE_PLACES:
        return claim(analyses=False, partitions=True, but=set(processed))
    return None


def _owners(in_flight: Sequence[InFlight], *, analyses: bool) -> list[str]:
    """The client of each analysis in flight, or of each partition in flight."""
    return [each.lease.owner for each in in_flight if (each.lease.partition is None) is analyses]
