"""In flight: a piece of work that a runner holds."""

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
    """A piece of work that a runner holds."""

    lease: Lease
    """The lease of the work."""
    ticket: Ticket | BackgroundCall[None] | BackgroundCall[Outcome]
    """The running call."""
    renew_at: datetime
    """When to renew the lease."""
    giving_up: bool = False
    """Whether the call writes errors instead of results."""
    outcome: Outcome | None = None
    """Its outcome, kept until the store has it."""
    refused: bool = False
    """Whether the database refused the outcome as it was."""
    unwanted: bool = False
    """Whether its job was stopped before it began; a message that it began may still be on the way."""

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


def raising(error: Exception) -> Outcome:
    """Raise the error: what a BackgroundCall runs in place of work that could not be submitted."""
    raise error
