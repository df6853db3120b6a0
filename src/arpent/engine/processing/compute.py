"""Compute: computes all statistics of a partition's features. Errors become part of the results, so that no feature
fails because of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError
from arpent.domain.feature import Features
from arpent.domain.grid import Grids
from arpent.domain.request import Request
from arpent.domain.result import Failure, IntervalResult, PartitionResult
from arpent.engine.band_bindings import BandBinding, bind_bands, has_scenes
from arpent.engine.budget import intervals_at_once, kept_numbers, samples_at_once
from arpent.engine.geometry_checks import as_failures, check_geometries, smaller_than_a_sample, usable_rows
from arpent.engine.guards import guarded
from arpent.engine.isolation import Isolation, unforeseen_failure
from arpent.engine.processing.acquisitions import IntervalAcquisitions, intervals_with_acquisitions
from arpent.engine.processing.chunks import Chunk, chunks, raster_of_blocks
from arpent.engine.processing.history import History, history_of
from arpent.engine.processing.interval import Computation, add_intervals, add_new
from arpent.engine.processing.sample_geometry import SampleGeometry, sample_geometry, without_samples
from arpent.engine.processing.script_supervisor import ScriptSupervisor
from arpent.engine.processing.totals import IntervalTotals, as_failure
from arpent.engine.processing_units import processing_units
from arpent.engine.services import Services

CHUNKS = 2
"""Samples that do not fit into memory at once are divided this many times finer than necessary: smaller arrays stay in
the processor's caches, and their memory is reused."""


def compute(request: Request, features: Features, script: str, services: Services) -> tuple[PartitionResult, ...]:
    """Compute a partition's features, each on the grid over its own bounds; results as in `compute_on_grids`."""
    grids = Grids.over(features.bounds, request.sampling)
    with ScriptSupervisor(services.runtime, script) as session:
        return compute_on_grids(request, features, grids, session, services)


def compute_on_grids(
    request: Request, features: Features, grids: Grids, session: ScriptSupervisor, services: Services
) -> tuple[PartitionResult, ...]:
    """Returns one result for the features that can have statistics and one for those that cannot (either may be
    missing).

    An unreadable image, a script that does not end or an unforeseen error fails only the features and intervals
    concerned. Raises WorldError if the catalogue, the bucket or an image server fails, so that the partition can be
    tried again; EnvironmentFault if no feature is to blame.
    """
    services, isolation = guarded(services), Isolation()
    results: list[PartitionResult] = []

    def some(rows: NDArray[np.intp]) -> tuple[PartitionResult, ...]:
        whole = len(rows) == len(features)
        mine, own = (features, grids) if whole else (features.take(rows), grids.take(rows))
        return _compute(request, mine, own, session, services)

    for rows, answer in isolation.run(np.arange(len(features)), some):
        if isinstance(answer, Exception):
            failure = unforeseen_failure(answer)
            results.append(_failed(features.take(rows), dict.fromkeys(range(len(rows)), failure)))
        else:
            results.extend(answer)
    return tuple(results)


def _compute(
    request: Request, features: Features, grids: Grids, session: ScriptSupervisor, services: Services
) -> tuple[PartitionResult, ...]:
    found = check_geometries(features, grids, request.pixels)
    rows = usable_rows(features, found)
    results = []
    if found:
        broken = np.array(sorted(found), np.intp)
        messages = as_failures(found)
        results.append(_failed(features.take(broken), {place: messages[int(row)] for place, row in enumerate(broken)}))
    if len(rows):
        usable = (features.take(rows), grids.take(rows)) if found else (features, grids)
        results.append(_usable(request, *usable, session, services))
    return tuple(results)


def _usable(
    request: Request, features: Features, grids: Grids, session: ScriptSupervisor, services: Services
) -> PartitionResult:
    try:
        bindings = bind_bands(session.evalscript, request, services.collections)
    except ScriptError as error:
        return _failed(features, dict.fromkeys(range(len(features)), as_failure(error)))
    history = history_of(request, features, bindings, session.evalscript, services)
    work = _Work(
        request=request, features=features, grids=grids, bindings=bindings, session=session, services=services,
        history=history,
    )  # fmt: skip
    fits = grids.sample_count.sum() <= work.samples_at_once(1)
    if fits and not has_scenes(bindings):
        geometry = sample_geometry(features, grids, request.pixels)
        return _in_one_chunk(work, geometry, work.acquisitions(geometry))
    found = list(work.acquisitions(without_samples(features, grids)))
    limit = work.samples_at_once(_most_scenes(bindings, found))
    if grids.sample_count.sum() <= limit:
        return _in_one_chunk(work, sample_geometry(features, grids, request.pixels), found)
    return _in_chunks(work, found, max(1, limit // CHUNKS))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A partition's usable features, and everything that is needed to compute their statistics."""

    request: Request
    features: Features
    grids: Grids
    bindings: tuple[BandBinding, ...]
    session: ScriptSupervisor
    services: Services
    history: History | None

    def samples_at_once(self, scenes: int) -> int:
        """How many samples fit into memory if each is read in this many scenes."""
        return samples_at_once(self.session.evalscript, self.bindings, scenes, self.services)

    def intervals_at_once(self) -> int:
        """In how many intervals the partition may be processed at once, chunk by chunk."""
        kept = kept_numbers(self.session.evalscript, self.request.calculations)
        return intervals_at_once(int(self.grids.sample_count.sum()), kept, self.services.samples_at_once)

    def acquisitions(self, geometry: SampleGeometry) -> Iterator[IntervalAcquisitions]:
        """The acquisitions that reach the features, interval by interval."""
        return intervals_with_acquisitions(
            self.bindings,
            self.request.intervals,
            geometry,
            self.services,
            prefetch=True,
            mark=(lambda found: found) if self.history is None else self.history.mark,
        )

    def totals(self, found: IntervalAcquisitions) -> IntervalTotals:
        """Totals of one interval, to which nothing has been added yet."""
        return IntervalTotals(self.bindings, self.request.calculations, self.grids.sample_count, found)

    def computation(self, geometry: SampleGeometry) -> Computation:
        """The Computation that reads and evaluates these samples."""
        return Computation(
            bindings=self.bindings,
            geometry=geometry,
            session=self.session,
            calculations=self.request.calculations,
            services=self.services,
        )

    def result(self, intervals: Sequence[IntervalResult], counts: NDArray[np.int64]) -> PartitionResult:
        """The partition's result; `counts` (n,): samples inside each polygon."""
        weights = np.zeros(len(self.features))  # input bands times data samples, over the intervals with data
        for one in intervals:
            weights += one.present * one.band_samples
        tiny = None
        if self.request.pixels.flagged:
            tiny = smaller_than_a_sample(self.features, self.grids, self.request.sampling) | (counts <= 1)
        return PartitionResult(
            features=self.features,
            intervals=tuple(intervals),
            geometry_pixel_count=counts,
            tiny=tiny,
            processing_units=processing_units(self.grids.sample_count, weights),
            fingerprints=None if self.history is None else self.history.fingerprints,
            kept=None if self.history is None else self.history.kept,
        )

    def earlier(self, found: IntervalAcquisitions) -> Iterator[IntervalResult]:
        """The interval's results that an earlier request has computed already."""
        return iter(()) if self.history is None else self.history.results(found)


def _in_one_chunk(work: _Work, geometry: SampleGeometry, found: Iterable[IntervalAcquisitions]) -> PartitionResult:
    """Process all samples at once, one interval (or a few small ones) after the other; only the statistics of an
    interval are kept."""
    computation, rows, isolation = work.computation(geometry), np.arange(len(work.features)), Isolation()
    remaining, together = iter(found), computation.together(work.samples_at_once(1))
    intervals: list[IntervalResult] = []
    while some := list(islice(remaining, together)):
        totals = [work.totals(one) for one in some]
        add_intervals(computation, rows, some, totals, isolation)
        for one, total in zip(some, totals, strict=True):
            intervals += [*work.earlier(one), *total.results()]
    return work.result(intervals, geometry.samples.counts)


def _in_chunks(work: _Work, found: Sequence[IntervalAcquisitions], most: int) -> PartitionResult:
    """Process about `most` samples at once, so that each block of the imagery is decoded for one chunk only. Each chunk
    is processed in all intervals or, if samples must be kept until all chunks are done, in as many as fit into
    memory."""
    counts, isolation = np.zeros(len(work.features), np.int64), Isolation()
    raster = raster_of_blocks(work.bindings, found, work.features, work.grids, work.services.reader)
    cut: Iterable[Chunk] = chunks(work.features, work.grids, raster, most, work.request.pixels)
    several = work.intervals_at_once()
    if several < len(found):
        cut = list(cut)
    results: list[IntervalResult] = []
    for first in range(0, max(1, len(found)), several):  # count the samples even if the request has no interval
        some = found[first : first + several]
        totals = [work.totals(one) for one in some]
        for chunk in cut:
            if not first:
                counts[chunk.rows] += chunk.geometry.samples.counts
            computation = work.computation(chunk.geometry.anew())
            for one, total in zip(some, totals, strict=True):
                add_new(computation, chunk.rows, one.take(chunk.rows), total, isolation)
        for one, total in zip(some, totals, strict=True):
            results += [*work.earlier(one), *total.results()]
    return work.result(results, counts)


def _most_scenes(bindings: Sequence[BandBinding], found: Sequence[IntervalAcquisitions]) -> int:
    """Upper bound of the number of scenes that a feature sees in an interval; a SIMPLE mosaic counts as one scene."""
    depths = [
        int(acquisitions.reach.sum(axis=0).max(initial=1))
        for one in found
        for binding, acquisitions in zip(bindings, one.inputs, strict=False)  # no inputs if there is an error
        if binding.has_scenes
    ]
    return max(depths, default=1)


def _failed(features: Features, failures: Mapping[int, Failure]) -> PartitionResult:
    """The result of features that have no statistics."""
    return PartitionResult(
        features=features,
        intervals=(),
        geometry_pixel_count=np.zeros(len(features), np.int64),
        failures=failures,
    )
