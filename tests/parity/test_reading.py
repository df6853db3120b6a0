"""Reading against rasterio: every layout, block by block; and sampling of scenes against PROJ at every sample."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import tifffile
from pyproj import CRS, Transformer

from arpent.adapters.images import gdal_fallback
from arpent.adapters.images.byte_source import ByteSources
from arpent.adapters.images.gdal_fallback import GdalImage
from arpent.adapters.images.reader import CogReader
from arpent.adapters.images.served import SERVED
from arpent.domain.errors import AssetUnreadable
from arpent.domain.grid import Grids, Resolution
from arpent.domain.ports.imagery import Block
from arpent.domain.request import MosaickingOrder, Resampling
from arpent.raster.mosaic import simple
from arpent.raster.mosaicking_order import arrange
from arpent.raster.sampling_plan import SamplingPlan
from tests.support.cogs import (
    DN,
    all_inside,
    band,
    boxes_site,
    centres,
    collection,
    formula,
    item,
    source,
    wants,
    write,
)
from tests.support.imagery import scenes_of
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.world import make_imagery

TILES = {"tiled": True, "blockxsize": 48, "blockysize": 32}
STRIPS = {"tiled": False, "blockysize": 7}


@pytest.fixture
def reader() -> Iterator[CogReader]:
    reader = CogReader(threads=2)
    yield reader
    reader.close()


def same_as_rasterio(reader: CogReader, path: str, levels: bool = True) -> None:
    """Header, and every pixel of every band and level; `levels` False: what is read by GDAL has only the full image."""
    raster = reader.describe(path)
    with rasterio.open(path) as image:
        assert raster.transform == image.transform
        assert raster.crs == CRS.from_user_input(image.crs.to_wkt())
        assert raster.no_data == image.nodata or (np.isnan(raster.no_data or 0) and np.isnan(image.nodata))
        assert (raster.width, raster.height, raster.band_count) == (image.width, image.height, image.count)
        factors = [1, *image.overviews(1)]
    assert len(raster.levels) == (len(factors) if levels else 1)
    for number, level in enumerate(raster.levels):
        options = {"overview_level": number - 1} if number else {}
        with rasterio.open(path, **options) as image:
            expected = image.read()
        places = itertools.product(
            range(-(-level.height // level.block_height)), range(-(-level.width // level.block_width))
        )
        blocks = [Block(level=number, row=row, column=column) for row, column in places]
        for index in range(raster.band_count):
            for _, block, pixels in reader.read([(path, blocks)], index):
                top, left = block.row * level.block_height, block.column * level.block_width
                part = expected[index, top : top + level.block_height, left : left + level.block_width]
                assert pixels.dtype == part.dtype == raster.dtype
                np.testing.assert_array_equal(pixels[: part.shape[0], : part.shape[1]], part)


@pytest.mark.parametrize("layout", [TILES, STRIPS], ids=["tiles", "strips"])
@pytest.mark.parametrize("compress", [None, "deflate", "lzw", "zstd", "packbits", "lzma", "lerc"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_compressions_and_types(
    tmp_path: Path, reader: CogReader, layout: dict[str, Any], compress: str | None, dtype: str
) -> None:
    for predictor in (1, 2, 3):
        if predictor > 1 and compress not in ("deflate", "lzw", "zstd"):
            continue
        if predictor == 3 and not dtype.startswith("float"):
            continue
        options = {**layout, "predictor": predictor} if predictor > 1 else dict(layout)
        if compress:
            options["compress"] = compress
        same_as_rasterio(reader, write(tmp_path / f"{predictor}.tif", formula(75, 101, dtype), nodata=1, **options))


@pytest.mark.parametrize("compress", ["none", "packbits"])
def test_a_predictor_without_a_compression_that_has_one(tmp_path: Path, reader: CogReader, compress: str) -> None:
    """As in GDAL, the tag says nothing there."""
    path = write(tmp_path / "a.tif", formula(75, 101), compress=compress, **TILES)
    with tifffile.TiffFile(path, mode="r+b") as image:
        entry = image.pages[0].tags["SampleFormat"]  # 1, as without the tag
        for place, number in ((entry.offset, 317), (entry.valueoffset, 2)):
            image.filehandle.seek(place)
            image.filehandle.write(number.to_bytes(2, "little"))
    with tifffile.TiffFile(path) as image:
        assert int(image.pages[0].predictor) == 2
    same_as_rasterio(reader, path)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize(("dtype", "predictor"), [("uint8", 1), ("uint16", 2), ("float32", 3), ("float32", 2)])
@pytest.mark.parametrize("layout", [TILES, STRIPS], ids=["tiles", "strips"])
def test_bands_together_and_apart(
    tmp_path: Path, reader: CogReader, interleave: str, dtype: str, predictor: int, layout: dict[str, Any]
) -> None:
    bands = np.stack([formula(75, 101, dtype, seed) for seed in range(3)])
    options = {"compress": "deflate", "predictor": predictor, "interleave": interleave, "photometric": "minisblack"}
    same_as_rasterio(reader, write(tmp_path / "a.tif", bands, **layout, **options))


@pytest.mark.parametrize(
    "options", [{"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}, {"BIGTIFF": "YES", "ENDIANNESS": "BIG"}]
)
@pytest.mark.parametrize(("dtype", "predictor"), [("uint16", 1), ("uint16", 2), ("float32", 3), ("float64", 2)])
def test_byte_orders_and_big_files(
    tmp_path: Path, reader: CogReader, options: dict[str, str], dtype: str, predictor: int
) -> None:
    path = write(
        tmp_path / "a.tif", formula(75, 101, dtype), compress="deflate", predictor=predictor, **TILES, **options
    )
    same_as_rasterio(reader, path)


def test_overviews(tmp_path: Path, reader: CogReader) -> None:
    path = write(tmp_path / "a.tif", formula(611, 530), driver="COG", blocksize=128, compress="zstd", predictor=2)
    same_as_rasterio(reader, path)


@pytest.mark.parametrize("code", [4326, 3857, 3035, 2154, 32733])
def test_reference_systems(tmp_path: Path, reader: CogReader, code: int) -> None:
    same_as_rasterio(reader, write(tmp_path / "a.tif", formula(40, 40), crs=f"EPSG:{code}"))


def test_a_reference_system_without_a_code(tmp_path: Path, reader: CogReader) -> None:
    laea = "+proj=laea +lat_0=50 +lon_0=11 +x_0=0 +y_0=0 +ellps=GRS80 +units=m +no_defs"
    same_as_rasterio(reader, write(tmp_path / "a.tif", formula(40, 40), crs=laea))


def test_pixels_that_are_points(tmp_path: Path, reader: CogReader) -> None:
    path = write(tmp_path / "a.tif", formula(40, 40))
    with rasterio.open(path, "r+") as image:
        image.update_tags(AREA_OR_POINT="Point")
    same_as_rasterio(reader, path)


def test_bits_that_fill_no_byte(tmp_path: Path, reader: CogReader) -> None:
    same_as_rasterio(reader, write(tmp_path / "a.tif", formula(40, 40) % 4000, NBITS=12, **TILES))


def test_not_a_number_as_no_data(tmp_path: Path, reader: CogReader) -> None:
    same_as_rasterio(reader, write(tmp_path / "a.tif", formula(40, 40, "float32"), nodata=float("nan")))


def test_jpeg_2000(tmp_path: Path, reader: CogReader) -> None:
    options = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    same_as_rasterio(reader, write(tmp_path / "a.jp2", formula(300, 200) % 4000, **options))


def test_a_file_that_is_not_georeferenced_says_so(tmp_path: Path, reader: CogReader) -> None:
    tifffile.imwrite(tmp_path / "a.tif", formula(40, 40))
    with pytest.raises(AssetUnreadable, match=r"a\.tif has no coordinate reference system"):
        reader.describe(str(tmp_path / "a.tif"))


def test_a_file_whose_pixels_lie_nowhere_says_so(tmp_path: Path, reader: CogReader) -> None:
    """It has a CRS, and no transform: GDAL gives it the coordinates of its columns and rows."""
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        path = write(tmp_path / "a.tif", formula(40, 40), transform=rasterio.Affine.identity())
    with pytest.raises(AssetUnreadable, match=r"a\.tif is not georeferenced"):
        reader.describe(path)


def test_real_images_equal_rasterio(shared_data: Path, reader: CogReader) -> None:
    images = sorted(shared_data.glob("stac/*/*/*.tif"))[::7]
    assert images
    for path in images:
        same_as_rasterio(reader, str(path))


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up country: its scenes, and parcels in three reference systems. The aligned box is not among them: in
    another system its samples lie on borders of pixels, where the last bit of a coordinate decides."""
    folder = tmp_path_factory.mktemp("country")
    make_imagery(folder / "stac")
    parcels = [parcel for parcel in good_parcels() if parcel.kind != "aligned box"]
    for epsg in (32633, 3794, 4326):
        write_geopackage(folder / f"{epsg}.gpkg", parcels, epsg)
    return folder


REAL = ("si_fiboa_100_4326.gpkg", "si_fiboa_100_3794.gpkg", "geopackage-example.gpkg")


@pytest.fixture(params=["32633.gpkg", "3794.gpkg", "4326.gpkg", *REAL])
def places(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """Scenes and a GeoPackage: made ones, and real ones."""
    if request.param in REAL:
        data = request.getfixturevalue("shared_data")
        return data / "stac" / "s2-l2a-33t-120m", data / "parcels" / request.param
    folder = request.getfixturevalue("country")
    return folder / "stac", folder / request.param


@pytest.mark.parametrize("order", list(MosaickingOrder))
def test_a_mosaic_equals_the_slow_way(places: tuple[Path, Path], reader: CogReader, order: MosaickingOrder) -> None:
    """Two tiles that overlap, several dates, two bands: per sample the first item that has data in both."""
    scenes, parcels = places
    crs = CRS.from_user_input(pyogrio.read_info(parcels)["crs"])
    bounds = pyogrio.read_bounds(parcels)[1].T
    resolution = 0.0004 if crs.is_geographic else 40.0
    grids = Grids.over(np.ascontiguousarray(bounds), Resolution(x=resolution, y=resolution))
    sampling = SamplingPlan(crs=crs, grids=grids, samples=all_inside(grids))
    found = scenes_of(scenes)
    items = arrange(
        [
            item(one.id, {key: str(one.images[key]) for key in ("B04", "SCL")}, cloud_cover=one.cloud_cover,
                 day=(one.when.date() - found[0].when.date()).days, footprint=one.footprint)
            for one in found
        ],
        order,
    )  # fmt: skip
    bands = (band("B04"), band("SCL", categorical=True, units=(DN,)))
    result = simple(items, wants(*bands, unit=DN), sampling, reader, source=source(), collection=collection(*bands))
    values, used = slow_mosaic([[one.assets[key].href for key in ("B04", "SCL")] for one in items], sampling)
    np.testing.assert_array_equal(np.stack(result.values), values)
    np.testing.assert_array_equal(result.used, used)
    assert result.mask.any()


def slow_mosaic(scenes: list[list[str]], sampling: SamplingPlan) -> tuple[np.ndarray, np.ndarray]:
    """Whole images by rasterio, PROJ at every sample; ignores footprints."""
    x, y = centres(sampling)
    values, used = np.zeros((len(scenes[0]), len(x)), np.int64), np.full(len(x), -1)
    for number, paths in enumerate(scenes):
        layers = []
        for path in paths:
            with rasterio.open(path) as image:
                across, down = Transformer.from_crs(sampling.crs, image.crs, always_xy=True).transform(x, y)
                column = np.floor((across - image.transform.c) / image.transform.a).astype(int)
                row = np.floor((down - image.transform.f) / image.transform.e).astype(int)
                inside = (column >= 0) & (column < image.width) & (row >= 0) & (row < image.height)
                pixels = image.read(1)[np.where(inside, row, 0), np.where(inside, column, 0)]
                layers.append(np.where(inside, pixels, 0))
        here = (used < 0) & np.all(layers, axis=0)
        values[:, here], used[here] = np.stack(layers)[:, here], number
    return values, used


GEO = [(33550, 12, 3, (10.0, 10.0, 0.0)), (33922, 12, 6, (0.0, 0, 0, 500000, 5000000, 0))]
UTM_33 = [(3075, 0, 1, 1), (3080, 34736, 1, 0), (3081, 34736, 1, 1), (3082, 34736, 1, 2), (3083, 34736, 1, 3),
          (3092, 34736, 1, 4)]  # fmt: skip
"""Transverse Mercator by its parameters."""


@pytest.mark.parametrize(
    "keys",
    [
        [(1024, 0, 1, 1), (1025, 0, 1, 1), (3072, 0, 1, 32633)],
        [(1024, 0, 1, 1), (1025, 0, 1, 1), (2048, 0, 1, 4326), (3074, 0, 1, 16033), (3076, 0, 1, 9001)],
        [(1024, 0, 1, 1), (1025, 0, 1, 1), (2048, 0, 1, 4326), (3074, 0, 1, 32767), *UTM_33],
        [(1024, 0, 1, 1), (1025, 0, 1, 1), (3072, 0, 1, 32633), (3076, 0, 1, 9002)],
    ],
    ids=["by its code", "by the code of its projection", "by parameters", "in feet"],
)
def test_a_projection_over_a_geographic_crs(
    tmp_path: Path, reader: CogReader, keys: list[tuple[int, int, int, int]]
) -> None:
    """The code of its geographic CRS, or that of one with other units, is not the CRS of the image."""
    told = (1, 1, 0, len(keys), *(number for key in keys for number in key))
    tags = [*GEO, (34735, 3, len(told), told), (34736, 12, 5, (15.0, 0.0, 500000.0, 0.0, 0.9996))]
    path = tmp_path / "a.tif"
    pixels = formula(40, 40, "uint16")
    tifffile.imwrite(path, pixels, extratags=[(*tag, True) for tag in tags], metadata=None, photometric="minisblack")
    own = reader.describe(str(path))
    with rasterio.open(path) as image:
        theirs = CRS.from_wkt(image.crs.to_wkt())
        place = image.transform @ (20, 20)
    assert own.transform @ (20, 20) == place
    degrees = [Transformer.from_crs(crs, 4326, always_xy=True).transform(*place) for crs in (own.crs, theirs)]
    assert degrees[0] == pytest.approx(degrees[1], abs=1e-9)


REFUSED = {
    "complex64": "complex numbers",
    "complex128": "complex numbers",
    "complex_int16": "complex numbers",
    "int64": "64-bit",
    "uint64": "64-bit",
    "float16": "16-bit floating-point",
}


@pytest.mark.parametrize("dtype", REFUSED)
def test_types_that_nobody_can_compute_with_are_refused_by_name(tmp_path: Path, reader: CogReader, dtype: str) -> None:
    """By both ways to read: ours, and GDAL."""
    path = str(tmp_path / "a.tif")
    if dtype == "float16":
        pixels = formula(40, 40, "float32").astype("float16")
        geo = [(33550, 12, 3, (10.0, 10.0, 0.0)), (33922, 12, 6, (0.0, 0, 0, 500000, 5000000, 0))]
        keys = (34735, 3, 16, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633))
        tifffile.imwrite(path, pixels, extratags=[(*tag, True) for tag in (*geo, keys)], metadata=None)
    else:
        pixels = formula(40, 40, "uint16").astype(dtype.replace("complex_int16", "complex64"))
        write(tmp_path / "a.tif", pixels, dtype=dtype)
    sentence = rf"a\.tif has .*{REFUSED[dtype]}.* \({dtype}\); supported are uint8"
    with pytest.raises(AssetUnreadable, match=sentence) as caught:
        reader.describe(path)
    assert not caught.value.transient
    assert caught.value.href == path


@pytest.mark.parametrize("dtype", SERVED)
def test_types_that_are_served(tmp_path: Path, reader: CogReader, dtype: str) -> None:
    path = write(tmp_path / "a.tif", formula(75, 101, dtype), compress="deflate", **TILES)
    same_as_rasterio(reader, path)
    own = band("B", units=(DN,))
    sampling = boxes_site([[500000, 5099250, 501010, 5100000]])
    for way in Resampling:
        found = simple([item("i", {"B": path})], wants(own, unit=DN), sampling, reader,
                       source=source(upsampling=way, downsampling=way), collection=collection(own))  # fmt: skip
        np.testing.assert_array_equal(found.values[0], formula(75, 101, dtype).ravel())


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_and_palettes_come_as_numbers(tmp_path: Path, reader: CogReader, bits: int) -> None:
    path = write(tmp_path / "a.tif", formula(75, 101, "uint8") % 2, NBITS=bits)
    same_as_rasterio(reader, path)
    palette = write(tmp_path / "b.tif", formula(75, 101, "uint8"), photometric="palette")
    with rasterio.open(palette, "r+") as image:
        image.write_colormap(1, {number: (number, 0, 255 - number) for number in range(256)})
    same_as_rasterio(reader, palette)


@pytest.mark.parametrize("subsampled", [True, False])
def test_colours_as_brightness_and_differences_are_left_to_gdal(
    tmp_path: Path, reader: CogReader, subsampled: bool
) -> None:
    bands = np.stack([formula(64, 64, "uint8", seed) for seed in range(3)])
    options = {"compress": "jpeg", "photometric": "ycbcr"} if subsampled else {"photometric": "rgb"}
    same_as_rasterio(reader, write(tmp_path / "a.tif", bands, tiled=True, blockxsize=64, blockysize=64, **options))


def test_bands_of_different_types_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a VRT, which is not among what is opened: the formats that are have one type."""
    monkeypatch.setattr(gdal_fallback, "SIGNATURES", ((b"<VRTDataset", "VRT"),))
    one = write(tmp_path / "a.tif", formula(40, 40, "uint8"))
    two = write(tmp_path / "b.tif", formula(40, 40, "float32"))
    vrt = tmp_path / "c.vrt"
    with rasterio.open(one) as image:
        wkt, place = image.crs.to_wkt(), ", ".join(str(number) for number in image.transform.to_gdal())
    sources = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{number}"><SimpleSource><SourceFilename>{path}</SourceFilename>'
        f"<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        for number, (kind, path) in enumerate((("Byte", one), ("Float32", two)), 1)
    )
    head = f'<VRTDataset rasterXSize="40" rasterYSize="40"><SRS>{wkt}</SRS><GeoTransform>{place}</GeoTransform>'
    vrt.write_text(f"{head}{sources}</VRTDataset>")
    with pytest.raises(AssetUnreadable, match=r"c\.vrt has bands of different types \(uint8, float32\)"):
        GdalImage(str(vrt), ByteSources(), ByteSources().head(str(vrt)))
