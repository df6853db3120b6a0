"""Calculations: the `calculations` object of a request → domain Calculations (sentinelhub.md 2.4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

from arpent.domain.calculation import MAXIMUM_BINS, MORE, Calculations, Histogram, OutputCalculations
from arpent.domain.errors import InvalidRequest
from arpent.wire.request.schema import CalculationsEntry, HistogramEntry, StatisticsEntry

LARGEST_CLASS = 2**24
"""Largest absolute value of a class: up to here, float32 represents every integer exactly."""


def calculations(entries: Mapping[str, CalculationsEntry | None] | None) -> Calculations:
    """What to report by output and band; null and {} mean basic statistics only. Raises InvalidRequest."""
    return Calculations(
        outputs={
            output: _output(entry or CalculationsEntry(), f"calculations->{output}")
            for output, entry in (entries or {}).items()
        }
    )


def _output(entry: CalculationsEntry, at: str) -> OutputCalculations:
    histograms = {
        band: None if wish is None else read_histogram(wish, f"{at}->histograms->{band}")
        for band, wish in (entry.histograms or {}).items()
    }
    wishes = {band: wish or StatisticsEntry() for band, wish in (entry.statistics or {}).items()}
    percentiles = {
        band: tuple(float(k) for k in wish.percentiles.k or ()) if wish.percentiles else ()
        for band, wish in wishes.items()
    }
    return OutputCalculations(
        histograms=histograms,
        percentiles=percentiles,
        more={band: _more(wish, f"{at}->statistics->{band}->more") for band, wish in wishes.items()},
        shares={band: _shares(wish, f"{at}->statistics->{band}->shares") for band, wish in wishes.items()},
    )


def _more(wish: StatisticsEntry, at: str) -> tuple[str, ...]:
    for name in wish.more or ():
        if name not in MORE:
            raise InvalidRequest.at(at, f"'{name:.40}' is not known. Valid: {', '.join(MORE)}")
    return tuple(name for name in MORE if name in (wish.more or ()))


def _shares(wish: StatisticsEntry, at: str) -> tuple[tuple[str, int], ...]:
    for name, value in (wish.shares or {}).items():
        if not isinstance(value, int) or abs(value) > LARGEST_CLASS:
            raise InvalidRequest.at(f"{at}->{name:.40}", f"must be a whole number, at most {LARGEST_CLASS:,}")
    return tuple((wish.shares or {}).items())


def read_histogram(entry: HistogramEntry, at: str) -> Histogram:
    """One histogram; `integer` depends on how its numbers were written. Raises InvalidRequest, naming fields below
    `at`."""
    if sum(wish is not None for wish in (entry.bins, entry.bin_count, entry.bin_width)) != 1:
        raise InvalidRequest.at(at, "needs exactly one of bins, nBins and binWidth")
    if entry.bins is not None:
        if any(low >= high for low, high in pairwise(entry.bins)):
            raise InvalidRequest.at(f"{at}->bins", "must ascend, each edge greater than the one before")
        return Histogram(bins=tuple(float(edge) for edge in entry.bins), integer=_integer(entry.bins))
    low, high = entry.low_edge, entry.high_edge
    if low is not None and high is not None and low >= high:
        raise InvalidRequest.at(f"{at}->highEdge", "must be greater than lowEdge")
    wish = Histogram(
        bin_count=entry.bin_count,
        bin_width=_float(entry.bin_width),
        low_edge=_float(low),
        high_edge=_float(high),
        integer=_integer([number for number in (entry.bin_width, low, high) if number is not None]),
    )
    if (bins := wish.known_bins) is not None and bins > MAXIMUM_BINS:
        raise InvalidRequest.at(f"{at}->binWidth", f"makes more than {MAXIMUM_BINS} bins; widen it")
    if low is not None and high is not None and not _tell_apart(float(low), float(high), wish.known_bins):
        raise InvalidRequest.at(f"{at}->highEdge", "is too close to lowEdge: the bins between them would have no width")
    return wish


def _tell_apart(low: float, high: float, bins: float | None) -> bool:
    """Whether the edges of this many bins between `low` and `high` are distinct as doubles."""
    return (high - low) / max(1.0, bins or 1.0) > max(math.ulp(low), math.ulp(high))


def _integer(numbers: list[int | float]) -> bool | None:
    """True if all numbers were written as integers, False if any was a float, None if there are no numbers."""
    return all(isinstance(number, int) for number in numbers) if numbers else None


def _float(number: float | None) -> float | None:
    return None if number is None else float(number)
