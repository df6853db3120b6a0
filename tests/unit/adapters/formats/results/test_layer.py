"""What a tile of very many features weighs, and how true its outlines are."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import shapely
from pyproj import CRS

from arpent.adapters.formats.results.layer import FINE, PIXELS, WORLD, FeatureLayer
from arpent.adapters.formats.results.vector_tile import EXTENT, encode

ZOOM = 12
SIDE = 2 * WORLD / 2**ZOOM
"""Metres of a tile's side."""
CORNER = np.array([-WORLD, WORLD])
"""Its upper left corner, of the tile in column 0 and row 0."""


def layer(shapes: np.ndarray[tuple[int], np.dtype[np.object_]]) -> FeatureLayer:
    """Shapes in pixels from the corner, y downwards, as features in metres."""
    placed = shapely.transform(shapes, lambda xy: CORNER + xy * [1, -1] * SIDE / PIXELS)
    return FeatureLayer(
        ids=np.arange(len(shapes)),
        identifiers=pa.chunked_array([pa.nulls(len(shapes), pa.string())]),
        geometries=pa.chunked_array([pa.array(shapely.to_wkb(placed), pa.binary())]),
        boxes=shapely.bounds(placed),
        crs=CRS.from_epsg(3857),
    )


def parcels(count: int, size: float) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """(count²,): a lattice of parcels with 16 corners, a side of about `size` pixels, sides bent."""
    random = np.random.default_rng(1)
    fine = 4 * count + 1
    step = size / 4
    bent = random.uniform(-0.3, 0.3, (fine, fine, 2)) * step
    grid = np.stack(np.meshgrid(np.arange(fine), np.arange(fine)), axis=-1) * step + bent + 20
    rows, columns = (4 * each.ravel() for each in np.mgrid[:count, :count])
    down = np.array([0, 0, 0, 0, 0, 1, 2, 3, 4, 4, 4, 4, 4, 3, 2, 1, 0])
    along = np.array([0, 1, 2, 3, 4, 4, 4, 4, 4, 3, 2, 1, 0, 0, 0, 0, 0])
    rings = grid[rows[:, None] + down, columns[:, None] + along]
    return np.asarray(shapely.polygons(rings), object)


def test_a_view_of_very_many_features_stays_small() -> None:
    """The smallest features that keep their outlines: a view of 100,000 of them has less than 2 MB."""
    shapes = parcels(60, 4.8)
    found = layer(shapes).within((ZOOM, 0, 0), np.random.default_rng(2).random(len(shapes)), np.zeros(len(shapes), int))
    assert len(found.ids) == len(shapes)
    each = len(gzip.compress(encode(found), 4)) / len(shapes)
    assert each * 100_000 < 1_900_000  # those on the edges are in several tiles


def test_outlines_are_true_to_half_a_pixel() -> None:
    shapes = parcels(4, 60.0)
    found = layer(shapes).within((ZOOM, 0, 0), np.zeros(len(shapes)), np.zeros(len(shapes), int))
    units = EXTENT / PIXELS
    exact = shapely.transform(shapes, lambda xy: xy * units)
    assert (shapely.hausdorff_distance(found.polygons, exact) <= FINE * units + 1e-6).all()
    assert shapely.get_num_coordinates(found.polygons).sum() <= shapely.get_num_coordinates(exact).sum()
