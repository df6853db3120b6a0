"""The ports of execution: where partitions are computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease


class Ticket(Protocol):
    """Work under way elsewhere."""

    def done(self) -> bool:
        """Whether it has ended, well or not."""

    def begun(self) -> bool:
        """Whether somebody is known to be at it, or it has ended; what has not begun may be cancelled without loss."""

    def result(self) -> Outcome:
        """Its outcome; raises what it raised, WorldError(transient) if its process died."""

    def cancel(self) -> None:
        """End it if it has not begun; it may also be ended midway."""


class Executor(Protocol):
    """Runs functions of (lease) somewhere: processes of this machine, or a cluster."""

    @property
    def slots(self) -> int:
        """How many run at once now."""

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> Ticket:
        """Start one. The function and the lease are picklable."""

    def close(self) -> None:
        """End everything, leaving no process behind."""
