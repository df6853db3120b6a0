"""Calculation: what to report for an output and band in addition to min, max, mean, stDev and counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

DEFAULT = "default"
MAXIMUM_BINS = 10_000
"""Maximum number of bins of one histogram: arpent's own limit, which keeps one request from exhausting memory."""


CLOUDY_SHARE = "cloudyShare"
"""Statistic: share of the samples inside the polygon that have imagery but are excluded by the script's mask."""
MORE = ("sum", "count", "variance", "median", "mode", "weightedMean", CLOUDY_SHARE)
"""Statistics that a request may ask for in addition to those of the real service: an arpent extension."""
EMPTY = ("sum", "count", CLOUDY_SHARE)
"""Additional statistics that have a value even if there are no valid samples; the others do not."""
UNWEIGHTED = ("median", "mode")
"""Additional statistics that are not defined if samples are weighted by the share that the polygon covers."""


def more_column(name: str) -> str:
    """Name of the table column of a statistic in MORE."""
    return "cloudy_share" if name == CLOUDY_SHARE else name


def share_column(name: str) -> str:
    """Name of the table column with the share of a class."""
    return f"share_{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """A requested histogram. Exactly one of `bins`, `bin_count` and `bin_width` is set (sentinelhub.md 2.4)."""

    bins: tuple[float, ...] | None = None
    """Edges, ascending, at least two."""
    bin_count: int | None = None
    """Number of equal bins between the edges (wire: nBins)."""
    bin_width: float | None = None
    """Width of each bin, starting at the low edge."""
    low_edge: float | None = None
    """First edge; None: the smallest value."""
    high_edge: float | None = None
    """Last edge; None: the largest value."""
    integer: bool | None = None
    """Whether the edges were written as JSON integers (True) or floats (False); None: no edges are given."""

    @property
    def known_bins(self) -> float | None:
        """Number of bins, a whole number or infinity; None if it depends on the samples."""
        if self.bins is not None:
            return len(self.bins) - 1
        if self.bin_width is None or self.low_edge is None or self.high_edge is None:
            return self.bin_count
        quotient = (self.high_edge - self.low_edge) / self.bin_width
        if not math.isfinite(quotient):
            return math.inf
        return bins_of_width(self.low_edge, self.high_edge, self.bin_width)


def bins_of_width(low: float, high: float, width: float, *, low_given: bool = True, high_given: bool = True) -> int:
    """Number of bins of `width` from `low` to `high`. An edge given in the request is taken as the decimal that was
    written, so that 0.3 to 0.9 by 0.1 is 6 bins; an edge taken from a sample is used as the exact double."""
    extent = _exact(high, high_given) - _exact(low, low_given)
    return math.ceil(extent / _exact(width, given=True))


def _exact(number: float, given: bool) -> Fraction:
    return Fraction(repr(float(number))) if given else Fraction(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation:
    """What to report for one band of one output."""

    histogram: Histogram | None = None
    """The histogram; None if none is requested."""
    percentiles: tuple[float, ...] = ()
    """The k of each percentile, 0 to 100, in the order requested."""
    more: tuple[str, ...] = ()
    """Additional statistics: names from MORE."""
    shares: tuple[tuple[str, int], ...] = ()
    """Name and value of each class of an integer band whose share is requested."""
    weighted: bool = False
    """Whether each sample is weighted by the share of it that the polygon covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputCalculations:
    """One entry of `calculations`: what to report for each band of an output, or for `default`."""

    histograms: Mapping[str, Histogram | None] = field(default_factory=dict)
    """Band name or `default` → histogram. None: no histogram for this band, even if the default has one."""
    percentiles: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Band name or `default` → k values. An empty tuple: no percentiles for this band, even if the default has some."""
    more: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Band name or `default` → names from MORE, in the order of MORE."""
    shares: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    """Band name or `default` → name and value of each class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculations:
    """The whole `calculations` object of a request."""

    outputs: Mapping[str, OutputCalculations] = field(default_factory=dict)
    """Output id or `default` → its entry."""
    weighted: bool = False
    """Whether each sample is weighted by the share of it that the polygon covers."""
    flagged: bool = False
    """Whether results have a column that marks tiny polygons."""

    @property
    def needs_seen(self) -> bool:
        """Whether the calculations need to know which samples have imagery."""
        return any(CLOUDY_SHARE in more for entry in self.outputs.values() for more in entry.more.values())

    @property
    def needs_shares(self) -> bool:
        """Whether the calculations need to know how much of each sample the polygon covers."""
        wished = (more for entry in self.outputs.values() for more in entry.more.values())
        return self.weighted or any("weightedMean" in more for more in wished)

    def of(self, output: str, band: str) -> Calculation:
        """What to report for this band. An output that has its own entry never uses the entry of `default`; within an
        entry, the band's own name takes precedence over `default` (sentinelhub.md 2.4: no deep merge)."""
        entry = self.outputs.get(output) or self.outputs.get(DEFAULT)
        if entry is None:
            return Calculation(weighted=self.weighted)
        return Calculation(
            weighted=self.weighted,
            more=entry.more.get(band, entry.more.get(DEFAULT, ())),
            shares=entry.shares.get(band, entry.shares.get(DEFAULT, ())),
            histogram=entry.histograms.get(band, entry.histograms.get(DEFAULT)),
            percentiles=entry.percentiles.get(band, entry.percentiles.get(DEFAULT, ())),
        )
