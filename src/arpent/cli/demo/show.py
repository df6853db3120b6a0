"""Show: results as a table with a sparkline per parcel."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

BARS = "▁▂▃▄▅▆▇█"
OUTPUT, BAND = "output_B04", "B0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One parcel's row of the table."""

    id: int
    identifier: str
    means: Mapping[str, float]
    """Start of the interval → mean; NaN where there is no data."""
    samples: int
    """Number of samples inside the polygon."""
    reason: str
    """Why there are no numbers; empty if there are."""


def read_results(folder: Path) -> list[Line]:
    """One line for every result file of a request, by id."""
    return sorted((_line(json.loads(path.read_bytes())) for path in folder.glob("*.json")), key=lambda line: line.id)


def result_table(lines: Sequence[Line], planted: Mapping[str, str], most: int) -> Table:
    """A table of the first `most` parcels; `planted` names their crops, if known."""
    starts = sorted({start for line in lines for start in line.means})
    seen = Table(
        title=f"Mean red reflectance (B04), {min(most, len(lines))} of {len(lines)} parcels", title_style="bold"
    )
    seen.add_column("id", justify="right")
    seen.add_column("identifier")
    if planted:
        seen.add_column("crop")
    seen.add_column("samples", justify="right")
    for start in starts:
        seen.add_column(start[:10], justify="right")
    seen.add_column("")
    top = max((mean for line in lines for mean in line.means.values() if not math.isnan(mean)), default=1.0)
    for line in lines[:most]:
        means = [line.means.get(start, math.nan) for start in starts]
        crop = [planted.get(line.identifier, "")] if planted else []
        numbers = ["–" if math.isnan(mean) else f"{mean:.4f}" for mean in means]
        seen.add_row(
            str(line.id), line.identifier, *crop, str(line.samples), *numbers, line.reason or sparkline(means, top)
        )
    return seen


def sparkline(values: Sequence[float], top: float) -> str:
    """One bar per value, as high as its share of `top`; a dot where there is no value."""
    return "".join(
        "·" if math.isnan(value) else BARS[min(len(BARS) - 1, max(0, int(value / top * len(BARS))))] for value in values
    )


def _line(result: Mapping[str, object]) -> Line:
    response = result.get("response") or {}
    error = result.get("error") or {}
    assert isinstance(response, dict)
    assert isinstance(error, dict)
    means: dict[str, float] = {}
    for entry in response.get("data") or []:
        if "outputs" in entry:
            means[entry["interval"]["from"]] = float(entry["outputs"][OUTPUT]["bands"][BAND]["stats"]["mean"])
    return Line(
        id=int(str(result["id"])),
        identifier=str(result.get("identifier") or ""),
        means=means,
        samples=int(response.get("geometryPixelCount", 0)),
        reason=str(error.get("message") or error.get("type") or ""),
    )
