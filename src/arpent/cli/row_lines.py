"""Row lines: the outcomes of a job's rows, in words and as an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

WORDS = {
    "withNumbers": "with numbers",
    "allMasked": "all masked",
    "withoutImagery": "without imagery",
    "failed": "failed",
}
"""Field of a task object's `progress.rows` → wording for people."""


def row_lines(rows: Mapping[str, Any]) -> Iterator[str]:
    """A line with the counts, and one for each of the most common reasons for failure. `rows`: as in a task object."""
    counts = ", ".join(f"{rows[field]:,} {words}" for field, words in WORDS.items())
    yield f"{sum(rows[field] for field in WORDS):,} rows (a feature in an interval): {counts}"
    if rows.get("kept"):
        yield f"{rows['kept']:,} of them kept from an earlier request, the others computed"
    for each in rows["reasons"]:
        yield f"{each['count']:,} x {each['reason']}"


def all_well(rows: Mapping[str, Any] | None) -> bool:
    """Whether no row failed and, if there are any, some have numbers. None: an older version did not count."""
    return rows is None or (not rows["failed"] and (rows["withNumbers"] > 0 or not any(rows[field] for field in WORDS)))
