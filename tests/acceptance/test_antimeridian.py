"""Parcels and images at 180 degrees: every feature has the intervals of the same parcel far from it, whatever its CRS,
however footprints are written, and wherever the items lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.domain.feature import Features
from arpent.domain.partition import Partition
from arpent.engine.processing.process import process
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch
from arpent.worker import services_of
from tests.support.client import seed_body
from tests.support.geoparquet import write_geoparquet

STEP, SIDE = 0.001, 1000
NORTH = {"south": -16.0, "arctic": 75.0, "antarctic": -69.0}
"""North side of the images, in degrees."""
MOVED = 12.0
"""Degrees between a parcel and its twin: two zones of UTM."""
SCRIPT = """//VERSION=3
function setup() { return { input: [{ bands: ["B04", "dataMask"], units: "DN" }], mosaicking: "SIMPLE",
  output: [{ id: "x", bands: 1, sampleType: "FLOAT32" }, { id: "dataMask", bands: 1 }] } }
function evaluatePixel(s) { return { x: [s.B04], dataMask: [s.dataMask] } }"""
PARCELS = [(-0.0501, 0.0503), (-0.0203, 0.0), (0.0, 0.0207), (-0.3003, -0.25), (0.2, 0.2307), (-0.0004, 0.0403)]
"""West and east sides, in degrees from 180 (or from where the twins lie)."""


Box = list[float]


def box(west: float, east: float, south: float, north: float) -> shapely.Polygon:
    return shapely.segmentize(shapely.box(west, south, east, north), 0.25)


def turned(longitude: float) -> float:
    return (longitude + 180) % 360 - 180


def jumping(west: float, east: float, south: float, north: float) -> shapely.Polygon:
    """The ring as many write it: from 179 to -179 in one step."""
    return shapely.box(turned(west), south, turned(east), north)


def split(west: float, east: float, south: float, north: float) -> shapely.Geometry:
    if not west < 180 < east:
        return shapely.box(turned(west), south, turned(west) + east - west, north)
    return shapely.MultiPolygon([shapely.box(west, south, 180, north), shapely.box(-180, south, east - 360, north)])


FOOTPRINTS: dict[str, Callable[[float, float, float, float], shapely.Geometry]] = {
    "beyond 180": box,
    "beyond -180": lambda west, east, south, north: box(west - 360, east - 360, south, north),
    "split": split,
    "jumping": jumping,
}
BOXES: dict[str, Callable[[float, float, float, float], Box]] = {
    "west > east": lambda west, east, south, north: [turned(west), south, turned(east - 1e-9), north],
    "the world": lambda _west, _east, south, north: [-180, south, 180, north],
}


def items(folder: Path, middle: float, *, across: bool, place: str = "south", footprint: str = "beyond 180",
          sides: str | None = None) -> list[dict[str, Any]]:  # fmt: skip
    """Items of made images: one on each side of `middle`, or one across it. Pixels are the same at the same distance
    from it."""
    folder.mkdir()
    north = NORTH[place]
    found = []
    for name, west in {"across": -0.5}.items() if across else {"west": -1.0, "east": 0.0}.items():
        columns = np.arange(SIDE) + round((west + 1) / STEP)
        pixels = (np.arange(SIDE)[:, None] * 3 + columns[None] * 7 % 4001 + 1).astype(np.uint16)
        start = middle + west if across else turned(middle + west)
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint16",
            crs="EPSG:4326", transform=Affine(STEP, 0, start, 0, -STEP, north), tiled=True,
            blockxsize=256, blockysize=256,
        ) as image:  # fmt: skip
            image.write(pixels, 1)
        area = (middle + west, middle + west + 1, north - 1, north)
        geometry = FOOTPRINTS[footprint](*area)
        found.append({
            "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a", "links": [],
            "geometry": json.loads(shapely.to_geojson(geometry)),
            "bbox": list(geometry.bounds) if sides is None else BOXES[sides](*area),
            "properties": {"datetime": "2020-06-15T10:00:00Z", "earthsearch:boa_offset_applied": True},
            "assets": {"red": {"href": str(folder / f"{name}.tif")}},
        })  # fmt: skip
    return found


def parcels(middle: float, epsg: int, *, place: str = "south", beyond: float = 0.0) -> Features:
    """The parcels in a CRS; `beyond`: what is added to longitudes."""
    north = NORTH[place] - 0.4
    shapes = [box(middle + west + beyond, middle + east + beyond, north - 0.0203, north) for west, east in PARCELS]
    if epsg == 3857:  # PROJ would bring longitudes back
        shapes = [shapely.transform(shape, mercator) for shape in shapes]
    elif epsg != 4326:
        move = Transformer.from_crs(4326, epsg, always_xy=True).transform
        shapes = [shapely.transform(shape, lambda xy: np.column_stack(move(xy[:, 0], xy[:, 1]))) for shape in shapes]
    array = np.empty(len(shapes), object)
    array[:] = shapes
    ids = np.arange(1, len(shapes) + 1)
    return Features(crs=CRS.from_epsg(epsg), ids=ids, identifiers=tuple(map(str, ids)), geometries=array)


def mercator(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    radius = 6378137.0
    return np.column_stack((np.radians(xy[:, 0]), np.log(np.tan(np.pi / 4 + np.radians(xy[:, 1]) / 2)))) * radius


def intervals(folder: Path, catalog: Path | str, features: Features) -> list[Any]:
    """Per feature what its file says, without its id."""
    buckets = folder / "buckets"
    (buckets / "results").mkdir(parents=True, exist_ok=True)
    settings = Settings(catalog=str(catalog), buckets=buckets, parquet=False, script_seconds=10)
    june = {"from": "2020-06-01T00:00:00Z", "to": "2020-07-01T00:00:00Z"}
    size = STEP if features.crs.is_geographic else 93.7
    body = seed_body("s3://fields/any.gpkg", SCRIPT, timeRange=june, resx=size, resy=size)
    body["input"]["data"] = [{"type": "sentinel-2-l2a"}]
    process("job", parse_batch(json.dumps(body)), Partition(number=0, features=features), services_of(settings))
    results = buckets / "results" / "out" / "job"
    answers = [json.loads((results / f"{feature}.json").read_text())["response"] for feature in features.ids]
    for answer in answers:
        (entry,) = answer["data"]
        stats = entry["outputs"]["x"]["bands"]["B0"]["stats"]
        assert stats["sampleCount"] - stats["noDataCount"] > 100, "some of its pixels were found"
    return answers


def in_a_file(folder: Path, documents: list[dict[str, Any]]) -> Path:
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": documents}))
    return path


@pytest.mark.parametrize("across", [False, True], ids=["two images", "one image"])
@pytest.mark.parametrize(
    ("epsg", "twin", "beyond"),
    [(4326, 4326, 0), (4326, 4326, -360), (4326, 4326, 360), (3857, 3857, 0), (3857, 3857, -360),
     (32760, 32758, 0), (32701, 32759, 0)],
)  # fmt: skip
def test_a_parcel_has_the_intervals_of_its_twin(
    tmp_path: Path, epsg: int, twin: int, beyond: float, across: bool
) -> None:
    here = in_a_file(tmp_path, items(tmp_path / "here", 180.0, across=across))
    found = intervals(tmp_path / "a", here, parcels(180.0, epsg, beyond=beyond))
    far = 180.0 - MOVED
    there = in_a_file(tmp_path, items(tmp_path / "there", far, across=across))
    assert found == intervals(tmp_path / "b", there, parcels(far, twin))


@pytest.mark.parametrize(("epsg", "place"), [(3413, "arctic"), (3031, "antarctic"), (3995, "arctic")])
def test_a_polar_parcel_has_the_same_from_two_images_and_from_one(tmp_path: Path, epsg: int, place: str) -> None:
    two = in_a_file(tmp_path, items(tmp_path / "two", 180.0, across=False, place=place))
    found = intervals(tmp_path / "a", two, parcels(180.0, epsg, place=place))
    one = in_a_file(tmp_path, items(tmp_path / "one", 180.0, across=True, place=place))
    assert found == intervals(tmp_path / "b", one, parcels(180.0, epsg, place=place))


@pytest.mark.parametrize("kind", ["folder", "geoparquet"])
def test_footprints_may_be_written_in_any_way(tmp_path: Path, kind: str) -> None:
    far = 180.0 - MOVED
    there = in_a_file(tmp_path, items(tmp_path / "there", far, across=True))
    expected = intervals(tmp_path / "a", there, parcels(far, 4326))
    for number, (footprint, sides) in enumerate(product(FOOTPRINTS, (None, *BOXES))):
        documents = items(tmp_path / f"here{number}", 180.0, across=True, footprint=footprint, sides=sides)
        catalog = served(kind, tmp_path / f"here{number}", documents)
        found = intervals(tmp_path / f"b{number}", catalog, parcels(180.0, 4326))
        assert found == expected, (footprint, sides)


def served(kind: str, folder: Path, documents: list[dict[str, Any]]) -> Path:
    """The items in a catalogue of this kind, beside their images."""
    if kind == "geoparquet":
        write_geoparquet(folder / "items.parquet", documents)
        return folder / "items.parquet"
    for number, document in enumerate(documents):
        (folder / f"{number}.json").write_text(json.dumps(document))
    return folder
