"""Which samples lie inside: cases that can be checked by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.domain.boundary.rings import rings_of
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Resolution, Samples
from arpent.zonal.pixel_coverage import pixel_coverage
from arpent.zonal.rasterize import MINIMUM, SLOTS, SUB_COLUMNS, SUB_ROWS, WIDEST, scan


def cut(geometries: list[shapely.Geometry | None], bounds: tuple[float, ...], width: int, height: int) -> Samples:
    n = len(geometries)
    features = Features(
        crs=CRS(32633), ids=np.arange(n), identifiers=(None,) * n, geometries=np.array(geometries, dtype=object)
    )
    grids = Grids(bounds=np.tile(bounds, (n, 1)), width=np.full(n, width), height=np.full(n, height))
    return pixel_coverage(features, grids)


def cells(samples: Samples, feature: int = 0) -> set[tuple[int, int]]:
    mine = slice(samples.offsets[feature], samples.offsets[feature + 1])
    return set(zip(samples.rows[mine].tolist(), samples.columns[mine].tolist(), strict=True))


def test_row_zero_is_the_north():
    assert cells(cut([shapely.box(0, 9, 1, 10)], (0, 0, 10, 10), 10, 10)) == {(0, 0)}


def test_samples_come_row_by_row():
    samples = cut([shapely.box(0, 0, 3, 2)], (0, 0, 3, 2), 3, 2)
    assert samples.rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.columns.tolist() == [0, 1, 2, 0, 1, 2]
    assert samples.counts.tolist() == [6]


@pytest.mark.parametrize(("sub_columns", "inside"), [(6, False), (7, True)])
def test_seven_sub_samples_make_a_sample(sub_columns: int, inside: bool):
    # One scan line high (the first of eight), so many of 256 sub-columns wide.
    sliver = shapely.box(0, 1 - 1 / 8, sub_columns / 256, 1)
    assert bool(cells(cut([sliver], (0, 0, 1, 1), 1, 1))) is inside


def test_a_hole_is_outside():
    ring = shapely.Polygon(shapely.box(0, 0, 5, 5).exterior, [shapely.box(1, 1, 4, 4).exterior])
    assert len(cells(cut([ring], (0, 0, 5, 5), 5, 5))) == 16


def test_parts_count_together():
    both = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(4, 4, 5, 5)])
    assert cells(cut([both], (0, 0, 5, 5), 5, 5)) == {(4, 0), (0, 4)}


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        shapely.Polygon(),
        shapely.MultiPolygon(),
        shapely.Point(1, 1),
        shapely.LineString([(0, 0), (4, 4)]),
        shapely.GeometryCollection(),
        shapely.Polygon([(1, 1), (1, 1), (1, 1)]),
    ],
)
def test_what_has_no_area_has_no_samples(nothing: shapely.Geometry | None):
    square = shapely.box(0, 0, 1, 1)
    samples = cut([square, nothing, square], (0, 0, 5, 5), 5, 5)
    assert samples.counts.tolist() == [1, 0, 1]


def test_a_collection_counts_its_polygons():
    inner = shapely.GeometryCollection([shapely.box(0, 0, 1, 1), shapely.Point(3, 3)])
    outer = shapely.GeometryCollection([inner, shapely.box(4, 4, 5, 5)])
    assert cut([outer], (0, 0, 5, 5), 5, 5).counts.tolist() == [2]


def test_nan_bounds_and_no_features():
    samples = cut([shapely.Polygon()], (np.nan,) * 4, 1, 1)
    assert samples.counts.tolist() == [0]
    assert len(cut([], (0, 0, 1, 1), 1, 1)) == 0


def test_a_polygon_beyond_its_grid_is_cut():
    assert cut([shapely.box(-1e9, -50, 1e9, 50)], (0, 0, 5, 5), 5, 5).counts.tolist() == [25]


def test_buffers_grow():
    polygons = np.array([shapely.box(0, 0, 50, 50)] * 7)
    shapes, bounds = np.full((7, 2), 50), np.tile((0.0, 0.0, 50.0, 50.0), (7, 1))
    offsets, span_offsets, spans = scan(
        *rings_of(polygons), bounds, shapes, np.column_stack((0 * shapes[:, 1], shapes[:, 1])), 10
    )
    assert offsets.tolist() == [2500 * k for k in range(8)]
    assert span_offsets.tolist() == [50 * k for k in range(8)]
    assert spans.tolist() == [[row, 0, 50] for row in range(50)] * 7


@pytest.mark.parametrize("polygon", [[(0, 0), (1e-310, 0), (0, 10)], [(0, 0), (10, 0), (0, 1e-310)]])
def test_a_grid_of_next_to_no_extent_has_no_samples(polygon: list[tuple[float, float]]):
    """Scaled to its grid, its vertices are no numbers; crossings made of them lay far before the buffers."""
    thin = shapely.Polygon(polygon)
    square = shapely.box(0, 0, 30, 30)
    features = Features(
        crs=CRS(32633), ids=np.arange(2), identifiers=(None,) * 2, geometries=np.array([thin, square], dtype=object)
    )
    samples = pixel_coverage(features, Grids.over(features.bounds, Resolution(x=10, y=10)))
    assert samples.counts.tolist() == [0, 9]


def test_vertices_that_overflow_stay_within_the_grid():
    huge = shapely.Polygon([(-1e308, -1e308), (1e308, 0), (1e308, 1e308), (0, 1)])
    samples = cut([huge], (0, 0, 1e-5, 1e-5), 9, 9)
    assert samples.columns.min(initial=0) >= 0
    assert samples.columns.max(initial=0) < 9
    assert samples.rows.max(initial=0) < 9


def test_a_grid_too_wide_for_the_scan_is_refused():
    with pytest.raises(ValueError, match="columns"):
        cut([shapely.box(0, 0, 1, 1)], (0, 0, 1, 1), WIDEST + 1, 1)


def comb(teeth: int, width: float, height: float) -> shapely.Geometry:
    """A polygon whose upper scan lines cross it twice for each tooth, and the lower ones twice."""
    step = width / (2 * teeth)
    points = [(step * k, height * (0.4 + 0.6 * (k % 2)) + 0.03 * k) for k in range(2 * teeth + 1)]
    return shapely.Polygon([(0.0, 0.0), *points, (width, 0.0)])


def by_hand(polygon: shapely.Geometry, width: int, height: int) -> set[tuple[int, int]]:
    """Sub-sample by sub-sample, on a grid of samples of 1 x 1 with the origin at the bottom left."""
    counts = np.zeros((height, width), int)
    points = shapely.get_coordinates(polygon) * (SUB_COLUMNS, -SUB_ROWS) + (0, height * SUB_ROWS)
    for line in range(height * SUB_ROWS):
        crossings = []
        for (xa, ya), (xb, yb) in pairwise(points):
            if (ya <= line + 0.5) != (yb <= line + 0.5):
                (xl, yl), (xh, yh) = sorted([(xa, ya), (xb, yb)], key=lambda point: point[1])
                x = np.ceil(xl + (line + 0.5 - yl) * (xh - xl) / (yh - yl) - 0.5)
                crossings.append(int(np.clip(x, 0, width * SUB_COLUMNS)))
        crossings.sort()
        inside = np.zeros(width * SUB_COLUMNS, bool)
        for a, b in zip(crossings[::2], crossings[1::2], strict=True):
            inside[a:b] = True
        counts[line // SUB_ROWS] += inside.reshape(width, SUB_COLUMNS).sum(axis=1)
    return {(int(row), int(column)) for row, column in zip(*np.nonzero(counts >= MINIMUM), strict=True)}


@pytest.mark.parametrize("width", [9, 150], ids=["narrow", "wide"])
@pytest.mark.parametrize("teeth", [1, 2, SLOTS // 2, SLOTS // 2 + 1, 60])
def test_however_often_a_scan_line_is_crossed(width: int, teeth: int):
    """Up to SLOTS crossings of a line are stored in one way, more in another; two are filled in a third."""
    slanted = shapely.Polygon([(0.3, 0.2), (width - 2.5, 1.1), (width - 0.1, 9.7), (width / 2, 10.9), (1.6, 9.2)])
    for polygon in (comb(teeth, width - 0.3, 9.0), slanted):
        assert cells(cut([polygon], (0, 0, width, 12), width, 12)) == by_hand(polygon, width, 12)
