"""Text of single values as the real service writes them: numbers and percentile keys (sentinelhub.md 3.2, 3.3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
import orjson
from numpy.typing import NDArray

WOVEN = 128
"""Columns that are joined at once, at most."""
TextColumn = Sequence[bytes] | bytes
"""Texts of n features: n, or one that is the same for all."""
TextColumns = list[TextColumn]
"""Several of them."""
QUOTED = {math.inf: b'"Infinity"', -math.inf: b'"-Infinity"'}
"""Values that JSON numbers cannot express and files write as text; NaN is the third."""


def numbers(column: NDArray[np.float64] | NDArray[np.int64]) -> list[bytes]:
    """Shortest text of each number (n,) that reads back as the same double: `8.0`; NaN and infinities as strings.

    One call renders the whole column, since a `repr` per number takes ten times as long.
    """
    if not len(column):
        return []
    texts = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    if column.dtype.kind == "f":
        for row in np.flatnonzero(~np.isfinite(column)).tolist():
            texts[row] = QUOTED.get(float(column[row]), b'"NaN"')
    return texts


def percentile_key(k: float) -> str:
    """k as Java's Double.toString writes it: 33 → `33.0`, 99.9 → `99.9`, 0.0005 → `5.0E-4`."""
    if k == 0 or k >= 1e-3:
        return repr(float(k))
    shortest = next(text for text in (f"{k:.{places}e}" for places in range(1, 18)) if float(text) == k)
    digits, _, exponent = shortest.partition("e")
    return f"{digits}E{int(exponent)}"


def join(columns: Iterable[TextColumn], count: int) -> list[bytes]:
    """The texts of `columns` concatenated row by row, `count` rows; a single text stands for a column of it. They are
    taken a few at a time: texts of single numbers take several times as much memory as in one text."""
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
