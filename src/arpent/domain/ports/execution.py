"""The ports of execution: running partitions, and calls of a server, in other processes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease

Answer = TypeVar("Answer")

WORK_NICENESS = 5
"""Niceness that analyses and partitions add to that of their runner, so that answering calls has priority."""


class Ticket(Protocol):
    """A partition that is computed in another process, on this machine or a cluster. Only `result` raises."""

    def done(self) -> bool:
        """Whether the work has ended, with or without an error."""

    def begun(self) -> bool:
        """Whether a process is known to be doing the work, or the work has ended. Work that has not begun can be
        cancelled without losing anything."""

    def result(self) -> Outcome:
        """The outcome. Raises what the function raised, or WorldError(transient=True) if its process died."""

    def cancel(self) -> None:
        """Cancel the work if it has not begun; work in progress may be ended too. Raises nothing."""

    def hold(self, seconds: float) -> None:
        """Declare that the caller holds the work for this many seconds from now, replacing any earlier call. An
        executor that can end work does so after that time, with WorkLost. Without such a call, work is never ended.
        Raises nothing."""


class Executor(Protocol):
    """Runs functions that take a lease in other processes, on this machine or a cluster. Only `submit` raises."""

    @property
    def slots(self) -> int:
        """Number of partitions that can currently run at the same time."""

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> Ticket:
        """Start `function(lease)`. Both must be picklable; `function` is a module-level function.

        Raises WorldError(transient=True) if no work can be accepted now. Errors of the function are raised by
        `Ticket.result`.
        """

    def close(self) -> None:
        """Cancel all work and end all worker processes."""


class PendingCall(Protocol[Answer]):
    """A call that runs in another process. Only the result of `future` raises."""

    @property
    def future(self) -> Future[Answer]:
        """The call's answer. Raises what the function raised, or LimitExceeded (too slow or too large), WorkerDied (its
        process died) or CancelledError."""

    def begun(self) -> bool:
        """Whether a process has started the call, or the call has ended."""

    def cancel(self) -> None:
        """Cancel the call, whose answer is not needed any more. A running call is ended."""


class Bulkhead(Protocol):
    """Runs calls in child processes, so that a crash or an endless loop does not affect the server; clients take turns.
    Only `submit` and `admit` raise; errors of a call are raised by its PendingCall."""

    def submit(
        self, client: str, function: Callable[[Any], Answer], argument: object, seconds: float | None = None
    ) -> PendingCall[Answer]:
        """Start `function(argument)` for this client; both must be picklable. `seconds` shortens the time limit of this
        call. Raises RateLimited if the client has too many calls waiting."""

    def admit(self, client: str) -> None:
        """Check, before a call is prepared, that the client may submit one. Raises RateLimited if it has too many calls
        waiting."""

    def close(self) -> None:
        """Cancel all calls and end all worker processes."""
