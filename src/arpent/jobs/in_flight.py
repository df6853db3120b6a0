"""In flight: a piece of work that a runner has in hand."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from arpent.domain.partition import Outcome
from arpent.domain.ports.execution import Ticket
from arpent.domain.ports.jobs import Lease
from arpent.jobs.background_thread import BackgroundCall

log = logging.getLogger(__name__)


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
