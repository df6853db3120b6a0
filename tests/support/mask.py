"""The grid and the polygon rule of the real service, slowly: sentinelhub.md 4.1 and 4.2, read word by word."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

LINES = 8
"""Scan lines in a pixel row."""
STEPS = 256
"""Sub-columns in a pixel."""
LEAST = 7
"""Sub-samples of 2048 that must be filled."""

Box = tuple[float, float, float, float]


def grid_of(box: Box, aggregation: dict[str, float]) -> tuple[int, int]:
    """(width, height) of the grid over the box: resx/resy, or width/height, or 256."""
    if "resx" not in aggregation:
        return int(aggregation.get("width", 256)), int(aggregation.get("height", 256))
    across, down = (box[2] - box[0]) / aggregation["resx"], (box[3] - box[1]) / aggregation["resy"]
    return max(1, math.floor(across + 0.5)), max(1, math.floor(down + 0.5))


def inside(geometry: shapely.Geometry, box: Box, width: int, height: int) -> NDArray[np.bool_]:
    """(height, width), row 0 in the north: the pixels that belong to the polygon."""
    across = width / (box[2] - box[0]) * STEPS
    down = height / (box[3] - box[1]) * LINES
    edges = []
    for ring in _rings(geometry):
        corners = [((x - box[0]) * across, (box[3] - y) * down) for x, y in ring.coords]
        edges += list(pairwise(corners))
    answer = np.zeros((height, width), bool)
    for row in range(height):
        filled = np.zeros(width, int)
        for line in range(LINES):
            filled += _fill(edges, row * LINES + line + 0.5, width)
        answer[row] = filled >= LEAST
    return answer


def _fill(edges: list[tuple[tuple[float, float], tuple[float, float]]], y: float, width: int) -> NDArray[np.int64]:
    """Sub-samples filled on one scan line, per pixel."""
    crossings = []
    for edge in edges:
        (xa, ya), (xb, yb) = sorted(edge, key=lambda corner: corner[1])
        if ya <= y < yb:
            crossings.append(math.ceil(xa + (y - ya) * (xb - xa) / (yb - ya) - 0.5))
    crossings.sort()
    line = np.zeros(width * STEPS, bool)
    for start, end in zip(crossings[::2], crossings[1::2], strict=True):
        line[max(start, 0) : max(end, 0)] = True
    return line.reshape(width, STEPS).sum(axis=1)


def _rings(geometry: shapely.Geometry) -> Iterator[shapely.LinearRing]:
    for part in shapely.get_parts(geometry):
        yield part.exterior
        yield from part.interiors
