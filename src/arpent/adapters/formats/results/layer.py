"""Layer: the features of a job on the map, and which of them are in a tile of Web Mercator."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.adapters.formats.results.vector_tile import EXTENT, TileFeatures

WORLD = 20_037_508.342789244
"""Metres from the middle of Web Mercator to its edge."""
PIXELS = 512
"""Pixels of a tile's side on the screen."""
SMALL = 4
"""Features smaller than this many pixels are drawn as squares of this size, one for all features in it, which limits
their number in a tile however many features there are."""
FINE = 0.5
"""Tolerance in pixels when outlines are simplified, so that invisible points are not sent. Tiles cut the outline only
after that, so that it matches across their edges."""
MARGIN = 8
"""Pixels beyond the tile's edge that are included, so that outlines along the cut are not visible."""


@dataclass(frozen=True)
class FeatureLayer:
    """The features of a job."""

    ids: NDArray[np.int64]
    """(n,): primary keys."""
    identifiers: pa.ChunkedArray
    """(n,): identifiers, null where there is none."""
    geometries: pa.ChunkedArray = field(repr=False)
    """(n,): geometries as WKB, in the CRS of the file."""
    boxes: NDArray[np.float64] = field(repr=False)
    """(n, 4): xmin, ymin, xmax, ymax in the CRS of the file, NaN where there is no geometry."""
    crs: CRS
    """The CRS of the file."""

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """(n, 4): west, south, east, north in metres of Web Mercator, NaN where there are none."""
        corners = self.boxes[:, [0, 1, 0, 3, 2, 1, 2, 3]].reshape(-1, 2)
        x, y = Transformer.from_crs(self.crs, "EPSG:3857", always_xy=True).transform(corners[:, 0], corners[:, 1])
        x, y = np.asarray(x).reshape(-1, 4), np.asarray(y).reshape(-1, 4)
        found = np.column_stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)])
        found[~np.isfinite(found).all(axis=1)] = np.nan
        return found

    def extent(self, row: int | None = None) -> tuple[float, float, float, float] | None:
        """West, south, east, north in degrees: of one feature, or of all; None if there is nothing to see."""
        bounds = self.bounds if row is None else self.bounds[row : row + 1]
        bounds = bounds[np.isfinite(bounds[:, 0])]
        if not len(bounds):
            return None
        low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
        back = Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)
        (west, east), (south, north) = back.transform([low[0], high[0]], [low[1], high[1]])
        return float(west), float(south), float(east), float(north)

    def within(
        self, tile: tuple[int, int, int], values: NDArray[np.float64], verdicts: NDArray[np.int64]
    ) -> TileFeatures:
        """The features of the tile (zoom, column, row), with the number and verdict (n,) of each."""
        zoom, column, line = tile
        side = 2 * WORLD / 2**zoom
        corner = np.array([column * side - WORLD, WORLD - line * side])
        west, north = corner
        spare = side * MARGIN / PIXELS
        bounds = self.bounds
        near = (bounds[:, 0] <= west + side + spare) & (bounds[:, 2] >= west - spare)
        near &= (bounds[:, 1] <= north + spare) & (bounds[:, 3] >= north - side - spare)
        rows = np.flatnonzero(near)
        spans = np.maximum(bounds[rows, 2] - bounds[rows, 0], bounds[rows, 3] - bounds[rows, 1]) * PIXELS / side
        small = spans < SMALL
        dots, squares = self._squares(rows[small], spans[small], corner, side)
        owners, polygons = self._polygons(rows[~small], corner, side)
        every = np.concatenate([dots, owners])
        order = np.argsort(every, kind="stable")
        shown, places = np.unique(every, return_inverse=True)
        return TileFeatures(
            ids=self.ids[shown],
            values=values[shown],
            verdicts=verdicts[shown],
            rows=places[order],
            polygons=np.concatenate([squares, polygons])[order],
        )

    def _squares(
        self, rows: NDArray[np.intp], spans: NDArray[np.float64], corner: NDArray[np.float64], side: float
    ) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
        """The largest feature of each square, and the square."""
        middle = (self.bounds[rows, :2] + self.bounds[rows, 2:]) / 2
        cells = np.floor((middle - corner) * [1, -1] * PIXELS / side / SMALL).astype(np.int64)
        across = PIXELS // SMALL + 1
        inside = ((cells >= 0) & (cells < across)).all(axis=1)
        rows, cells, spans = rows[inside], cells[inside], spans[inside]
        largest = np.argsort(-spans, kind="stable")
        _, first = np.unique(cells[largest, 1] * across + cells[largest, 0], return_index=True)
        chosen = largest[first]
        size = SMALL * EXTENT / PIXELS
        low = cells[chosen] * size
        return rows[chosen], np.asarray(shapely.box(low[:, 0], low[:, 1], low[:, 0] + size, low[:, 1] + size), object)

    def _polygons(
        self, rows: NDArray[np.intp], corner: NDArray[np.float64], side: float
    ) -> tuple[NDArray[np.intp], NDArray[np.object_]]:
        """The polygons of features, in units of the tile and clipped to it, and the row (p,) of each."""
        if not len(rows):
            return np.zeros(0, np.intp), np.zeros(0, object)
        project = Transformer.from_crs(self.crs, "EPSG:3857", always_xy=True)

        def placed(points: NDArray[np.float64]) -> NDArray[np.float64]:
            x, y = project.transform(points[:, 0], points[:, 1])
            return (np.column_stack([x, y]) - corner) * [1, -1] * EXTENT / side

        found = shapely.from_wkb(self.geometries.take(pa.array(rows)).to_numpy(), on_invalid="ignore")
        whole = shapely.transform(shapely.force_2d(found), placed)
        shapes = np.asarray(shapely.simplify(whole, FINE * EXTENT / PIXELS), object)
        edge = MARGIN * EXTENT / PIXELS
        over = shapely.bounds(shapes)
        crossing = (over[:, :2] < -edge).any(axis=1) | (over[:, 2:] > EXTENT + edge).any(axis=1)
        shapes[crossing] = shapely.clip_by_rect(shapes[crossing], -edge, -edge, EXTENT + edge, EXTENT + edge)
        parts, owners = shapely.get_parts(shapes, return_index=True)
        deeper, inner = shapely.get_parts(parts, return_index=True)  # a multipolygon in a collection
        owners = owners[inner]
        flat = (shapely.get_type_id(deeper) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(deeper)
        return rows[owners[flat]], deeper[flat]
