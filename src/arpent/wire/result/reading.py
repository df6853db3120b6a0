"""Reading: a result file, from arpent or the real service → rows of the table (sentinelhub.md 3.1 to 3.3,
docs/numbers.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from arpent.domain.calculation import EMPTY, MORE, more_column, share_column

Row = dict[str, Any]
"""Column of the table → value; missing values are None. The names of percentile columns are `p` and the key in the
file, as in `p33.0`."""

TEXTS = {"NaN": None, "Infinity": math.inf, "-Infinity": -math.inf}
"""Text of numbers that files write as strings → value."""
TAILS = (("underflow", ("underflowCount", "underflow")), ("overflow", ("overflowCount", "overflow")))
"""Column → its field names in answers and in the OpenAPI document, which differ (sentinelhub.md 9)."""


def rows_of(payload: bytes) -> list[Row]:
    """The rows of one file; empty if it is not a result (arpent's report, say). Raises ValueError if it is not JSON."""
    content = orjson.loads(payload)
    if not _is_result(content):
        return []
    feature = {"id": int(content["id"]), "identifier": content.get("identifier")}
    response = content.get("response") or {}
    inside = response.get("geometryPixelCount")
    feature["geometry_pixel_count"] = inside
    if "tiny" in response:
        feature["tiny"] = bool(response["tiny"])
    if content.get("error") is not None:
        return [{**feature, **_failed(content["error"])}]
    entries = response.get("data")
    if not entries and response.get("status") == "FAILED":
        return [{**feature, **_failed(response.get("error") or "FAILED")}]
    return [{**feature, **row} for entry in entries or () for row in _entry(entry, inside)]


def is_result(payload: bytes) -> bool:
    """Whether a JSON file is the result of a feature. Raises ValueError if it is not JSON."""
    return _is_result(orjson.loads(payload))


def _is_result(content: Any) -> bool:
    return isinstance(content, dict) and "id" in content and bool({"response", "error"} & content.keys())


def _entry(entry: Mapping[str, Any], inside: int | None) -> Iterator[Row]:
    slot = {name: datetime.fromisoformat(entry["interval"][name]) for name in ("from", "to")}
    if entry.get("error") is not None:
        yield {**slot, **_failed(entry["error"])}
        return
    for output, found in (entry.get("outputs") or {}).items():
        for band, numbers in found["bands"].items():
            yield {**slot, "output": output, "band": band, "status": "OK", **_numbers(numbers, inside)}


def _failed(error: Any) -> Row:
    """Error columns from `{"type", "message"}`, `{"type"}` or plain text, which occurs in one published file."""
    parts = [error] if isinstance(error, str) else [error.get("type"), error.get("message")]
    return {"status": "FAILED", "reason": ": ".join(str(part) for part in parts if part)}


def _numbers(found: Mapping[str, Any], inside: int | None) -> Row:
    stats = found["stats"]
    valid = stats["sampleCount"] - stats["noDataCount"]
    row: Row = {name: _number(stats.get(name)) if valid else None for name in ("min", "max", "mean", "stDev")}
    row |= {"sample_count": stats["sampleCount"], "no_data_count": stats["noDataCount"]}
    if inside is not None and (inside or valid):
        row["valid_share"] = valid / max(inside, 1)
    row |= {f"p{key}": _number(value) for key, value in (stats.get("percentiles") or {}).items()}
    row |= {
        more_column(name): _number(stats[name]) if valid or name in EMPTY else None for name in MORE if name in stats
    }
    row |= {share_column(name): _number(share) for name, share in (stats.get("shares") or {}).items()}
    histogram = found.get("histogram")
    return row if histogram is None else row | _histogram(histogram)


def _histogram(found: Mapping[str, Any]) -> Row:
    bins = found["bins"]
    row: Row = {
        "histogram_edges": [
            *(_number(one["lowEdge"]) for one in bins),
            *(_number(one["highEdge"]) for one in bins[-1:]),
        ],
        "histogram_counts": [one["count"] for one in bins],
    }
    return row | {column: next((found[name] for name in names if name in found), None) for column, names in TAILS}


def _number(value: Any) -> float | None:
    return TEXTS.get(value) if isinstance(value, str) else None if value is None else float(value)
