"""Process: processes one partition, from features to written results; only counts and findings are returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.trace import current_trace, spanned
from arpent.domain.errors import (
    ArpentError,
    CatalogUnavailable,
    StorageDenied,
    StorageFault,
    StorageNotFound,
    WorkLost,
    WorldError,
)
from arpent.domain.finding import INCOMPLETE, Finding, Verdict
from arpent.domain.job import NO_ROWS
from arpent.domain.location import Location
from arpent.domain.partition import Outcome, Partition
from arpent.domain.ports.earlier import EarlierResults
from arpent.domain.request import Request
from arpent.domain.result import ErrorType, Failure, PartitionResult
from arpent.engine.output_keys import own
from arpent.engine.processing.compute import compute
from arpent.engine.processing.final_attempt import FinalAttemptReader
from arpent.engine.processing.row_counts import count_rows
from arpent.engine.processing.write_files import write_files
from arpent.engine.services import Services
from arpent.engine.stage_timer import RENDER, WRITE, Stopwatch
from arpent.wire.origin import origin

MOST_SCRIPT = 1 << 20
"""Maximum size of an evalscript in a bucket, in bytes."""


def process(job_id: str, request: Request, partition: Partition, services: Services, *, final: bool = False) -> Outcome:
    """Compute and write one partition. Running it twice writes the same bytes to the same keys.

    `final`: there will be no further attempt, so an image that cannot be read now fails the features that need it.
    Raises WorldError: CatalogUnavailable and StorageFault unchanged, all others as transient errors, because the
    analysis has read the same data, so that what fails now may work again later.
    """
    partition.features.parse()
    reader = FinalAttemptReader(services.reader) if final else services.reader
    services = replace(services, reader=reader, stopwatch=Stopwatch())
    try:
        services = replace(services, earlier=_earlier(job_id, request, services))
        with reader.counting() as bytes_read:
            script = _script(request, services)
            results = compute(request, partition.features, script, services)
            with services.stopwatch.stage(WRITE), spanned(WRITE, current_trace()):
                outcome = write(job_id, request, partition, results, services)
        return replace(outcome, bytes_read=bytes_read.total, seconds=services.stopwatch.seconds)
    except (CatalogUnavailable, StorageFault):
        raise
    except WorldError as error:
        error.transient = True
        raise


def give_up(job_id: str, request: Request, partition: Partition, error: ArpentError, services: Services) -> Outcome:
    """Write an error with this reason for every feature of the partition."""
    failure = Failure(type=ErrorType.EXECUTION_ERROR, message=str(error))
    result = PartitionResult(
        features=partition.features,
        intervals=(),
        geometry_pixel_count=np.zeros(len(partition.features), np.int64),
        failures=dict.fromkeys(range(len(partition.features)), failure),
    )
    return write(job_id, request, replace(partition, again=True), (result,), services)


def _earlier(job_id: str, request: Request, services: Services) -> EarlierResults | None:
    """The results of the earlier request that this one updates; None if it updates none."""
    if request.update is None or services.open_earlier is None:
        return None
    assert request.output is not None, "a batch request has an output"
    return services.open_earlier(job_id, services.objects, own(request.output, request.update, ""))


def _script(request: Request, services: Services) -> str:
    """The script's text, which the request holds unless an older version of arpent analysed the job. Without it no
    feature can be computed, so a failure to read it raises StorageFault."""
    try:
        return script_of(request, services)
    except WorldError as error:
        raise StorageFault(str(error), transient=error.transient) from error


def script_of(request: Request, services: Services) -> str:
    """The evalscript's text, read from its bucket if it is in one. Raises LimitExceeded, WorldError."""
    if isinstance(request.script, Location):
        return services.objects.read(request.script, MOST_SCRIPT).decode("utf-8", errors="replace")
    return request.script


def write(
    job_id: str, request: Request, partition: Partition, results: Sequence[PartitionResult], services: Services
) -> Outcome:
    """Write one file per feature, and the partition's part of the table. Raises StorageFault if no results can be
    written at all, WorkLost if another worker may have taken over the work."""
    assert request.output is not None, "a batch request has an output"
    findings: list[Finding] = []
    settled: list[NDArray[np.bool_]] = []
    rows = again = NO_ROWS
    for result in results:
        lost = write_files(job_id, request.output, result, services)
        reasons = {**failures(result), **lost}
        found = [
            *(
                _finding(result, row, reason, "not-written" if row in lost else reason.kind)
                for row, reason in reasons.items()
            ),
            *_partly(result, reasons),
        ]
        findings.extend(found)
        settled.append(~np.isin(result.features.ids, [each.feature for each in found if improvable(each)]))
        counted = count_rows(result, lost, len(request.intervals), settled[-1])
        rows, again = rows + counted[0], again + counted[1]
    if services.table is not None:
        try:
            _write_table(job_id, request, partition, tuple(zip(results, settled, strict=True)), services)
        except WorkLost:
            raise
        except WorldError as error:
            raise StorageFault(str(error), transient=error.transient) from error
    failed = sum(each.verdict is Verdict.FAILED for each in findings)
    return Outcome(
        done=sum(len(result.features) for result in results) - failed,
        failed=failed,
        incomplete=sum(each.kind == INCOMPLETE for each in findings),
        settled=rows,
        unsettled=again,
        findings=tuple(findings),
        processing_units=sum(result.processing_units for result in results),
    )


def _write_table(
    job_id: str,
    request: Request,
    partition: Partition,
    parts: Sequence[tuple[PartitionResult, NDArray[np.bool_]]],
    services: Services,
) -> None:
    """Write the settled features (n,) of each result to the table of this round, and the others to the table of the
    next round, which is overwritten when START processes them again. Thus no feature is ever in two tables, and no
    table has to be read back. Tables that an earlier try wrote are overwritten even if there are no rows."""
    assert services.table is not None
    assert request.output is not None
    unsettled = tuple((result, ~settled) for result, settled in parts)
    before = _written(own(request.output, job_id, "parquet/"), services) if partition.again else frozenset()
    for turn, chosen in ((partition.round + 1, unsettled), (partition.round, parts)):
        place = own(request.output, job_id, f"parquet/part-{partition.number:06d}-{turn}.parquet")
        if before is None or place.key in before or any(wanted.any() for _, wanted in chosen):
            with services.stopwatch.stage(RENDER):
                table = services.table(chosen, request.calculations, origin(request))
            services.objects.write(place, table)
            if services.fingerprints is not None:
                beside = own(request.output, job_id, f"fingerprints/{place.key.rpartition('/')[2]}")
                services.objects.write(beside, services.fingerprints(chosen, table))


def _written(folder: Location, services: Services) -> frozenset[str] | None:
    """Keys that exist in the folder; None if it cannot be listed."""
    try:
        return frozenset(services.objects.list(folder))
    except (StorageDenied, StorageNotFound):
        return None


def improvable(finding: Finding) -> bool:
    """Whether START processes the feature again (docs/failures.md)."""
    return finding.verdict is Verdict.FAILED or finding.kind == INCOMPLETE


def failures(result: PartitionResult) -> dict[int, Failure]:
    """Row → reason why the feature has no statistics at all: it failed as a whole, or each of its intervals failed."""
    reasons = dict(result.failures)
    present = sum(interval.present.astype(np.int64) for interval in result.intervals)
    broken: dict[int, int] = {}
    for interval in result.intervals:
        for row in interval.failures:
            broken[row] = broken.get(row, 0) + 1
    for row, count in broken.items():
        if row not in reasons and isinstance(present, np.ndarray) and count >= present[row]:
            reasons[row] = next(one.failures[row] for one in result.intervals if row in one.failures)
    return reasons


def _partly(result: PartitionResult, reasons: Mapping[int, Failure]) -> Iterator[Finding]:
    """A warning for each feature that lacks some of its intervals."""
    missing: dict[int, list[Failure]] = {}
    for interval in result.intervals:
        for row, failure in interval.failures.items():
            missing.setdefault(row, []).append(failure)
    for row, failures_ in missing.items():
        if row not in reasons:
            yield Finding(
                feature=int(result.features.ids[row]),
                identifier=result.features.identifiers[row],
                verdict=Verdict.WARNING,
                kind=INCOMPLETE if any(failure.passing for failure in failures_) else "intervals-failed",
                message=f"{len(failures_)} of its intervals have an error; the first: {failures_[0].message}",
            )


def _finding(result: PartitionResult, row: int, failure: Failure, kind: str) -> Finding:
    return Finding(
        feature=int(result.features.ids[row]),
        identifier=result.features.identifiers[row],
        verdict=Verdict.FAILED,
        kind=kind,
        message=failure.message,
    )
