"""Vector tiles, read back by GDAL."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import pytest
import shapely
from pyproj import CRS, Transformer

from arpent.adapters.formats.results.layer import WORLD, FeatureLayer
from arpent.adapters.formats.results.vector_tile import EXTENT, TileFeatures, encode

HOLED = shapely.Polygon([(100, 100), (900, 100), (900, 900), (100, 900)], [[(300, 300), (300, 600), (600, 600)]])


def read(payload: bytes, folder: Path) -> pd.DataFrame:
    """The features of a tile as GDAL reads them."""
    path = folder / "0.mvt"
    path.write_bytes(payload)
    return pyogrio.read_dataframe(path, layer="features")


def some(*polygons: shapely.Polygon, rows: list[int] | None = None, values: list[float] | None = None) -> TileFeatures:
    rows = list(range(len(polygons))) if rows is None else rows
    count = max(rows, default=-1) + 1
    return TileFeatures(
        ids=np.arange(count) * 1000 + 7,
        values=np.array(values or [0.5] * count, float),
        verdicts=np.arange(count) % 3,
        rows=np.array(rows, np.int64),
        polygons=np.array(polygons, object),
    )


def area(shape: shapely.Geometry) -> float:
    return float(abs(shapely.area(shape)))


def test_gdal_reads_ids_numbers_verdicts_and_areas(tmp_path: Path) -> None:
    squares = [shapely.box(10, 10, 60, 40), HOLED, shapely.box(-50, 0, 5, 200), shapely.box(1, 1, 9, 3)]
    frame = read(encode(some(*squares, rows=[0, 1, 2, 2], values=[0.25, np.nan, -1234.5])), tmp_path)
    assert frame["mvt_id"].tolist() == [7, 1007, 2007]
    assert frame["verdict"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(frame["value"], [0.25, np.nan, -1234.5], rtol=1e-3)
    areas = [area(each) for each in frame.geometry]
    scale = areas[0] / (50 * 30)
    assert areas == pytest.approx([1500 * scale, area(HOLED) * scale, (55 * 200 + 16) * scale])
    (holed,) = shapely.get_parts(frame.geometry.iloc[1])
    assert len(holed.interiors) == 1
    assert len(shapely.get_parts(frame.geometry.iloc[2])) == 2


@pytest.mark.parametrize("number", [0.7, -0.7, 1.0009, -1.0009, 123.456, 5e-324, 3.4028234e38, 0.0, -np.inf])
def test_numbers_are_rounded_to_half_a_thousandth(tmp_path: Path, number: float) -> None:
    (value,) = read(encode(some(HOLED, values=[number])), tmp_path)["value"]
    assert value == pytest.approx(number, rel=2**-11 if number < 1e38 else 2**-10)


def test_both_windings_give_the_same_polygon(tmp_path: Path) -> None:
    turned = shapely.Polygon(HOLED.exterior.coords[::-1], [HOLED.interiors[0].coords[::-1]])
    one, other = (read(encode(some(each)), tmp_path).geometry[0].normalize() for each in (HOLED, turned))
    assert one.equals(other)
    assert [len(part.interiors) for part in shapely.get_parts(other)] == [1]


def test_what_vanishes_is_left_out(tmp_path: Path) -> None:
    sliver, dot = shapely.box(5, 5, 5.2, 90), shapely.box(7.1, 7.1, 7.3, 7.3)
    assert encode(some(sliver, dot)) == b""
    assert encode(some()) == b""
    assert read(encode(some(dot, HOLED)), tmp_path)["mvt_id"].tolist() == [1007]
    vanishing = shapely.Polygon(HOLED.exterior.coords, [[(300, 300), (300.1, 300.2), (300.2, 300)]])
    assert area(read(encode(some(vanishing)), tmp_path).geometry[0]) > area(
        read(encode(some(HOLED)), tmp_path).geometry[0]
    )


def test_large_ids_and_far_coordinates_survive(tmp_path: Path) -> None:
    features = TileFeatures(
        ids=np.array([2**52 + 1, -4]),
        values=np.array([1e30, 2.0]),
        verdicts=np.array([0, 0]),
        rows=np.array([0, 1]),
        polygons=np.array([shapely.box(-20000, -20000, 20000, 20000), shapely.box(0, 0, 9, 9)], object),
    )
    frame = read(encode(features), tmp_path)
    assert frame["mvt_id"].iloc[0] == 2**52 + 1
    assert np.isclose(frame["value"].iloc[0], 1e30, rtol=1e-3)


def layer(shapes: list[shapely.Geometry | None], crs: int = 32633) -> FeatureLayer:
    boxes = shapely.bounds(np.array(shapes, object)).reshape(-1, 4)
    return FeatureLayer(
        ids=np.arange(1, len(shapes) + 1),
        identifiers=pa.chunked_array([pa.array([None] * len(shapes), pa.string())]),
        geometries=pa.chunked_array([pa.array(shapely.to_wkb(np.array(shapes, object)), pa.binary())]),
        boxes=boxes,
        crs=CRS.from_epsg(crs),
    )


def tile_at(lon: float, lat: float, zoom: int) -> tuple[int, int, int]:
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(lon, lat)
    side = 2 * WORLD / 2**zoom
    return zoom, int((x + WORLD) // side), int((WORLD - y) // side)


def seen(found: FeatureLayer, tile: tuple[int, int, int]) -> TileFeatures:
    return found.within(tile, np.arange(len(found.ids), dtype=float), np.zeros(len(found.ids), np.int64))


def test_a_field_lies_where_it_is() -> None:
    """A tile's square as a field in degrees: it fills its tile and a margin of its neighbours."""
    zoom, column, row = tile_at(15.2, 45.1, 14)
    side = 2 * WORLD / 2**14
    west, north = column * side - WORLD, WORLD - row * side
    back = Transformer.from_crs(3857, 4326, always_xy=True)
    (one, two), (three, four) = back.transform([west, west + side], [north - side, north])
    found = layer([shapely.box(one, three, two, four)], 4326)
    (polygon,) = seen(found, (zoom, column, row)).polygons
    np.testing.assert_allclose(polygon.bounds, [0, 0, EXTENT, EXTENT], atol=0.01)
    beside = seen(found, (zoom, column + 1, row)).polygons
    assert all(shape.bounds[2] <= 0.01 for shape in beside)
    assert len(seen(found, (zoom, column + 2, row)).ids) == 0


def test_a_large_field_is_cut_along_the_tile() -> None:
    found = layer([shapely.box(400_000, 4_900_000, 600_000, 5_100_000)])
    features = seen(found, tile_at(15.1, 45.2, 14))
    assert features.ids.tolist() == [1]
    np.testing.assert_allclose(features.polygons[0].bounds, [-64, -64, EXTENT + 64, EXTENT + 64])


def test_small_fields_share_squares_however_many_there_are() -> None:
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(200) * 50.0, np.arange(200) * 50.0))
    shapes = list(shapely.box(500_000 + x, 5_000_000 + y, 500_040 + x, 5_000_040 + y))
    found = layer(shapes)
    far = seen(found, tile_at(15.06, 45.18, 6))
    assert 1 <= len(far.ids) <= 40  # 10 km on a tile of 440 km and squares of 4 pixels
    assert all(area(shape) == 32 * 32 for shape in far.polygons)
    middle = seen(found, tile_at(15.06, 45.18, 11))
    assert 500 < len(middle.ids) < len(shapes)
    near = seen(found, tile_at(15.06, 45.18, 15))
    assert all(area(shape) > 0 for shape in near.polygons)
    assert len(gzip.compress(encode(middle), 4)) < 150_000


def test_what_has_no_area_is_on_no_tile() -> None:
    shapes = [None, shapely.Polygon(), shapely.LineString([(500_000, 5_000_000), (500_900, 5_000_900)])]
    found = layer([*shapes, shapely.box(500_000, 5_000_000, 500_900, 5_000_900)])
    features = seen(found, tile_at(15.005, 45.155, 13))
    assert features.ids[features.rows].tolist() == [4]
    assert layer([None]).extent() is None
    assert layer([shapely.Polygon()]).extent() is None


def test_the_extent_is_in_degrees() -> None:
    west, south, east, north = layer([shapely.box(499_000, 5_000_000, 501_000, 5_001_000)]).extent() or (0,) * 4
    assert (west + east) / 2 == pytest.approx(15, abs=1e-6)
    assert south == pytest.approx(45.153, abs=0.001)
    assert north - south == pytest.approx(1000 / 111_200, rel=0.02)
