"""In flight: pieces of work that a runner holds, elsewhere or in a thread beside its loop, and how many more it may
take."""

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
"""Threads for analyses; partitions of other jobs are processed meanwhile."""
SPARE_PLACES = 1
"""Additional places for analyses and partitions, for other clients when one client has taken all places."""

GLANCES = (0.001, 0.05)
"""Shortest and longest pause between checks of work in hand, in seconds."""
GLANCE_SHARE = 0.05
"""The pause as a share of the time since something changed: how much longer than it takes work may seem to take."""

HELD_SHARE = 0.9
"""Share of a lease for which the last attempt at a partition may go on without a renewal."""

Answer = TypeVar("Answer")


class BackgroundCall(Generic[Answer]):
    """Runs one call in a daemon thread: a process that ends does not wait for it, and its lease runs out."""

    def __init__(self, call: Callable[[], Answer], *, niceness: int = 0) -> None:
        """`niceness` is added to the caller's, for this call and what it starts."""
        self._call = call
        self._niceness = niceness
        self._answer: list[Answer] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=copy_context().run, args=(self._run,), daemon=True)  # logs name the same request
        self._thread.start()

    def done(self) -> bool:
        """Whether the call has ended, with or without an error."""
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long for the end; returns whether it has ended."""
        self._thread.join(seconds)
        return self.done()

    def begun(self) -> bool:
        """Always True: the thread starts at once."""
        return True

    def hold(self, seconds: float) -> None:
        """Does nothing, as `cancel`."""

    def result(self) -> Answer:
        """What the call returned; waits for it. Raises what the call raised, always as an Exception."""
        self._thread.join()
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:
            raise NativePanic(f"{type(self._error).__name__}: {self._error}") from self._error
        return self._answer[0]

    def cancel(self) -> None:
        """Does nothing: a thread cannot be ended from outside, and without its lease it changes nothing."""

    def _run(self) -> None:
        try:
            os.nice(self._niceness)  # on Linux that of this thread only
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
    """Its outcome, kept until the store has it."""
    refused: bool = False
    """Whether the database refused the outcome as it was."""
    unwanted: bool = False
    """Whether its job was stopped before it began; a message that it began may still be on the way."""

    def held(self, policy: Policy, passed: timedelta) -> InFlight:
        """This work, whose lease or its renewal was asked for so long ago: a store may be slow to answer. What its last
        attempt cannot read becomes errors in files: if a runner that is cut off from the database loses the lease,
        these would replace what somebody else has written. Other attempts may go on: their outcome is kept until the
        database is back."""
        if self.lease.partition is not None and self.lease.attempt >= policy.attempts:
            self.ticket.hold(max(0.0, HELD_SHARE * policy.lease_seconds - max(0.0, passed.total_seconds())))
        return self

    def counts(self, error: Exception, now: datetime, policy: Policy) -> bool:
        """Whether its failure counts as an attempt, of which there are few, and not as part of a wait for what is away.
        If it worked for longer than such a wait may last, it had answers meanwhile: another wait begins."""
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
    """Seconds until the next check of work in hand, so long after the last change."""
    return min(GLANCES[1], max(GLANCES[0], GLANCE_SHARE * seconds))


def raising(error: Exception) -> Outcome:
    """Raise the error: what a BackgroundCall runs in place of work that could not be submitted."""
    raise error


def next_lease(claim: Callable[..., Lease | None], in_flight: Sequence[InFlight], slots: int) -> Lease | None:
    """The next work, if there is room for it. `claim`: WorkStore.claim with time and seconds; `slots`: places of the
    executor. While partitions take all processors, a client has one analysis at most: with more it would slow the
    partitions of others down. When one client has all places there is one more for others, so that nobody waits for one
    client's work to end. A claim that would find no more than the one before it is left out."""
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
    """Clients of the work in hand: of analyses, or of partitions."""
    return [each.lease.owner for each in in_flight if (each.lease.partition is None) is analyses]
