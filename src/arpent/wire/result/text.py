"""Text: numbers and percentile keys as the real service writes them (sentinelhub.md 3.2, 3.3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import orjson
from numpy.typing import NDArray

WOVEN = 128
"""Maximum number of columns that are joined at once."""
TextColumn = Sequence[bytes] | bytes
"""A column of texts for n features: n texts, or a single one that is the same for all."""
TextColumns = list[TextColumn]
"""Several text columns, to be joined row by row."""
QUOTED = {math.inf: b'"Infinity"', -math.inf: b'"-Infinity"'}
"""Infinities, which JSON numbers cannot express, as files write them; all other special values are NaN."""


def numbers(column: NDArray[np.float64] | NDArray[np.int64]) -> list[bytes]:
    """The shortest text of each number (n,) that parses to the same double (`8.0`); NaN and infinities as strings.

    One call renders the whole column, since calling `repr` for each number takes ten times as long.
    """
    if not len(column):
        return []
    texts = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    if column.dtype.kind == "f":
        for row in np.flatnonzero(~np.isfinite(column)).tolist():
            texts[row] = QUOTED.get(float(column[row]), b'"NaN"')
    return texts


def percentile_key(k: float) -> str:
    """k in the format of Java's Double.toString: 33 → `33.0`, 99.9 → `99.9`, 0.0005 → `5.0E-4`."""
    if k == 0 or k >= 1e-3:
        return repr(float(k))
    shortest = next(text for text in (f"{k:.{places}e}" for places in range(1, 18)) if float(text) == k)
    digits, _, exponent = shortest.partition("e")
    return f"{digits}E{int(exponent)}"


def join(columns: Iterable[TextColumn], count: int) -> list[bytes]:
    """The texts of `columns` concatenated row by row, giving `count` texts. Columns are consumed in small groups, since
    the texts of single numbers take several times as much memory as the joined text."""
    remaining, pieces = iter(columns), list[list[bytes]]()
    while some := list(islice(remaining, WOVEN)):
        width = len(some)
        woven: list[bytes] = [b""] * (width * count)
        for place, column in enumerate(some):
            woven[place::width] = [column] * count if isinstance(column, bytes) else column
        pieces.append([b"".join(woven[start : start + width]) for start in range(0, width * count, width)])
    if len(pieces) < 2:
        return pieces[0] if pieces else [b""] * count
    return [b"".join(parts) for parts in zip(*pieces, strict=True)]
