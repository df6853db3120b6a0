"""Files that do not say where their pixels lie: the item does, in any format, or the refusal says what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import tifffile
import zarr
from affine import Affine
from pyproj import CRS
from rasterio.control import GroundControlPoint

import arpent
from arpent.adapters.catalogs.item import read_item
from arpent.adapters.collections.files import load_collections
from arpent.adapters.images.gdal_fallback import GdalImage
from arpent.adapters.images.geotiff import GeoTiff
from arpent.adapters.images.jp2.image import Jp2Image
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.item import Asset
from tests.support.cogs import formula, write
from tests.support.jpeg2000 import write_jp2

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
HEIGHT, WIDTH = 230, 310
PIXELS = formula(HEIGHT, WIDTH) % 4000
PLACE = Affine(10.0, 0.0, 600000.0, 0.0, -10.0, 5200020.0)
BOX = [600000.0, 5200020.0 - 10 * HEIGHT, 600000.0 + 10 * WIDTH, 5200020.0]
TOLD = {"proj:code": "EPSG:32633", "proj:transform": list(PLACE)[:6], "proj:shape": [HEIGHT, WIDTH], "proj:bbox": BOX}
NOWHERE: dict[str, Any] = {"crs": None, "transform": None}
FIELD = [shapely.box(16.325, 46.940, 16.335, 46.945)]
SCRIPT = """//VERSION=3
function setup() { return { input: ["B04", "dataMask"],
  output: [{ id: "red", bands: 1, sampleType: "FLOAT32" }, { id: "dataMask", bands: 1 }] }; }
function evaluatePixel(s) { return { red: [s.B04], dataMask: [s.dataMask] }; }"""
GROUND = [[16.2, 46.8], [16.5, 46.8], [16.5, 47.0], [16.2, 47.0], [16.2, 46.8]]


def plain_tiff(path: Path) -> str:
    tifffile.imwrite(path.with_suffix(".tif"), PIXELS, tile=(64, 64))
    return str(path.with_suffix(".tif"))


def plain_jp2(path: Path) -> str:
    return write_jp2(path.with_suffix(".jp2"), PIXELS, 64, RESOLUTIONS=3, **NOWHERE)


def codestream(path: Path) -> str:
    return write_jp2(path.with_suffix(".j2k"), PIXELS, 64, RESOLUTIONS=3, CODEC="J2K", **NOWHERE)


def one_tile(path: Path) -> str:
    return write_jp2(path.with_suffix(".jp2"), PIXELS, 1024, **NOWHERE)


def lerc(path: Path) -> str:
    return write(path.with_suffix(".tif"), PIXELS, compress="lerc", **NOWHERE)


def plain_zarr(path: Path) -> str:
    root = zarr.open_group(str(path.with_suffix(".zarr")), mode="w", zarr_format=2)
    array = root.create_array("b04", shape=PIXELS.shape, chunks=(64, 64), dtype=PIXELS.dtype, fill_value=0)
    array[...] = PIXELS
    return f"{path.with_suffix('.zarr')}/b04"


FORMATS = {
    plain_tiff: GeoTiff, plain_jp2: Jp2Image, codestream: Jp2Image, one_tile: None, lerc: GdalImage,
    plain_zarr: None,
}  # fmt: skip


def document(href: str, asset: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": "S2A_33TWN_20230813_0_L2A", "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [GROUND]}, "links": [],
        "properties": {"datetime": "2023-08-13T10:00:00Z", "s2:processing_baseline": "02.00", **own},
        "assets": {"B04": {"href": href, **asset}},
    }  # fmt: skip


def asset(href: str, asset: dict[str, Any], own: dict[str, Any] | None = None) -> Asset:
    collection = load_collections()["sentinel-2-l2a"]
    return read_item(document(href, asset, own or {}), collection, "/items/a.json").assets["B04"]


@pytest.fixture
def reader() -> Iterator[CogReader]:
    reader = CogReader()
    yield reader
    reader.close()


def described(reader: CogReader, found: Asset) -> tuple[CRS, Affine]:
    raster = reader.describe(found.href, found.georeference)
    return raster.crs, raster.transform


@pytest.mark.parametrize("make", FORMATS, ids=lambda make: make.__name__)
def test_every_format(make: Callable[[Path], str], tmp_path: Path, reader: CogReader) -> None:
    href = make(tmp_path / "a")
    with pytest.raises(AssetUnreadable, match="has no coordinate reference system, and its item has no proj:code"):
        reader.describe(href)
    with pytest.raises(AssetUnreadable, match=r"is not georeferenced.* its item has no proj:transform"):
        described(reader, asset(href, {"proj:epsg": 32633}))
    assert described(reader, asset(href, TOLD)) == (CRS(32633), PLACE)
    kind = FORMATS[make]
    assert kind is None or isinstance(reader._image(href), kind)


def test_numbers(tmp_path: Path) -> None:
    """The same statistics, in one job, as of a file that says where it lies."""
    files = [(write(tmp_path / "own.tif", PIXELS, transform=PLACE, crs="EPSG:32633"), {})]
    files += [(make(tmp_path / make.__name__), TOLD) for make in FORMATS]
    for day, (href, told) in enumerate(files, 1):
        when = f"2023-08-{day:02}"
        item = {**document(href, told, {"datetime": f"{when}T10:00:00Z"}), "id": f"S2A_33TWN_{when}_0_L2A"}
        (tmp_path / f"{day}.json").write_text(json.dumps(item))
    frame = arpent.statistics(
        FIELD, tmp_path, script=SCRIPT, resolution=10, start="2023-08-01", end=f"2023-08-{len(files) + 1:02}",
        every="P1D", executor="inline", progress=False,
    )  # fmt: skip
    numbers = frame[["mean", "min", "max", "stDev", "sample_count", "no_data_count"]].to_numpy(float)
    assert len(numbers) == len(files)
    assert (frame["sample_count"] - frame["no_data_count"] > 1000).all()
    assert (numbers == numbers[0]).all()


TRANSFORM, SHAPE = {"proj:transform": list(PLACE)[:6]}, {"proj:shape": [HEIGHT, WIDTH]}


@pytest.mark.parametrize(
    ("of_asset", "of_item"),
    [
        (TOLD, {}),
        ({}, TOLD),
        (TOLD, {"proj:code": "EPSG:32634", "proj:transform": [60, 0, 0, 0, -60, 0], "proj:shape": [9, 9]}),
        ({**TRANSFORM, **SHAPE}, {"proj:epsg": 32633}),
        ({**TRANSFORM}, {"proj:wkt2": CRS(32633).to_wkt()}),
        ({"proj:transform": [*list(PLACE)[:6], 0, 0, 1], "proj:projjson": CRS(32633).to_json_dict()}, {}),
        (SHAPE, {**TRANSFORM, **SHAPE, "proj:code": "EPSG:32633"}),
        ({"proj:code": None, "proj:epsg": 32633, **TRANSFORM}, {}),
    ],
)
def test_the_asset_goes_before_the_item(
    of_asset: dict[str, Any], of_item: dict[str, Any], tmp_path: Path, reader: CogReader
) -> None:
    found = described(reader, asset(plain_tiff(tmp_path / "a"), of_asset, of_item))
    assert found == (CRS(32633), PLACE)


@pytest.mark.parametrize(
    ("of_asset", "of_item", "words"),
    [
        ({"proj:shape": [115, 155]}, {}, r"proj:shape is \[115, 155\], and the file has \[230, 310\] pixels"),
        ({"proj:transform": [20, 0, 600000, 0, -20, 5200020]}, {}, "and proj:bbox differs"),
        ({"proj:transform": [600000, 10, 0, 5200020, 0, -10], "proj:bbox": None}, {}, "not lie where the item's geom"),
        (
            {"proj:code": "EPSG:4326", "proj:transform": [16.2, 1e-3, 0, 47, 0, -1e-3], "proj:bbox": None},
            {},
            "degrees: its numbers may be in GDAL's order",
        ),
        ({"proj:code": "EPSG:32733", "proj:bbox": None}, {}, "does not lie where the item's geometry says"),
        ({"proj:transform": [0, 0, 600000, 0, 0, 5200020]}, {}, "not finite, or has no area"),
        ({"proj:transform": None}, {**TRANSFORM}, "has no proj:transform with the proj:shape it is for"),
        ({"proj:transform": None}, {**TRANSFORM, "proj:shape": [115, 155]}, "has no proj:transform with"),
        ({"proj:transform": ["a"] * 6}, {}, "has no proj:transform"),
        ({"proj:code": "EPSG:999999"}, {}, "has no proj:code"),
    ],
)
def test_what_does_not_agree_is_refused(
    of_asset: dict[str, Any], of_item: dict[str, Any], words: str, tmp_path: Path, reader: CogReader
) -> None:
    with pytest.raises(AssetUnreadable, match=words):
        described(reader, asset(plain_tiff(tmp_path / "a"), {**TOLD, **of_asset}, of_item))


def test_the_file_goes_before_its_item(tmp_path: Path, reader: CogReader) -> None:
    elsewhere = {**TOLD, "proj:code": "EPSG:32634", "proj:transform": [60, 0, 0, 0, -60, 0]}
    for href in (
        write(tmp_path / "a.tif", PIXELS, transform=PLACE, crs="EPSG:32633"),
        write_jp2(tmp_path / "a.jp2", PIXELS, transform=PLACE, crs="EPSG:32633"),
    ):
        assert described(reader, asset(href, elsewhere)) == (CRS(32633), PLACE)


def test_half_a_georeference(tmp_path: Path, reader: CogReader) -> None:
    """A file with a CRS and no transform, and one with a transform and no CRS: the item adds what is missing."""
    nowhere = {"transform": Affine.identity(), "crs": "EPSG:32633"}
    for href in (write(tmp_path / "a.tif", PIXELS, **nowhere), write_jp2(tmp_path / "a.jp2", PIXELS, **nowhere)):
        assert described(reader, asset(href, TOLD)) == (CRS(32633), PLACE)
    href = write(tmp_path / "b.tif", PIXELS, transform=PLACE, crs=None)
    assert described(reader, asset(href, {"proj:code": "EPSG:32633"})) == (CRS(32633), PLACE)


def test_half_a_georeference_of_another_place(tmp_path: Path, reader: CogReader) -> None:
    """The CRS of the item must put the image where the item lies, and must not be another one than the file's."""
    href = write(tmp_path / "a.tif", PIXELS, transform=PLACE, crs=None)
    with pytest.raises(AssetUnreadable, match="the one in its item cannot be right: in it, the image does not"):
        described(reader, asset(href, {"proj:code": "EPSG:32634"}))
    href = write(tmp_path / "b.tif", PIXELS, transform=Affine.identity(), crs="EPSG:32633")
    with pytest.raises(AssetUnreadable, match=r"system is .*zone 34N, and that of the file .*zone 33N"):
        described(reader, asset(href, {**TOLD, "proj:code": "EPSG:32634"}))
    for same in ({"proj:code": "EPSG:25833"}, {"proj:code": None, "proj:wkt2": CRS(32633).to_wkt("WKT1_GDAL")}):
        assert described(reader, asset(href, {**TOLD, **same})) == (CRS(32633), PLACE)


def test_ground_control_points_are_no_grid(tmp_path: Path, reader: CogReader) -> None:
    """Items of Sentinel-1 GRD tell a transform; their pixels lie as the radar saw them."""
    path = tmp_path / "a.tif"
    points = [
        GroundControlPoint(row=row, col=column, x=16.2 + column / 1e3, y=47 - row / 1e3)
        for row in (0, HEIGHT) for column in (0, WIDTH)
    ]  # fmt: skip
    with rasterio.open(
        path, "w", driver="GTiff", width=WIDTH, height=HEIGHT, count=1, dtype="uint16", gcps=points, crs="EPSG:4326"
    ) as file:
        file.write(np.asarray(PIXELS), 1)
    with pytest.raises(AssetUnreadable, match="ground control points"):
        described(reader, asset(str(path), TOLD))
