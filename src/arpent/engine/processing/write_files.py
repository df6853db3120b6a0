"""Write files: one JSON file per feature; if a file cannot be written, only its feature fails."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.unforeseen import sentence
from arpent.domain.errors import StorageDenied, StorageFault, WorldError
from arpent.domain.location import REQUEST_ID, Location
from arpent.domain.result import ErrorType, Failure, PartitionResult
from arpent.engine.isolation import Isolation
from arpent.engine.output_keys import result_key, template
from arpent.engine.services import Services
from arpent.engine.stage_timer import RENDER
from arpent.wire.result.render import render_results


def write_files(job_id: str, output: Location, result: PartitionResult, services: Services) -> dict[int, Failure]:
    """Write the files; returns row → why this feature has no file. Raises StorageFault if nothing can be written:
    the disk is full, the bucket is gone or refuses everything."""

    def some(rows: NDArray[np.intp]) -> None:
        files = _files(job_id, output, result, range(int(rows[0]), int(rows[-1]) + 1))
        services.objects.write_many(output, services.stopwatch.each(RENDER, files))

    lost: dict[int, Failure] = {}
    error: Exception | None = None
    try:
        for rows, answer in Isolation(blamed=(StorageDenied,)).run(np.arange(len(result.features)), some):
            if isinstance(answer, Exception):
                error = answer
                message = sentence(answer, "This feature's file cannot be written")
                lost |= dict.fromkeys(rows.tolist(), Failure(type=ErrorType.EXECUTION_ERROR, message=message))
    except WorldError as fault:
        raise StorageFault(str(fault), transient=fault.transient) from fault
    if isinstance(error, StorageDenied) and len(lost) == len(result.features) > 1:
        raise StorageFault(str(error), transient=False) from error
    return lost


def _files(job_id: str, output: Location, result: PartitionResult, rows: range) -> Iterator[tuple[str, bytes]]:
    """Key and content of the files of these rows."""
    pattern = template(output).replace(REQUEST_ID, job_id)
    ids, identifiers = result.features.ids.tolist(), result.features.identifiers
    for row, payload in render_results(result, rows):
        yield result_key(pattern, job_id, ids[row], identifiers[row]), payload
