"""In flight: pieces of work that a runner has in hand, and how many more it may take."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from arpent.domain.partition import Outcome
from arpent.domain.ports.execution import Ticket
from arpent.domain.ports.jobs import Lease
from arpent.jobs.background_thread import BackgroundCall

log = logging.getLogger(__name__)

ANALYSES_AT_ONCE = 2
"""Threads for analyses; partitions of other jobs go on meanwhile."""
SPARE_PLACES = 1
"""Places beyond those, of analyses and of the executor, where one client has all of them: for the others."""


@dataclass(slots=True, kw_only=True)
class InFlight:
    """A piece of work in hand."""

    lease: Lease
    """The right to it."""
    ticket: Ticket | BackgroundCall[None] | BackgroundCall[Outcome]
    """Where it is under way."""
    renew_at: datetime
    """When to hold the lease longer."""
    giving_up: bool = False
    """The ticket writes errors, not results."""
    outcome: Outcome | None = None
    """What came of it, until the store has it."""
    refused: bool = False
    """The database did not take the outcome as it was."""
    unwanted: bool = False
    """Its job was stopped before it had begun; the news of its beginning may still be under way."""

    def tell(self) -> None:
        """One line of the log about what came of a partition."""
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


def raising(error: Exception) -> Outcome:
    """The outcome of work that could not even be handed on: for a BackgroundCall."""
    raise error


def next_lease(claim: Callable[..., Lease | None], in_flight: Sequence[InFlight], slots: int) -> Lease | None:
    """The next work, as long as there is room for it, by `WorkStore.claim` with time and seconds; `slots`: places of
    the executor. Where one client has all places, there is one more, for others: nobody waits for the end of what a
    client has all places for."""
    analysed, processed = _owners(in_flight, analyses=True), _owners(in_flight, analyses=False)
    analyses, partitions = len(analysed) < ANALYSES_AT_ONCE, len(processed) < slots
    if (analyses or partitions) and (lease := claim(analyses=analyses, partitions=partitions)) is not None:
        return lease
    if len(set(analysed)) == 1 and len(analysed) < ANALYSES_AT_ONCE + SPARE_PLACES:
        lease = claim(analyses=True, partitions=False, but=set(analysed))
        if lease is not None:
            return lease
    if len(set(processed)) == 1 and len(processed) < slots + SPARE_PLACES:
        return claim(analyses=False, partitions=True, but=set(processed))
    return None


def _owners(in_flight: Sequence[InFlight], *, analyses: bool) -> list[str]:
    """Clients of the work in hand, of one kind."""
    return [each.lease.owner for each in in_flight if (each.lease.partition is None) is analyses]
