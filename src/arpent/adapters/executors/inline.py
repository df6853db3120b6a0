"""Inline: an Executor that runs everything at once in the calling thread, for debugging and tests."""

from __future__ import annotations

from collections.abc import Callable

from arpent.domain.boundary.unforeseen import panics_as_errors
from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease


class SettledTicket:
    """A Ticket for work that has already ended."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self._outcome = outcome

    def done(self) -> bool:
        return True

    def begun(self) -> bool:
        return True

    def result(self) -> Outcome:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def cancel(self) -> None:
        """Do nothing: the work has ended."""

    def hold(self, seconds: float) -> None:
        """Do nothing: the work has ended."""


class InlineExecutor:
    """Runs one call after the other. Leases are not renewed meanwhile, so use it with one runner only."""

    @property
    def slots(self) -> int:
        return 1

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> SettledTicket:
        try:
            with panics_as_errors():
                return SettledTicket(function(lease))
        except Exception as error:
            return SettledTicket(error)

    def close(self) -> None:
        """Do nothing: no work is under way."""
