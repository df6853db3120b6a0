"""Isolation: what fails for a reason that nobody foresaw fails alone; the features beside it have their numbers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors, sentence
from arpent.domain.errors import ArpentError
from arpent.domain.result import ErrorType, Failure

log = logging.getLogger(__name__)

MOST_FAILURES = 64
"""Tries of one partition that may fail before it is looked for no further: three or four features that fail, each
alone, among 100,000."""

Rows = NDArray[np.intp]
Answer = TypeVar("Answer")


class Isolation:
    """Over the calls for one partition. What fails is halved, down to the feature; a feature that failed alone is tried
    alone from then on. Errors of ours pass, unless they are to be blamed on features, too; so does a fault of the
    environment (no room, no memory, an installation that lacks something), as EnvironmentFault."""

    def __init__(self, blamed: tuple[type[ArpentError], ...] = ()) -> None:
        self._blamed = blamed
        self._left = MOST_FAILURES
        self._suspects: set[int] = set()

    def run(self, rows: Rows, call: Callable[[Rows], Answer]) -> Iterator[tuple[Rows, Answer | Exception]]:
        """(some of `rows`, what `call` made of them or what it raised), until each row was in one of them."""
        suspected = np.isin(rows, list(self._suspects))
        parts = deque([rows[~suspected], *rows[suspected][:, np.newaxis]])
        while parts:
            part = parts.popleft()
            if not len(part):
                continue
            answer = self._try(part, call)
            if isinstance(answer, Exception) and len(part) > 1 and self._left > 0:
                self._left -= 1
                parts.extend(np.array_split(part, 2))
                continue
            if isinstance(answer, Exception):
                log.error("%d features fail", len(part), exc_info=answer)
                self._suspects.update(part.tolist() if len(part) == 1 else ())
            yield part, answer

    def _try(self, part: Rows, call: Callable[[Rows], Answer]) -> Answer | Exception:
        try:
            with panics_as_errors():
                return call(part)
        except Exception as error:
            self._look_at(error)
            return error

    def _look_at(self, error: Exception) -> None:
        """Raises what is not to be blamed on a feature."""
        if isinstance(error, ArpentError) and not isinstance(error, self._blamed):
            raise error
        if (fault := environment_fault(error)) is not None:
            raise fault from error


def unforeseen_failure(error: Exception) -> Failure:
    """What the features' files say of an error that nobody foresaw."""
    message = sentence(error, "arpent failed at this feature")
    return Failure(type=ErrorType.EXECUTION_ERROR, message=message, unforeseen=True)
