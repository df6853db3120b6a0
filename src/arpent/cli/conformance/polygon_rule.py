"""Polygon rule: how many samples of a grid lie inside a ring, slowly and literally (sentinelhub.md 4.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

LINES, STEPS, LEAST = 8, 256, 7
"""Scan lines per row, parts per column, and sub-samples that must be inside."""


def samples_inside(
    ring: Sequence[Sequence[float]], box: tuple[float, float, float, float], width: int, height: int
) -> int:
    """The number of samples inside a closed ring without holes. `box`: west, south, east, north of the grid."""
    west, south, east, north = box
    across, down = width * STEPS / (east - west), height * LINES / (north - south)
    corners = [((x - west) * across, (north - y) * down) for x, y in ring]
    found = 0
    for row in range(height):
        filled = [0] * width
        for line in range(LINES):
            crossings = sorted(_crossings(corners, row * LINES + line + 0.5))
            for start, end in zip(crossings[::2], crossings[1::2], strict=True):
                for step in range(max(start, 0), min(end, width * STEPS)):
                    filled[step // STEPS] += 1
        found += sum(count >= LEAST for count in filled)
    return found


def _crossings(corners: Sequence[tuple[float, float]], y: float) -> list[int]:
    """Where a scan line crosses the edges, rounded to a part of a column."""
    found = []
    for edge in pairwise(corners):
        (xa, ya), (xb, yb) = sorted(edge, key=lambda corner: corner[1])
        if ya <= y < yb:
            found.append(math.ceil(xa + (y - ya) * (xb - xa) / (yb - ya) - 0.5))
    return found
