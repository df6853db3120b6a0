"""Write files: writes one JSON file per feature; if a file cannot be written, only its feature fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.unforeseen import sentence
from arpent.domain.errors import NameRefused, StorageDenied, StorageFault, WorkLost, WorldError
from arpent.domain.location import Location
from arpent.domain.result import ErrorType, Failure, PartitionResult
from arpent.engine.isolation import Isolation
from arpent.engine.output_keys import result_keys, template
from arpent.engine.services import Services
from arpent.engine.stage_timer import RENDER
from arpent.wire.result.render import render_results


def write_files(job_id: str, output: Location, result: PartitionResult, services: Services) -> dict[int, Failure]:
    """Write the files; returns row → why this feature has no file. Raises StorageFault if nothing can be written (the
    disk is full, the bucket is missing or refuses everything), and WorkLost if another worker may have taken over."""

    def some(rows: NDArray[np.intp]) -> None:
        files = _files(job_id, output, result, range(int(rows[0]), int(rows[-1]) + 1))
        services.objects.write_many(output, services.stopwatch.each(RENDER, files))

    every = np.arange(len(result.features))
    try:
        lost = _lost(every, some)
        if len(lost) == len(every) and all(_takes_nothing(error, len(every)) for error in lost.values()):
            raise next(iter(lost.values()))
        # The refusal may have been temporary: refused files are tried again for as long as that writes any of them.
        while refused := [row for row, error in lost.items() if isinstance(error, StorageDenied)]:
            again = _lost(np.array(sorted(refused)), some)
            lost = {row: error for row, error in lost.items() if row not in set(refused)} | again
            if len(again) == len(refused):
                break
    except WorkLost:
        raise
    except WorldError as fault:
        raise StorageFault(str(fault), transient=fault.transient) from fault
    return {row: _failure(error) for row, error in lost.items()}


def _lost(rows: NDArray[np.intp], write: Callable[[NDArray[np.intp]], None]) -> dict[int, Exception]:
    """Write the files of these rows; returns row → why it has no file. Raises WorldError if no feature is to blame."""
    lost: dict[int, Exception] = {}
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        for part, answer in Isolation(blamed=(StorageDenied,)).run(run, write):
            if isinstance(answer, Exception):
                lost |= dict.fromkeys(part.tolist(), answer)
    return lost


def _takes_nothing(error: Exception, features: int) -> bool:
    """Whether this error, if it occurred for all of the features, means that the store accepts no results at all; with
    only one feature, its name may be to blame."""
    return isinstance(error, StorageDenied) and not (features == 1 and isinstance(error, NameRefused))


def _failure(error: Exception) -> Failure:
    return Failure(type=ErrorType.EXECUTION_ERROR, message=sentence(error, "This feature's file cannot be written"))


def _files(job_id: str, output: Location, result: PartitionResult, rows: range) -> Iterator[tuple[str, bytes]]:
    """Key and content of the files of these rows."""
    features, taken = result.features, slice(rows.start, rows.stop)
    ids = features.ids[taken].tolist()
    keys = result_keys(template(output), job_id, ids, features.identifiers[taken])
    return ((key, payload) for key, (_, payload) in zip(keys, render_results(result, rows), strict=True))
