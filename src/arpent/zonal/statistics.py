"""Statistics: computes the statistics of one band of one output, for all features of a partition at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import CLOUDY_SHARE, Calculation, share_column
from arpent.domain.evalscript import SampleType
from arpent.domain.result import BandStatistics, HistogramCounts
from arpent.zonal.histogram import fixed_histogram, histogram_of_samples, joined_histograms
from arpent.zonal.moments import COUNT, add_samples, add_sums, moments, no_sums
from arpent.zonal.more_statistics import (
    FROM_SAMPLES,
    add_weighted,
    add_weighted_sums,
    classes,
    from_samples,
    masked_counts,
    plain_statistics,
    shares,
    weighted_statistics,
)
from arpent.zonal.reductions import OutsideSample, Segments, contiguous, join_parts, no_samples, pick
from arpent.zonal.sample_type import compact, type_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ReductionPart:
    """The contribution of some samples of k features to a Reduction."""

    inside: NDArray[np.int64]
    """(k,): number of samples, valid or not."""
    sums: NDArray[np.float64]
    """(ROWS, k): sums of the valid samples; see `moments`."""
    segments: Segments | None
    """The valid samples; None unless percentiles, histograms or further statistics need them."""
    weighted: NDArray[np.float64] | None = None
    """(6, k): weighted sums, see `add_weighted`; None if samples are not weighted by covered shares."""
    cloudy: NDArray[np.int64] | None = None
    """(k,): number of samples that have imagery but are masked; None if it is not needed."""


def part_of(inside: NDArray[np.int64], sums: NDArray[np.float64], samples: NDArray[np.float32] | None) -> ReductionPart:
    """A part with the given `inside` and `sums`; `samples`: the samples that count, feature after feature."""
    segments = None if samples is None else contiguous(samples, sums[COUNT].astype(np.int64))
    return ReductionPart(inside=inside, sums=sums, segments=segments)


def parts_of(
    inside: NDArray[np.int64], sums: NDArray[np.float64], samples: NDArray[np.float32] | None, times: int
) -> list[ReductionPart]:
    """Like `part_of`, but the arrays hold the same features several `times` in succession; one part for each time."""
    if times == 1:
        return [part_of(inside, sums, samples)]
    ends = None if samples is None else np.append(0, np.cumsum(sums[COUNT].astype(np.int64)))
    each, found = len(inside) // times, []
    for low in range(0, len(inside), each):
        mine = slice(low, low + each)
        own = None if samples is None or ends is None else samples[ends[low] : ends[low + each]]
        found.append(part_of(inside[mine], np.ascontiguousarray(sums[:, mine]), own))
    return found


def keeps_samples(wish: Calculation) -> bool:
    """Whether all samples that count must be kept until the last one has been added."""
    bins = wish.histogram
    open_edges = bins is not None and bins.bins is None and (bins.low_edge is None or bins.high_edge is None)
    return bool(wish.percentiles) or open_edges or not FROM_SAMPLES.isdisjoint(wish.more)


def needs_samples(wish: Calculation, sample_type: SampleType) -> bool:
    """Whether sums are not enough, so that each sample that counts must be examined, even if it need not be kept."""
    return keeps_samples(wish) or wish.histogram is not None or (sample_type.integer and bool(wish.shares))


def values_suffice(wish: Calculation) -> bool:
    """Whether everything that is requested can be computed from the values that count, without other facts about the
    samples."""
    return not wish.weighted and not {"weightedMean", CLOUDY_SHARE}.intersection(wish.more)


class Reduction:
    """One band of one output, for all features of a partition. Samples may be added in any parts: the statistics are
    the same, bit for bit (see `moments`)."""

    def __init__(self, count: int, calculation: Calculation, sample_type: SampleType) -> None:
        """`count`: number of features."""
        wish = calculation.histogram
        self._calculation = calculation
        self._sample_type = sample_type
        self._inside = np.zeros(count, np.int64)
        self._sums = no_sums(count)
        self._fixed = fixed_histogram(wish, sample_type, count) if wish else None
        self._keeps = keeps_samples(calculation)
        self._looks = needs_samples(calculation, sample_type)
        counted = classes(calculation) if sample_type.integer else None
        self._classes = fixed_histogram(counted, sample_type, count) if counted else None
        weighs = calculation.weighted or "weightedMean" in calculation.more
        self._weighted = np.zeros((6, count)) if weighs else None
        self._cloudy = np.zeros(count, np.int64) if CLOUDY_SHARE in calculation.more else None
        self._masked = True
        self._kept: list[tuple[Segments, NDArray[np.int64]]] = []

    def part(
        self,
        values: NDArray[np.float64],
        valid: NDArray[np.number] | None,
        offsets: NDArray[np.int64],
        shares: NDArray[np.float64] | None = None,
        seen: NDArray[np.bool_] | None = None,
    ) -> ReductionPart:
        """The contribution of some of the samples inside k polygons, for which the script returned `values` (N,). A
        sample counts if its mask `valid` (N,) is neither 0 nor NaN; if `valid` is None, all count. `offsets` (k + 1,):
        limits of the features; `shares` (N,): covered share of each sample, and `seen` (N,): whether it has imagery, if
        needed. Changes nothing; see `add`."""
        cloudy = None
        if self._cloudy is not None and seen is not None and valid is not None:
            cloudy = masked_counts(seen, valid, offsets)
        if valid is None:
            valid = np.ones(len(values), np.uint8)
        elif valid.dtype == np.bool_:
            valid = valid.view(np.uint8)
        sums, target = no_sums(len(offsets) - 1), type_limits(self._sample_type)
        samples = np.empty(len(values) if self._looks else 0, np.float32)
        held = add_samples(values, valid, offsets, target, sums, samples)
        weighted = None
        if self._weighted is not None:
            assert shares is not None, "shares are wanted"
            weighted = np.zeros((6, len(offsets) - 1))
            add_weighted(values, valid, shares, offsets, target, weighted)
        found = part_of(np.diff(offsets), sums, samples[:held] if self._looks else None)
        return replace(found, weighted=weighted, cloudy=cloudy)

    def add(self, part: ReductionPart, rows: NDArray[np.int64]) -> None:
        """Add a result of `part` for samples of the features `rows` (k,). Each sample must be added only once."""
        self._inside[rows] += part.inside
        add_sums(part.sums, rows, self._sums)
        if part.weighted is not None and self._weighted is not None:
            add_weighted_sums(part.weighted, rows, self._weighted)
        if part.cloudy is not None and self._cloudy is not None:
            self._cloudy[rows] += part.cloudy
        self._masked &= part.cloudy is not None
        if part.segments is not None and self._classes is not None:
            self._classes.add(part.segments, rows)
        if part.segments is not None and self._fixed is not None:
            self._fixed.add(part.segments, rows)
        if part.segments is not None and self._keeps:
            self._kept.append((part.segments.tight(), rows))

    def finish(self, sample_count: NDArray[np.int64], outside: OutsideSample | None = None) -> BandStatistics:
        """All statistics of the band (sentinelhub.md 3.3). `sample_count` (n,): number of all samples of each grid;
        those outside the polygon all have the answer `outside` (None: they are masked), and each of them counts."""
        # A sample outside a polygon has no share in it.
        weights, extra = self._outside(sample_count, None if self._calculation.weighted else outside)
        counts, numbers = self._sums[COUNT].astype(np.int64) + weights, np.empty((4, len(weights)), np.float64)
        moments(self._sums, weights, extra, numbers)
        percentiles, histogram, found = self._from_kept(weights, extra, numbers)
        if self._fixed is not None:
            self._fixed.add(no_samples(weights, extra), np.arange(len(weights)))
            histogram = self._fixed.finish()
        more = self._more(counts, numbers, (weights, extra), found)
        return BandStatistics(
            minimum=numbers[0],
            maximum=numbers[1],
            mean=numbers[2],
            standard_deviation=numbers[3],
            more=more,
            sample_count=sample_count,
            no_data_count=sample_count - counts,
            percentiles=percentiles,
            ranks=self._calculation.percentiles,
            histogram=histogram,
        )

    def _from_kept(
        self, weights: NDArray[np.int64], extra: NDArray[np.float64], numbers: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64] | None, HistogramCounts | None, dict[str, NDArray[np.float64]]]:
        """Those of the following that are requested: percentiles (n, k), the histogram with edges that depend on the
        samples, and further statistics (n,). `weights`, `extra`: number and value of the valid samples outside the
        polygons; `numbers` (4, n): result of `moments`."""
        wish, begin = self._calculation, 0
        open_edges = wish.histogram if self._fixed is None else None
        percentiles: list[NDArray[np.float64]] = []
        histograms: list[HistogramCounts] = []
        more: dict[str, list[NDArray[np.float64]]] = {name: [] for name in FROM_SAMPLES.intersection(wish.more)}
        for kept in join_parts(self._kept, weights, extra) if self._keeps else ():
            mine = slice(begin, begin + len(kept.counts))
            if open_edges is not None:
                extremes = numbers[0, mine], numbers[1, mine]
                histograms.append(histogram_of_samples(open_edges, self._sample_type, kept, extremes))
            if wish.percentiles:
                percentiles.append(_percentiles(kept, wish.percentiles))
            for name, found in more.items():
                found.append(from_samples(name, kept))
            begin = mine.stop
        self._kept.clear()  # free the memory for the next interval
        return (
            np.concatenate(percentiles) if percentiles else None,
            joined_histograms(histograms) if histograms else None,
            {name: np.concatenate(found) for name, found in more.items()},
        )

    def _more(
        self,
        counts: NDArray[np.int64],
        numbers: NDArray[np.float64],
        outside: tuple[NDArray[np.int64], NDArray[np.float64]],
        found: dict[str, NDArray[np.float64]],
    ) -> dict[str, NDArray[np.float64]]:
        """Further statistics that are requested, in the requested order, including those `found` from kept samples. If
        samples are weighted by shares, mean and deviation in `numbers` are replaced, too."""
        wish = self._calculation
        if self._weighted is not None:
            mean, deviation, weighted = weighted_statistics(wish, self._weighted, numbers)
            found |= {name: each for name, each in weighted.items() if wish.weighted or name == "weightedMean"}
            finite = np.isfinite(numbers[0]) & np.isfinite(numbers[1]) & np.isfinite(mean)
            if wish.weighted:
                numbers[2], numbers[3] = np.where(finite, (mean, deviation), numbers[2:])
        if not wish.weighted:
            found |= plain_statistics(wish, self._sums, outside, numbers)
        if self._cloudy is not None:
            share = np.full(len(counts), np.nan)
            if self._masked:
                np.divide(self._cloudy, self._inside, out=share, where=self._inside > 0)
            found[CLOUDY_SHARE] = share
        if self._classes is not None:
            self._classes.add(no_samples(*outside), np.arange(len(counts)))
            found |= shares(wish, self._classes.finish(), counts)
        else:  # the output has no classes
            found |= {share_column(name): np.full(len(counts), np.nan) for name, _ in wish.shares}
        order = {name: place for place, name in enumerate(wish.more)}
        return dict(sorted(found.items(), key=lambda each: order.get(each[0], len(order))))

    def _outside(
        self, sample_count: NDArray[np.int64], outside: OutsideSample | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Number of valid samples outside each polygon (n,), and the value of each of these (n,)."""
        n = len(self._inside)
        if outside is None or not outside.valid.any():
            return np.zeros(n, np.int64), np.zeros(n)
        single, valid = np.empty(n, np.float32), np.empty(n, np.int64)
        compact(
            outside.value, outside.valid.view(np.uint8), np.arange(n + 1), type_limits(self._sample_type), single, valid
        )
        weights = (sample_count - self._inside) * valid
        return weights, np.where(weights > 0, single, 0.0).astype(np.float64)


def summarise(
    values: NDArray[np.float64],
    valid: NDArray[np.number],
    offsets: NDArray[np.int64],
    *,
    sample_count: NDArray[np.int64],
    calculation: Calculation,
    sample_type: SampleType,
    outside: OutsideSample | None = None,
) -> BandStatistics:
    """The statistics of one band, computed from all of its samples at once; see `Reduction`."""
    reduction = Reduction(len(offsets) - 1, calculation, sample_type)
    reduction.add(reduction.part(values, valid, offsets), np.arange(len(offsets) - 1))
    return reduction.finish(sample_count, outside)


def _percentiles(segments: Segments, percentiles: tuple[float, ...]) -> NDArray[np.float64]:
    """(n, k): percentiles in the requested order. Reorders the samples."""
    order = np.argsort(percentiles, kind="stable")
    wanted = ranks(segments.counts + segments.weights, [percentiles[i] for i in order])
    out = np.empty(wanted.shape, np.float64)
    pick(segments.samples, segments.offsets, segments.counts, segments.weights, segments.extra, wanted, out)
    return np.ascontiguousarray(out[:, np.argsort(order)])


LARGEST = 2**62
"""Products up to this number fit int64."""


def ranks(counts: NDArray[np.int64], percentiles: Sequence[float]) -> NDArray[np.int64]:
    """(n, k): 0-based rank `min(n - 1, floor(n * k / 100))` of percentile k in segments of `counts` (n,) samples
    (sentinelhub.md 3.3).

    k is used as the decimal number that was written (33.3, not the nearest double), so that percentile 99.9 of 1000
    samples is rank 999, never 998.
    """
    out = np.empty((len(counts), len(percentiles)), np.int64)
    largest = int(counts.max(initial=0))
    for column, k in enumerate(percentiles):
        share = Fraction(repr(float(k))) / 100
        if largest * share.numerator < LARGEST and share.denominator < LARGEST:
            rank = counts * share.numerator // share.denominator
        else:
            rank = np.array([int(n) * share.numerator // share.denominator for n in counts], np.int64)
        out[:, column] = np.clip(rank, 0, np.maximum(counts - 1, 0))  # `pick` relies on ranks within the segment
    return out
