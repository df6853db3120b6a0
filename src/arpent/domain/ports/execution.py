"""The ports of execution: where partitions and the calls of a server are computed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease

Answer = TypeVar("Answer")


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


class PendingCall(Protocol[Answer]):
    """A call under way in another process."""

    @property
    def future(self) -> Future[Answer]:
        """Its answer; raises what it raised, LimitExceeded, WorkerDied, or CancelledError."""

    def begun(self) -> bool:
        """Whether a process is at it, or it has ended."""

    def cancel(self) -> None:
        """Nobody waits for it any more: it ends, wherever it is."""


class Bulkhead(Protocol):
    """Runs calls that a server must survive in processes that may die; clients take turns."""

    def submit(
        self, client: str, function: Callable[[Any], Answer], argument: object, seconds: float | None = None
    ) -> PendingCall[Answer]:
        """`function(argument)` for this client; both are picklable. `seconds`: less than calls may take.
        Raises RateLimited if it has too many waiting."""

    def admit(self, client: str) -> None:
        """Raises RateLimited if the client has too many waiting: before anybody prepares a call."""

    def close(self) -> None:
        """Cancel everything, leaving no process behind."""
