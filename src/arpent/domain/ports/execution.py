"""The ports of execution: where partitions and the calls of a server are computed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease

Answer = TypeVar("Answer")

WORK_NICENESS = 5
"""Niceness that analyses and partitions add to their runner's: they give way to what answers calls."""


class Ticket(Protocol):
    """A partition that is computed in another process, here or on a cluster. Only `result` raises."""

    def done(self) -> bool:
        """Whether the work has ended, with or without an error."""

    def begun(self) -> bool:
        """Whether a process is known to work on it, or it has ended. Work that has not begun can be cancelled at no
        loss."""

    def result(self) -> Outcome:
        """The outcome. Raises what the function raised, or WorldError(transient=True) if its process died."""

    def cancel(self) -> None:
        """Cancel the work if it has not begun; work under way may be ended too. Raises nothing."""

    def hold(self, seconds: float) -> None:
        """The work is the caller's for so long from now on; each call replaces the one before. Where the executor can
        end work, it does so after that, with WorkLost. Without any call the work is never ended. Raises nothing."""


class Executor(Protocol):
    """Runs functions of one lease in other processes: of this machine, or of a cluster. Only `submit` raises."""

    @property
    def slots(self) -> int:
        """Number of partitions that can run at once, at this moment."""

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> Ticket:
        """Start `function(lease)`. Both must be picklable; `function` is a module-level function.

        Raises WorldError(transient=True) if no work can be taken now. What the function raises comes out of
        `Ticket.result`.
        """

    def close(self) -> None:
        """Cancel all work and end all worker processes."""


class PendingCall(Protocol[Answer]):
    """A call under way in another process. Only the result of `future` raises."""

    @property
    def future(self) -> Future[Answer]:
        """The call's answer. Raises what the function raised, or LimitExceeded (too slow or too large), WorkerDied (its
        process died) or CancelledError."""

    def begun(self) -> bool:
        """Whether a process has started the call, or the call has ended."""

    def cancel(self) -> None:
        """Cancel the call: its answer is no longer wanted. A call that runs is ended."""


class Bulkhead(Protocol):
    """Runs calls in child processes, so that a crash or endless loop does not take the server along; clients take
    turns. Only `submit` and `admit` raise; errors of a call come out of its PendingCall."""

    def submit(
        self, client: str, function: Callable[[Any], Answer], argument: object, seconds: float | None = None
    ) -> PendingCall[Answer]:
        """Start `function(argument)` for this client; both must be picklable. `seconds` shortens the time limit of this
        call. Raises RateLimited if the client has too many calls waiting."""

    def admit(self, client: str) -> None:
        """Check, before a call is prepared, that the client may submit one. Raises RateLimited if it has too many
        waiting."""

    def close(self) -> None:
        """Cancel all calls and end all worker processes."""
