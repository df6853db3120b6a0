"""For the oracle: intervals, statistics, percentiles and histograms, value by value (sentinelhub.md 2.3, 2.4, 3.3)."""

from __future__ import annotations

import calendar
import math
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

LIMITS = {"UINT8": (0, 255), "INT8": (-128, 127), "UINT16": (0, 65_535), "INT16": (-32_768, 32_767)}


def intervals_of(aggregation: dict[str, Any]) -> list[tuple[datetime, datetime]]:
    """The slices of the time range, by SKIP, SHORTEN or EXTEND."""
    start, end = (instant(aggregation["timeRange"][key]) for key in ("from", "to"))
    last = aggregation.get("lastIntervalBehavior") or aggregation["aggregationInterval"].get(
        "lastIntervalBehavior", "SKIP"
    )
    slices: list[tuple[datetime, datetime]] = []
    while (low := _later(start, aggregation["aggregationInterval"]["of"], len(slices))) < end:
        high = _later(start, aggregation["aggregationInterval"]["of"], len(slices) + 1)
        if high > end and last == "SKIP":
            break
        slices.append((low, end if high > end and last == "SHORTEN" else high))
    return slices


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _later(start: datetime, duration: str, count: int) -> datetime:
    parts = re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?", duration)
    assert parts, f"the oracle does not know the duration {duration}"
    years, months, weeks, days = (int(part or 0) * count for part in parts.groups())
    month = start.month - 1 + months + 12 * years
    year, month = start.year + month // 12, month % 12 + 1
    day = min(start.day, calendar.monthrange(year, month)[1])
    return start.replace(year=year, month=month, day=day) + timedelta(weeks=weeks, days=days)


def as_sample_type(value: float, sample_type: str) -> float:
    """Rounded to nearest and clamped for integer types."""
    if sample_type not in LIMITS or math.isnan(value):
        return value
    low, high = LIMITS[sample_type]
    return float(min(high, max(low, math.floor(value + 0.5))))


def statistics(values: list[float], sample_count: int, percentiles: list[float]) -> dict[str, Any]:
    """The `stats` object over the valid values."""
    counts = {"sampleCount": sample_count, "noDataCount": sample_count - len(values)}
    if not values:
        return dict.fromkeys(("min", "max", "mean", "stDev"), "NaN") | counts
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    answer = {"min": min(values), "max": max(values), "mean": mean, "stDev": spread} | counts
    if percentiles:
        ranked = sorted(values)
        answer["percentiles"] = {
            str(float(k)): ranked[min(len(values) - 1, math.floor(len(values) * Fraction(str(k)) / 100))]
            for k in percentiles
        }
    return answer


def histogram(values: list[float], wish: dict[str, Any]) -> dict[str, Any] | None:
    """The `histogram` object; None if there are neither edges nor values to take them from."""
    edges = _edges(values, wish)
    if edges is None:
        return None
    bins = [
        {
            "lowEdge": low,
            "highEdge": high,
            "count": sum(low <= value < high or (place == len(edges) - 2 and value == high) for value in values),
        }
        for place, (low, high) in enumerate(pairwise(edges))
    ]
    return {
        "bins": bins,
        "overflowCount": sum(value > edges[-1] for value in values),
        "underflowCount": sum(value < edges[0] for value in values),
    }


def _edges(values: list[float], wish: dict[str, Any]) -> list[float] | None:
    if "bins" in wish:
        return list(wish["bins"])
    if not values and not {"lowEdge", "highEdge"} <= set(wish):
        return None
    low = wish["lowEdge"] if "lowEdge" in wish else min(values)
    high = wish["highEdge"] if "highEdge" in wish else max(values)
    if low > high and ("nBins" in wish or "highEdge" in wish):
        return [wish.get("highEdge", low)]
    if "nBins" in wish:
        count = wish["nBins"]
        return [low + step * ((high - low) / count) for step in range(count)] + [high]
    if isinstance(wish["binWidth"], int):  # an integer histogram: its edges are written as integers
        low, high = int(low), int(high)
    exact = [
        Fraction(repr(wish[name])) if name in wish else Fraction(x)
        for name, x in (("lowEdge", low), ("highEdge", high))
    ]
    count = max(1, math.ceil((exact[1] - exact[0]) / Fraction(repr(wish["binWidth"]))))
    edges = [low + step * wish["binWidth"] for step in range(count + 1)]
    return [*edges[:-1], high if "highEdge" in wish else max(edges[-1], high)]
