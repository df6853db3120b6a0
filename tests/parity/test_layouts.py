"""Hundreds of layouts of a GeoTIFF, drawn from all that GDAL writes: pixels, validity and place are those that rasterio
tells, or the file is refused in words."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.collection import NoData
from arpent.domain.ports.imagery import Block
from tests.support.cogs import TRANSFORM, formula

FILES = 338
SERVED = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
REFUSED = ("complex64", "complex128", "int64", "uint64")
CODECS = ("none", "deflate", "lzw", "zstd", "packbits", "lzma", "lerc", "lerc_deflate", "lerc_zstd")
PREDICTED = ("deflate", "lzw", "zstd")
PLACES = {
    "north up": TRANSFORM,
    "south up": Affine(10.0, 0.0, 500000.0, 0.0, 10.0, 5000000.0),
    "east to west": Affine(-10.0, 0.0, 500000.0, 0.0, -10.0, 5100000.0),
    "rotated": TRANSFORM @ Affine.rotation(30.0),
    "sheared": TRANSFORM @ Affine.shear(10.0, 0.0),
    "oblong": Affine(20.0, 0.0, 500000.5, 0.0, -3.75, 5100000.25),
}
SYSTEMS = ("EPSG:32633", "EPSG:4326", "EPSG:3035", "EPSG:3857", "EPSG:32733", "EPSG:3794", "ESRI:54009", "EPSG:2154")


@pytest.fixture(scope="module")
def reader() -> Iterator[CogReader]:
    reader = CogReader(threads=1)
    yield reader
    reader.close()


def layout(number: int) -> dict[str, Any]:
    """One layout: what rasterio is told, and what only this test reads (in capitals)."""
    dice = random.Random(number)
    dtype = dice.choice(SERVED) if number % 20 else dice.choice(REFUSED)
    options: dict[str, Any] = {"dtype": dtype, "count": dice.choice([1, 1, 1, 2, 3, 4])}
    options |= {"height": dice.choice([33, 64, 100, 130]), "width": dice.choice([17, 64, 100, 150])}
    options["crs"] = dice.choice(SYSTEMS)
    options["transform"] = PLACES[dice.choice(list(PLACES))]
    if options["crs"] == "EPSG:4326":
        options["transform"] = Affine(0.001, 0, 15.0, 0, -0.001, 46.0)
    if dice.random() < 0.6:
        options |= {"tiled": True, "blockxsize": dice.choice([16, 64, 128]), "blockysize": dice.choice([16, 32, 128])}
    else:
        options["blockysize"] = dice.choice([1, 7, 64, 1000])
    options |= _packed(dice, dtype)
    options["interleave"] = dice.choice(["pixel", "band"])
    options["BIGTIFF"] = dice.choice(["YES", "NO"])
    options["ENDIANNESS"] = dice.choice(["NATIVE", "LITTLE", "BIG"])
    if dice.random() < 0.3:
        options["SPARSE_OK"] = "TRUE"
    if dtype not in REFUSED:
        options["nodata"] = dice.choice([None, None, 0, 3, 5.0])
        if np.dtype(dtype).kind == "f" and dice.random() < 0.5:
            options["nodata"] = dice.choice([np.nan, -9999.0, 1e30])
    if options["count"] > 1 and dice.random() < 0.4:
        options["ALPHA"] = "YES"
    options["MASKED"] = dice.choice(["", "", "inside", "beside"])
    options["LEVELS"] = dice.choice([[], [], [2], [2, 4]])
    options["POINTS"] = dice.random() < 0.15
    return options


def _packed(dice: random.Random, dtype: str) -> dict[str, Any]:
    kind = np.dtype(dtype)
    if dtype == "uint8" and dice.random() < 0.3:
        return {"NBITS": dice.choice([1, 2, 4, 5, 7]), "compress": dice.choice(["none", "deflate", "lzw"])}
    if dtype == "uint16" and dice.random() < 0.2:
        return {"NBITS": dice.choice([9, 10, 12, 15]), "compress": dice.choice(["none", "deflate", "zstd"])}
    codecs = [each for each in CODECS if not (each.startswith("lerc") and dtype in REFUSED)]
    options: dict[str, Any] = {"compress": dice.choice(codecs)}
    if options["compress"] in PREDICTED and kind.kind != "c" and dice.random() < 0.6:
        options["predictor"] = dice.choice([2, 3] if kind.kind == "f" else [2])
    return options


def write(path: Path, layout: dict[str, Any]) -> None:
    """A file of that layout, a part of which is never written where it may be sparse."""
    told = {name: value for name, value in layout.items() if name not in ("MASKED", "LEVELS", "POINTS")}
    height, width, count = layout["height"], layout["width"], layout["count"]
    most = 2 ** layout["NBITS"] if "NBITS" in layout else 200 if np.dtype(layout["dtype"]).itemsize == 1 else 3000
    bits = np.stack([formula(height, width, "int64", seed) % min(most, 120 if layout["dtype"] == "int8" else most)
                     for seed in range(count)]).astype(layout["dtype"])  # fmt: skip
    if bits.dtype.kind == "f":
        bits[:, 2:5, 2:5] = np.nan
    if "ALPHA" in layout:
        bits[-1, :20, :] = 0
    rows = height // 2 if "SPARSE_OK" in layout else height
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=layout["MASKED"] == "inside"),
        rasterio.open(path, "w", driver="GTiff", **told) as image,
    ):
        image.write(bits[:, :rows], window=Window(0, 0, width, rows))
        if layout["POINTS"]:
            image.update_tags(AREA_OR_POINT="Point")
        if layout["MASKED"]:
            image.write_mask(np.asarray(formula(height, width, "int64") % 5 > 0))
        if layout["LEVELS"]:
            image.build_overviews(layout["LEVELS"])


def expected(image: Any, band: int) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Pixels of a band as rasterio has them, and the rule of docs/collections.md over them: mask, alpha, tag, NaN."""
    pixels = image.read(band + 1)
    valid = np.ones(pixels.shape, np.bool_)
    if MaskFlags.per_dataset in image.mask_flag_enums[band] and MaskFlags.alpha not in image.mask_flag_enums[band]:
        valid &= image.read_masks(band + 1) != 0
    last = image.count - 1
    if last and image.colorinterp[last] is ColorInterp.alpha and band != last:
        valid &= image.read(last + 1) != 0
    if (tag := image.nodatavals[band]) is not None and not np.isnan(tag):
        valid &= pixels != tag
    return pixels, valid & ~np.isnan(pixels)


def found(reader: CogReader, href: str, level: int, band: int) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """The same of our reader, put together from blocks."""
    raster = reader.describe(href)
    shape = raster.levels[level]
    tall, broad = shape.block_height, shape.block_width
    pixels = np.zeros((shape.blocks_down * tall, shape.blocks_across * broad), raster.dtype)
    valid = np.ones(pixels.shape, np.bool_)
    blocks = [
        Block(level=level, row=row, column=column)
        for row in range(shape.blocks_down) for column in range(shape.blocks_across)
    ]  # fmt: skip
    for _, block, part in reader.read([(href, blocks)], band):
        place = np.s_[block.row * tall : (block.row + 1) * tall, block.column * broad : (block.column + 1) * broad]
        pixels[place] = np.ma.getdata(part)
        valid[place] = ~np.ma.getmaskarray(part)
    number = NoData(value=None).of(raster.no_data_of(band), masked=raster.masked)
    if number is not None and not np.isnan(number):
        valid &= pixels != number
    valid &= ~np.isnan(pixels)
    return pixels[: shape.height, : shape.width], valid[: shape.height, : shape.width]


@pytest.mark.parametrize("number", range(FILES))
def test_a_file_of_any_layout(number: int, reader: CogReader, tmp_path: Path) -> None:
    options = layout(number)
    path = tmp_path / "image.tif"
    write(path, options)
    if options["dtype"] in REFUSED:
        with pytest.raises(AssetUnreadable, match=options["dtype"]):
            reader.describe(str(path))
        return
    raster = reader.describe(str(path))
    with rasterio.open(path) as image:
        assert raster.transform.almost_equals(image.transform, 1e-9)
        assert rasterio.crs.CRS.from_wkt(raster.crs.to_wkt()) == image.crs
        assert (raster.band_count, raster.width, raster.height) == (image.count, image.width, image.height)
        for band in range(image.count):
            compare(reader, path, image, 0, band)
    for level in range(1, len(raster.levels)):
        with rasterio.open(path, overview_level=level - 1) as image:
            compare(reader, path, image, level, image.count - 1)


def compare(reader: CogReader, path: Path, image: Any, level: int, band: int) -> None:
    pixels, valid = found(reader, str(path), level, band)
    wanted, counts = expected(image, band)
    assert pixels.dtype == wanted.dtype
    np.testing.assert_array_equal(valid, counts)
    np.testing.assert_array_equal(pixels[valid], wanted[counts])
