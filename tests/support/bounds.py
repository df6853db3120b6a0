"""Bounds: where kernels check theirs (NUMBA_BOUNDSCHECK=1), a fault fails the test even if it is caught on its way.

What a kernel raises may end as a feature without numbers or as an answer 500, which some tests expect; but whoever
catches it logs it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numba import config

from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease
from arpent.raster.layer import provenance

CHECKED = bool(config.BOUNDSCHECK)
"""Whether the kernels of this process, and of those that it starts, check their bounds."""
SIGN = "index is out of bounds"
"""What numba's kernels say, and compiled scripts, but nobody else."""
_files: dict[Path, int] = {}
"""Logs of other processes → bytes looked at so far."""


def planted(_: Lease | None = None) -> Outcome:
    """A fault: a kernel is told of an item that its table does not have. Never to be called where CHECKED is False."""
    assert CHECKED
    provenance(np.array([7], np.int16), np.array([0, 1]), 2)
    return Outcome(done=1, failed=0)


class _Watch(logging.Handler):
    """Keeps the records that tell of a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        if SIGN in (text := self.format(record)):
            self.found.append(text)


def watch(log: Path) -> None:
    """Look at this file, too."""
    _files.setdefault(log, 0)


@contextmanager
def told(logger: logging.Logger | None = None) -> Iterator[list[str]]:
    """What was logged of faults, here (by `logger`, or by whomever) or in the files that are watched; complete at the
    end."""
    handler, logger = _Watch(), logger or logging.getLogger()
    logger.addHandler(handler)
    try:
        yield handler.found
    finally:
        logger.removeHandler(handler)
        handler.found.extend(_news())


def _news() -> Iterator[str]:
    for path, seen in list(_files.items()):
        if not path.exists():
            continue
        with path.open("rb") as file:
            file.seek(seen)
            text = file.read()
        _files[path] = seen + len(text)
        if SIGN.encode() in text:
            yield f"{path.name}: {text.decode(errors='replace')[-4000:]}"
