"""Isolation: makes a feature that fails for an unforeseen reason fail alone, so that others get their statistics."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors, sentence
from arpent.domain.errors import ArpentError
from arpent.domain.result import ErrorType, Failure

log = logging.getLogger(__name__)

MOST_FAILURES = 64
"""Maximum number of failed tries of one partition during the search for the cause: enough to find three or four failing
features among 100,000."""

Rows = NDArray[np.intp]
Answer = TypeVar("Answer")


class Isolation:
    """Runs calls on the features of one partition. A call that fails is repeated with each half of its features, down
    to single features; a feature that failed alone is run alone from then on.

    arpent's own errors are raised unless a feature is to blame for them. A fault of the environment (no disk space, no
    memory, incomplete installation) is raised as EnvironmentFault.
    """

    def __init__(self, blamed: tuple[type[ArpentError], ...] = ()) -> None:
        self._blamed = blamed
        self._left = MOST_FAILURES
        self._suspects: set[int] = set()

    def run(self, rows: Rows, call: Callable[[Rows], Answer]) -> Iterator[tuple[Rows, Answer | Exception]]:
        """Call `call` on rows. Yields pairs (some of `rows`, what `call` returned for them or the exception it raised)
        that together cover all rows."""
        suspected = np.isin(rows, list(self._suspects))
        parts = deque([rows[~suspected], *rows[suspected][:, np.newaxis]])
        while parts:
            part = parts.popleft()
            if not len(part):
                continue
            answer = self._try(partial(call, part))
            if isinstance(answer, Exception) and len(part) > 1 and self._left > 0:
                self._left -= 1
                parts.extend(np.array_split(part, 2))
                continue
            if isinstance(answer, Exception):
                foreseen = isinstance(answer, ArpentError)  # no traceback for each: a store may refuse very many
                log.error("%d features fail: %s", len(part), answer, exc_info=None if foreseen else answer)
                self._suspects.update(part.tolist() if len(part) == 1 else ())
            yield part, answer

    def attempt(self, call: Callable[[], None]) -> None:
        """Try a shortcut that need not succeed: unforeseen errors are only logged; others are raised as in `run`."""
        if isinstance(error := self._try(call), Exception):
            log.warning("A shortcut failed; the usual way is taken", exc_info=error)

    def _try(self, call: Callable[[], Answer]) -> Answer | Exception:
        try:
            with panics_as_errors():
                return call()
        except Exception as error:
            self._look_at(error)
            return error

    def _look_at(self, error: Exception) -> None:
        """Raise the error again unless a feature may be to blame for it."""
        if isinstance(error, ArpentError) and not isinstance(error, self._blamed):
            raise error
        if (fault := environment_fault(error)) is not None:
            raise fault from error


def unforeseen_failure(error: Exception) -> Failure:
    """The failure that a feature's file states for an unforeseen error."""
    message = sentence(error, "arpent failed at this feature")
    return Failure(type=ErrorType.EXECUTION_ERROR, message=message, unforeseen=True)
