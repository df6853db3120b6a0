"""Rings that are simple for sure: never one that GEOS finds invalid, and mostly those that it finds valid."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import from_wkt

from arpent.domain.boundary.outlines import MOST_VERTICES, surely_valid, valid_outlines

SURE = {
    "a square": "POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))",
    "clockwise": "POLYGON ((0 0, 0 1, 1 1, 1 0, 0 0))",
    "a triangle": "POLYGON ((0 0, 1 0, 0 1, 0 0))",
    "a vertex within an edge": "POLYGON ((0 0, 0.5 0, 1 0, 1 1, 0 1, 0 0))",
    "the first vertex within an edge": "POLYGON ((0.5 0, 1 0, 1 1, 0 1, 0 0, 0.5 0))",
    "not convex": "POLYGON ((0 0, 4 0, 4 4, 3 1, 1 1, 0 4, 0 0))",
    "one part": "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 1, 0 0)))",
    "far away": "POLYGON ((500000.1 5000000.3, 500010.7 5000000.3, 500010.7 5000010.9, 500000.1 5000000.3))",
}
UNSURE = {
    "a bow": "POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))",
    "there and back": "POLYGON ((0 0, 2 0, 1 0, 1 1, 0 0))",
    "a spike at the end": "POLYGON ((0 0, 1 0, 1 1, 0 1, 0 -1, 0 0))",
    "a vertex on an edge": "POLYGON ((0 0, 4 0, 4 4, 2 0, 0 4, 0 0))",
    "a vertex twice": "POLYGON ((0 0, 2 0, 1 1, 2 2, 0 2, 1 1, 0 0))",
    "no area": "POLYGON ((0 0, 1 1, 2 2, 0 0))",
    "a point": "POLYGON ((0 0, 0 0, 0 0, 0 0))",
    "a line": "POLYGON ((0 0, 1 0, 0 0, 0 0))",
    "not finite": "POLYGON ((0 0, 1 0, Inf 1, 0 1, 0 0))",
    "not a number": "POLYGON ((0 0, 1 0, NaN 1, 0 1, 0 0))",
    "a hole": "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (1 1, 2 1, 2 2, 1 1))",
    "a hole that begins where its shell does": "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (0 0, 2 1, 1 2, 0 0))",
    "a part in the place of the first": "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((0 0, -1 0, -1 -1, 0 0)))",
    "two parts": "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))",
    "empty": "POLYGON EMPTY",
    "no parts": "MULTIPOLYGON EMPTY",
    "an empty part": "MULTIPOLYGON (EMPTY)",
    "a line string": "LINESTRING (0 0, 1 0, 1 1, 0 0)",
    "a collection": "GEOMETRYCOLLECTION (POLYGON ((0 0, 1 0, 1 1, 0 0)))",
}


@pytest.mark.parametrize(("wkt", "sure"), [*((w, True) for w in SURE.values()), *((w, False) for w in UNSURE.values())])
def test_known_outlines(wkt: str, sure: bool):
    with np.errstate(invalid="ignore"):  # GEOS does so to read NaN
        outline = from_wkt(wkt)
    assert surely_valid(np.array([None, outline], np.object_)).tolist() == [False, sure]


def test_rings_with_very_many_vertices_are_left_to_geos():
    angles = np.linspace(0, 2 * np.pi, MOST_VERTICES + 1)[:-1]
    circle = shapely.polygons(np.column_stack((np.cos(angles), np.sin(angles))))
    assert not surely_valid(np.array([circle], np.object_))[0]
    assert valid_outlines(np.array([circle], np.object_))[0]


def drawn(random: np.random.Generator, kind: int) -> shapely.Geometry:
    """A ring on a coarse grid, where touching and collinear edges are common; or star-shaped; or any; or far away."""
    count = int(random.integers(3, 12))
    if kind == 0:
        points = random.integers(0, 4, (count, 2)).astype(float)
    elif kind == 1:
        angles, lengths = np.sort(random.uniform(0, 2 * np.pi, count)), random.uniform(0.1, 1, count)
        points = np.column_stack((lengths * np.cos(angles), lengths * np.sin(angles)))
    elif kind == 2:
        points = random.uniform(0, 1, (count, 2))
    else:  # a few units of the last place apart
        points = 1e6 + random.integers(0, 6, (count, 2)) * 2.0**-33
    return shapely.polygons(np.append(points, points[:1], axis=0))


@pytest.mark.parametrize("kind", range(4))
def test_what_is_sure_is_valid_for_geos(kind: int):
    random = np.random.default_rng(kind)
    outlines = np.array([drawn(random, kind) for _ in range(20_000)], np.object_)
    sure, valid = surely_valid(outlines), shapely.is_valid(outlines)
    assert not (sure & ~valid).any()
    assert sure.sum() > (0.7, 0.99, 0.99, 0.05)[kind] * valid.sum()
