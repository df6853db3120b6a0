"""View: the statistics of a job as JSON for the web page at `/`; an arpent extension."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from arpent.domain.errors import InvalidRequest
from arpent.domain.finding import Finding
from arpent.domain.interval import iso_seconds
from arpent.wire.iso import parse_instant
from arpent.wire.job import finding_object

NAMES = {
    "sample_count": "sampleCount",
    "no_data_count": "noDataCount",
    "geometry_pixel_count": "geometryPixelCount",
    "valid_share": "validShare",
}
"""Table columns whose name in JSON differs → that name."""
NUMBERS = ("min", "max", "mean", "stDev", "sample_count", "no_data_count", "geometry_pixel_count", "valid_share")
LONGEST = 200
PERCENTILE = re.compile(r"p[0-9][0-9.e+-]*")
"""Names of percentile columns."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Selects the one number per feature that a map shows."""

    output: str
    """Id of the output."""
    band: str
    """Name of the band."""
    statistic: str
    """Table column with the statistic."""
    start: datetime | None = None
    """Start of the interval; aware, UTC. None: no interval, so that no feature has a number."""


def parse_shown(query: Mapping[str, str]) -> Shown:
    """Parse the query parameters of a URL. Raises InvalidRequest, naming a parameter that is missing or wrong."""
    for name in ("output", "band", "statistic"):
        if not 0 < len(query.get(name, "")) <= LONGEST:
            raise InvalidRequest.at(name, "is required: GET …/results lists what there is")
    return Shown(
        output=query["output"],
        band=query["band"],
        statistic=query["statistic"],
        start=parse_instant(query["from"], "from") if query.get("from") else None,
    )


def render_overview(
    *,
    features: int,
    extent: tuple[float, float, float, float] | None,
    statistics: Sequence[str],
    slots: Sequence[Mapping[str, Any]],
    failed: int,
    verdicts: Mapping[str, int],
) -> bytes:
    """Overview of a job's results. `slots`: from, to, output, band and count of features with statistics, ascending."""
    outputs: dict[str, list[str]] = {}
    intervals: dict[str, dict[str, Any]] = {}
    for slot in slots:
        bands = outputs.setdefault(slot["output"], [])
        if slot["band"] not in bands:
            bands.append(slot["band"])
        start = iso_seconds(slot["from"])
        one = intervals.setdefault(start, {"from": start, "to": iso_seconds(slot["to"]), "withNumbers": 0})
        one["withNumbers"] = max(one["withNumbers"], slot["numbers_sum"] or 0)
    return orjson.dumps(
        {
            "features": features,
            "bbox": extent,
            "outputs": [{"id": output, "bands": sorted(bands)} for output, bands in sorted(outputs.items())],
            "statistics": list(statistics),
            "intervals": list(intervals.values()),
            "failed": failed,
            "verdicts": dict(verdicts),
        }
    )


def render_scale(found: Sequence[float] | None) -> bytes:
    """The range of a statistic: minimum, 2nd and 98th percentile, maximum; all null if there are no numbers."""
    least, low, high, greatest = found or (None,) * 4
    return orjson.dumps({"min": least, "low": low, "high": high, "max": greatest})


def render_values(total: int, rows: Sequence[tuple[int, str | None, float | None, str | None]]) -> bytes:
    """A page of features (id, identifier, number and verdict), and the total number of features."""
    names = ("id", "identifier", "value", "verdict")
    return orjson.dumps({"total": total, "data": [dict(zip(names, row, strict=True)) for row in rows]})


def render_series(
    *,
    feature: int,
    identifier: str | None,
    properties: Mapping[str, object],
    extent: tuple[float, float, float, float] | None,
    findings: Sequence[Finding],
    rows: Sequence[Mapping[str, Any]],
    further: Sequence[str],
) -> bytes:
    """Everything about one feature. `rows`: its rows of the table; `further`: the table's columns of percentiles,
    additional statistics, shares of classes and tiny polygons."""
    return orjson.dumps(
        {
            "id": feature,
            "identifier": identifier,
            "properties": dict(properties),
            "bbox": extent,
            "findings": [finding_object(finding) for finding in findings],
            "data": [_row(row, further) for row in rows],
        }
    )


def render_nested(value: object) -> str | None:
    """A nested value as the text of a CSV cell: a flat list separated by spaces, anything else as JSON."""
    if value is None:
        return None
    if isinstance(value, list) and not any(isinstance(each, list | dict | tuple) for each in value):
        return " ".join(map(str, value))
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _row(row: Mapping[str, Any], further: Sequence[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "from": None if row["from"] is None else iso_seconds(row["from"]),
        "to": None if row["to"] is None else iso_seconds(row["to"]),
        "output": row["output"],
        "band": row["band"],
    }
    told |= {NAMES.get(name, name): _finite(row.get(name)) for name in NUMBERS}
    told["percentiles"] = {name[1:]: _finite(row.get(name)) for name in further if PERCENTILE.fullmatch(name)}
    told["more"] = {name: _finite(row.get(name)) for name in further if not PERCENTILE.fullmatch(name)}
    return told | {name: row.get(name) for name in ("status", "reason", "items")}


def _finite(number: float | int | None) -> float | int | None:
    return number if number is not None and math.isfinite(number) else None
