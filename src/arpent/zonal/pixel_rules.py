"""Pixel rules: determines which samples belong to a polygon by the requested rule, and the covered share of each."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.boundary.rings import rings_of
from arpent.domain.errors import InvalidRequest
from arpent.domain.feature import Features
from arpent.domain.grid import AS_THE_SERVICE, Grids, PixelRule, Rule, Samples
from arpent.zonal.pixel_coverage import pixel_coverage
from arpent.zonal.rasterize import longer, to_grid

LEAST = 1e-9
"""Share of a sample that must be covered for it to count as touched; a smaller share may be a rounding error."""
SEAM = 0.002
"""Distance in metres below which parts of a polygon count as connected when the polygon is shrunk. Such parts share an
edge, for example at the 180th meridian, where many formats require polygons to be cut."""
WHOLE = (1, 1)
"""Sub-samples per sample along x and y: samples are not divided."""


def samples_inside(
    features: Features, grids: Grids, rule: PixelRule, windows: NDArray[np.int64] | None = None
) -> Samples:
    """The samples of each feature by the rule. `windows` (n, 2): first row and the one after the last, to which the
    samples are limited; None: all rows. The grids are those of the whole polygons, even if only inner parts count."""
    if rule == AS_THE_SERVICE:
        return pixel_coverage(features, grids, windows)
    wanted = _inner(features, rule)
    found = _found(wanted, grids, rule, windows)
    if not rule.nearest:
        return found
    lacking, places = _nearest(np.flatnonzero(found.counts == 0), features, grids, windows)
    if windows is not None and len(lacking):  # the feature may have samples in other windows
        rest = _found(wanted.take(lacking), grids.take(lacking), rule, None).counts == 0
        lacking, places = lacking[rest], places[rest]
    return _with(found, lacking, places)


def check_metres(crs: CRS, rule: PixelRule) -> None:
    """Raises InvalidRequest if the rule needs metres and the CRS is in degrees."""
    if rule.inner and crs.is_geographic:
        raise InvalidRequest.at(
            "aggregation->pixels", "inner:METRES needs features in a CRS in metres, and theirs is in degrees"
        )


def covered_shares(features: Features, grids: Grids, samples: Samples, rule: PixelRule) -> NDArray[np.float64]:
    """(N,): share of each sample that its polygon (or the inner part that counts) covers; exact except for rounding. A
    sample that is the only one of its feature, and only because it is the nearest, has the share 1."""
    wanted = _inner(features, rule)
    vertices, rings, polygons = _turned_rings(wanted)
    shapes = np.column_stack((grids.width, grids.height))
    shares = np.zeros(len(samples))
    spans = (samples.offsets, samples.span_offsets, samples.spans)
    _shares(vertices, rings, polygons, np.ascontiguousarray(grids.bounds, np.float64), shapes, spans, shares)
    if rule.nearest:
        alone = np.repeat(samples.counts == 1, samples.counts)
        shares[alone & (shares <= LEAST)] = 1.0
    return shares


def _inner(features: Features, rule: PixelRule) -> Features:
    if rule.inner == 0.0:
        return features
    check_metres(features.crs, rule)
    distance = inner_distance(features.crs, rule)
    outlines = _without_seams(features.geometries, SEAM / rule.inner * distance)
    return features.reshaped(np.asarray(shapely.buffer(outlines, -distance), np.object_))


def _without_seams(outlines: NDArray[np.object_], width: float) -> NDArray[np.object_]:
    """The outlines, in which gaps narrower than `width` between parts of the same outline are filled."""
    found = outlines.copy()
    for row in np.flatnonzero(shapely.get_num_geometries(outlines) > 1):
        parts = shapely.get_parts(outlines[row])  # one by one, since GEOS may fail on parts with shared edges
        wider = shapely.union_all(shapely.buffer(parts, width / 2, join_style="mitre"))
        if shapely.get_num_geometries(wider) < shapely.get_num_geometries(outlines[row]):
            found[row] = shapely.buffer(wider, -width / 2, join_style="mitre")
    return found


def inner_distance(crs: CRS, rule: PixelRule) -> float:
    """The distance by which polygons are shrunk, in units of the CRS."""
    return rule.inner / float(crs.axis_info[0].unit_conversion_factor)


def _turned_rings(features: Features) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The result of `rings_of`, with shells and holes turning in opposite directions; the vertices may be
    overwritten."""
    return rings_of(np.asarray(shapely.normalize(features.geometries), np.object_))


def _found(features: Features, grids: Grids, rule: PixelRule, windows: NDArray[np.int64] | None) -> Samples:
    if rule.kind is Rule.SERVICE:
        return pixel_coverage(features, grids, windows)
    vertices, rings, polygons = _turned_rings(features)
    shapes = np.column_stack((grids.width, grids.height))
    bounds = np.ascontiguousarray(grids.bounds, np.float64)
    if windows is None:
        windows = np.column_stack((np.zeros_like(grids.height), grids.height))
    centre = rule.kind is Rule.CENTRE
    offsets, span_offsets, spans = _scan(vertices, rings, polygons, bounds, shapes, windows, centre)
    return Samples(offsets=offsets, span_offsets=span_offsets, spans=spans)


def _nearest(
    lacking: NDArray[np.intp], features: Features, grids: Grids, windows: NDArray[np.int64] | None
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """For features without samples, the sample at a point inside the polygon. Returns those of `lacking` whose sample
    lies in their window, and the spans (k, 3) of these samples."""
    points = shapely.point_on_surface(features.geometries[lacking])
    x, y = np.nan_to_num(shapely.get_x(points)), np.nan_to_num(shapely.get_y(points))
    size, bounds = grids.pixel_size[lacking], grids.bounds[lacking]
    columns = np.clip((x - bounds[:, 0]) // size[:, 0], 0, grids.width[lacking] - 1)
    rows = np.clip((bounds[:, 3] - y) // size[:, 1], 0, grids.height[lacking] - 1)
    spans = np.column_stack((rows, columns, np.ones(len(lacking)))).astype(np.int32)
    if windows is None:
        return lacking, spans
    seen = (spans[:, 0] >= windows[lacking, 0]) & (spans[:, 0] < windows[lacking, 1])
    return lacking[seen], spans[seen]


def _with(samples: Samples, lacking: NDArray[np.intp], spans: NDArray[np.int32]) -> Samples:
    """The samples, with one added for each feature in `lacking`, given by `spans`."""
    if not len(lacking):
        return samples
    counts, span_counts = samples.counts.copy(), np.diff(samples.span_offsets)
    added = np.insert(samples.spans, samples.span_offsets[lacking], spans, axis=0)
    counts[lacking], span_counts[lacking] = 1, 1
    return Samples(
        offsets=np.append(0, np.cumsum(counts)), span_offsets=np.append(0, np.cumsum(span_counts)), spans=added
    )


# The kernels below clip rows to the window and columns to the grid, so that no index is out of bounds.


@njit(cache=True, nogil=True, error_model="numpy")
def _add(sums: NDArray[np.float64], row: int, column: int, width: int, fall: float, middle: float) -> None:
    """Add a piece of an outline that lies within one column and descends by `fall`; everything to its right counts as
    covered. `middle`: x of the piece's middle."""
    if column < 0:
        sums[row, 0] += fall
    elif column < width:
        sums[row, column] += fall * (column + 1.0 - middle)
        sums[row, column + 1] += fall * (middle - column)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_row(sums: NDArray[np.float64], row: int, width: int, start: float, end: float, fall: float) -> None:
    """Add a piece of an outline that lies within one row, from x `start` to `end`."""
    low, high = min(start, end), max(start, end)
    length = high - low
    if not length > 0.0:
        _add(sums, row, math.floor(min(max(low, -1.0), float(width))), width, fall, low)
        return
    slope = fall / length
    if low < 0.0:
        _add(sums, row, -1, width, slope * (min(high, 0.0) - low), 0.0)
    begin, last = max(low, 0.0), min(high, float(width))
    column = math.floor(min(begin, float(width)))
    while begin < last and column < width:
        stop = min(last, column + 1.0)
        _add(sums, row, column, width, slope * (stop - begin), (begin + stop) / 2.0)
        begin, column = stop, column + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _cover(
    vertices: NDArray[np.float64], mine: NDArray[np.int64], first: int, last: int, width: int, sums: NDArray[np.float64]
) -> None:
    """Fill `sums` (last - first, width + 1) so that the running sum of a row is the covered share of each of its
    samples, with a sign. `vertices`: in samples of the grid, y downwards; shells and holes turn in opposite
    directions."""
    sums[:] = 0.0
    for ring in range(len(mine) - 1):
        for i in range(mine[ring], mine[ring + 1] - 1):
            xa, ya, xb, yb = vertices[i, 0], vertices[i, 1], vertices[i + 1, 0], vertices[i + 1, 1]
            sign = 1.0
            if ya > yb:
                xa, ya, xb, yb, sign = xb, yb, xa, ya, -1.0
            top, bottom = max(ya, float(first)), min(yb, float(last))
            if not top < bottom:
                continue
            slope = (xb - xa) / (yb - ya)
            row = math.floor(top)
            while row < last and row < bottom:
                begin, end = max(top, float(row)), min(bottom, row + 1.0)
                start, stop = xa + (begin - ya) * slope, xa + (end - ya) * slope
                if begin < end:
                    _add_row(sums, row - first, width, start, stop, sign * (end - begin))
                row += 1
    for row in range(last - first):
        total = 0.0
        for column in range(width):
            total += sums[row, column]
            sums[row, column] = abs(total)


@njit(cache=True, nogil=True, error_model="numpy")
def _centres(
    vertices: NDArray[np.float64], mine: NDArray[np.int64], first: int, last: int, width: int, sums: NDArray[np.float64]
) -> None:
    """Fill `sums` so that the running sum is 1 where a sample's centre lies inside, even-odd over all rings."""
    sums[:] = 0.0
    for ring in range(len(mine) - 1):
        for i in range(mine[ring], mine[ring + 1] - 1):
            xa, ya, xb, yb = vertices[i, 0], vertices[i, 1], vertices[i + 1, 0], vertices[i + 1, 1]
            if ya > yb:
                xa, ya, xb, yb = xb, yb, xa, ya
            if not ya < yb:
                continue
            low = int(max(math.ceil(max(ya, first - 1.0) - 0.5), first))
            high = int(min(math.ceil(min(yb, last + 1.0) - 0.5), last))
            for row in range(low, high):
                x = math.ceil(xa + (row + 0.5 - ya) / (yb - ya) * (xb - xa) - 0.5)
                column = int(min(max(x, 0.0), float(width)))
                sums[row - first, column] = 1.0 - sums[row - first, column]
    for row in range(last - first):
        inside = 0.0
        for column in range(width):
            inside = abs(inside - sums[row, column])
            sums[row, column] = inside


@njit(cache=True, nogil=True, error_model="numpy")
def _scan(
    vertices: NDArray[np.float64],
    rings: NDArray[np.int64],
    polygons: NDArray[np.int64],
    bounds: NDArray[np.float64],
    shapes: NDArray[np.int64],
    windows: NDArray[np.int64],
    centre: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Samples whose centre lies inside (`centre`), or of which more than LEAST is covered. For the other arguments and
    the result see `rasterize.scan`."""
    n = len(polygons) - 1
    offsets, span_offsets = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    spans, held, total = np.empty((1024, 3), np.int32), 0, np.int64(0)
    for k in range(n):
        mine = rings[polygons[k] : polygons[k + 1] + 1]
        width, first, last = shapes[k, 0], max(windows[k, 0], 0), min(windows[k, 1], shapes[k, 1])
        if first < last and len(mine) > 1 and to_grid(vertices, mine[0], mine[-1], bounds[k], shapes[k], WHOLE):
            sums = np.empty((last - first, width + 1))
            if centre:
                _centres(vertices, mine, first, last, width, sums)
            else:
                _cover(vertices, mine, first, last, width, sums)
            for row in range(last - first):
                begin = -1
                for column in range(width + 1):
                    inside = column < width and sums[row, column] > LEAST
                    if inside and begin < 0:
                        begin = column
                    elif not inside and begin >= 0:
                        if held == len(spans):
                            spans = longer(spans, held + 1)
                        spans[held, 0], spans[held, 1], spans[held, 2] = row + first, begin, column - begin
                        total += column - begin
                        held, begin = held + 1, -1
        offsets[k + 1], span_offsets[k + 1] = total, held
    return offsets, span_offsets, spans[:held].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _shares(
    vertices: NDArray[np.float64],
    rings: NDArray[np.int64],
    polygons: NDArray[np.int64],
    bounds: NDArray[np.float64],
    shapes: NDArray[np.int64],
    samples: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]],
    out: NDArray[np.float64],
) -> None:
    """Fill `out` (N,) with the covered share of each sample. `samples`: offsets, offsets of spans, and spans, which lie
    in the features' grids."""
    offsets, span_offsets, spans = samples
    for k in range(len(polygons) - 1):
        mine = rings[polygons[k] : polygons[k + 1] + 1]
        begin, end = span_offsets[k], span_offsets[k + 1]
        if begin == end or len(mine) < 2 or not to_grid(vertices, mine[0], mine[-1], bounds[k], shapes[k], WHOLE):
            continue
        first, last = spans[begin, 0], spans[begin, 0] + 1
        for span in range(begin, end):
            first, last = min(first, spans[span, 0]), max(last, spans[span, 0] + 1)
        sums = np.empty((last - first, shapes[k, 0] + 1))
        _cover(vertices, mine, first, last, shapes[k, 0], sums)
        place = offsets[k]
        for span in range(begin, end):
            row, column = spans[span, 0] - first, spans[span, 1]
            for i in range(spans[span, 2]):
                out[place] = min(sums[row, column + i], 1.0)
                place += 1
