"""No data against rasterio: every kind of file, sample by sample; and what a collection's TOML makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.enums import ColorInterp
from rasterio.shutil import copy

from arpent.adapters.images.reader import CogReader
from arpent.domain.imagery.collection import Band, NoData
from arpent.domain.ports.imagery import Block
from arpent.domain.request import Resampling
from arpent.raster.mosaic import simple
from tests.support.cogs import DN, TRANSFORM, boxes_site, collection, item, source, wants, write
from tests.support.web import serve

ROWS, COLUMNS = 150, 110
NUMBERS = np.random.default_rng(7)
PIXELS = {
    kind: NUMBERS.integers(0, 40, (ROWS, COLUMNS)).astype(kind) for kind in ("uint8", "int16", "uint16", "float32")
}
MASK = NUMBERS.random((ROWS, COLUMNS)) > 0.3
LAYOUTS: dict[str, dict[str, Any]] = {
    "tiles": {"tiled": True, "blockxsize": 64, "blockysize": 32, "compress": "deflate"},
    "strips": {"tiled": False, "blockysize": 7},
    "lerc": {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "lerc"},
}
"""The last one is read by GDAL."""
SILENT, NONE = NoData(), NoData(value=None, always=True)


@pytest.fixture
def reader() -> Iterator[CogReader]:
    reader = CogReader()
    yield reader
    reader.close()


def masked(path: Path, pixels: np.ndarray, mask: np.ndarray, *, inside: bool, **options: Any) -> str:
    """A file with a mask, in it or beside it."""
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside):
        write(path, pixels, **options)
        with rasterio.open(path, "r+") as image:
            image.write_mask(mask)
    assert path.with_name(f"{path.name}.msk").exists() is not inside
    return str(path)


def alpha(path: Path, count: int, **options: Any) -> str:
    """`count` bands, and alpha behind them."""
    bands = [PIXELS["uint8"] + number for number in range(count)]
    write(path, np.stack([*bands, (MASK * 255).astype("uint8")]), **options)
    with rasterio.open(path, "r+") as image:
        image.colorinterp = [*image.colorinterp[:-1], ColorInterp.alpha]
    return str(path)


def seen(reader: CogReader, path: str, rule: NoData, band: int = 0, **wish: Any) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and mask of every pixel."""
    own = Band(name="B", assets=("B",), units=(DN,), no_data=rule, index=band)
    sampling = boxes_site([[TRANSFORM.c, TRANSFORM.f - 10 * ROWS, TRANSFORM.c + 10 * COLUMNS, TRANSFORM.f]])
    found = simple([item("i", {"B": path})], wants(own, unit=DN), sampling, reader, source=source(**wish),
                   collection=collection(own))  # fmt: skip
    return found.values[0].reshape(ROWS, COLUMNS), found.mask.reshape(ROWS, COLUMNS) > 0


def by_rasterio(path: str, band: int = 0) -> np.ndarray:
    with rasterio.open(path) as image:
        return image.read_masks(band + 1) > 0


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", PIXELS)
def test_tags(tmp_path: Path, reader: CogReader, layout: str, kind: str) -> None:
    path = write(tmp_path / "a.tif", PIXELS[kind], nodata=7, **LAYOUTS[layout])
    values, mask = seen(reader, path, SILENT)
    np.testing.assert_array_equal(mask, by_rasterio(path))
    np.testing.assert_array_equal(values[mask], PIXELS[kind][mask])
    assert (PIXELS[kind][mask] == 0).any(), "0 is a value where the file says that 7 is none"
    assert seen(reader, path, NONE)[1].all()
    np.testing.assert_array_equal(seen(reader, path, NoData(value=3.0, always=True))[1], PIXELS[kind] != 3)
    np.testing.assert_array_equal(seen(reader, path, NoData(value=3.0))[1], mask)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_that_say_nothing(tmp_path: Path, reader: CogReader, layout: str) -> None:
    path = write(tmp_path / "a.tif", PIXELS["int16"], **LAYOUTS[layout])
    np.testing.assert_array_equal(seen(reader, path, SILENT)[1], PIXELS["int16"] != 0)
    np.testing.assert_array_equal(seen(reader, path, NoData(value=3.0))[1], PIXELS["int16"] != 3)
    np.testing.assert_array_equal(seen(reader, path, NONE)[1], by_rasterio(path))


@pytest.mark.parametrize("tag", [np.nan, None])
def test_not_a_number(tmp_path: Path, reader: CogReader, tag: float | None) -> None:
    pixels = np.where(MASK, PIXELS["float32"] + 1, np.nan).astype("float32")
    path = write(tmp_path / "a.tif", pixels, nodata=tag)
    for rule in (SILENT, NONE, NoData(value=-5.0)):
        np.testing.assert_array_equal(seen(reader, path, rule)[1], MASK)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("tag", [-9999, 70000])
@pytest.mark.parametrize("form", [{}, {"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}], ids=["small", "big", "big-endian"])
def test_a_tag_that_no_pixel_can_have(
    tmp_path: Path, reader: CogReader, layout: str, tag: float, form: dict[str, str]
) -> None:
    """It is a tag: the file does not say nothing, so that 0 is a value."""
    path = write(tmp_path / "a.tif", PIXELS["uint16"], nodata=7, **LAYOUTS[layout], **form)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags[42113].overwrite(str(tag))
    np.testing.assert_array_equal(seen(reader, path, SILENT)[1], by_rasterio(path))
    assert by_rasterio(path).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("inside", [True, False], ids=["inside", "beside"])
@pytest.mark.parametrize("kind", PIXELS)
def test_masks(tmp_path: Path, reader: CogReader, layout: str, inside: bool, kind: str) -> None:
    path = masked(tmp_path / "a.tif", PIXELS[kind], MASK, inside=inside, **LAYOUTS[layout])
    for rule in (SILENT, NONE, NoData(value=-5.0), NoData(value=-5.0, always=True)):
        values, mask = seen(reader, path, rule)
        np.testing.assert_array_equal(mask, by_rasterio(path))
        np.testing.assert_array_equal(values[mask], PIXELS[kind][mask])
    np.testing.assert_array_equal(seen(reader, path, NoData(value=3.0, always=True))[1], MASK & (PIXELS[kind] != 3))


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "beside"])
def test_a_mask_and_a_tag_take_away_both(tmp_path: Path, reader: CogReader, inside: bool) -> None:
    path = masked(tmp_path / "a.tif", PIXELS["uint8"], MASK, inside=inside, nodata=5, **LAYOUTS["tiles"])
    np.testing.assert_array_equal(seen(reader, path, SILENT)[1], MASK & (PIXELS["uint8"] != 5))
    np.testing.assert_array_equal(seen(reader, path, NONE)[1], by_rasterio(path))


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "beside"])
def test_a_mask_of_several_bands(tmp_path: Path, reader: CogReader, inside: bool) -> None:
    bands = np.stack([PIXELS["uint8"], PIXELS["uint8"] + 1, PIXELS["uint8"] + 2])
    path = masked(tmp_path / "a.tif", bands, MASK, inside=inside, photometric="minisblack", **LAYOUTS["tiles"])
    for band in range(3):
        values, mask = seen(reader, path, SILENT, band)
        np.testing.assert_array_equal(mask, by_rasterio(path, band))
        np.testing.assert_array_equal(values[mask], bands[band][mask])


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 3, 5])
def test_alpha(tmp_path: Path, reader: CogReader, layout: str, interleave: str, count: int) -> None:
    path = alpha(tmp_path / "a.tif", count, interleave=interleave, **LAYOUTS[layout])
    with rasterio.open(path) as image:
        assert image.colorinterp[-1] is ColorInterp.alpha
    for band in range(count):
        for rule in (SILENT, NONE):
            values, mask = seen(reader, path, rule, band)
            np.testing.assert_array_equal(mask, MASK)
            np.testing.assert_array_equal(values[mask], (PIXELS["uint8"] + band)[mask])
            if count != 5:  # GDAL looks for alpha behind one and three bands
                np.testing.assert_array_equal(mask, by_rasterio(path, band))
    assert seen(reader, path, SILENT, count)[1].all(), "alpha, asked for by itself, is a band like others"


def test_a_number_of_its_own_for_each_band(tmp_path: Path, reader: CogReader) -> None:
    path = write(tmp_path / "a.tif", np.stack([PIXELS["uint8"]] * 2), photometric="minisblack")
    bands = "".join(
        f'<PAMRasterBand band="{band}"><NoDataValue>{number}</NoDataValue></PAMRasterBand>'
        for band, number in ((1, 3), (2, 8))
    )
    Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{bands}</PAMDataset>")
    for band, number in enumerate((3, 8)):
        np.testing.assert_array_equal(seen(reader, path, SILENT, band)[1], by_rasterio(path, band))
        np.testing.assert_array_equal(seen(reader, path, SILENT, band)[1], PIXELS["uint8"] != number)


@pytest.mark.parametrize("overviews", [True, False], ids=["cog", "no overviews of the mask"])
def test_a_coarse_request_reads_the_masks_overview(tmp_path: Path, reader: CogReader, overviews: bool) -> None:
    """BILINEAR, four times coarser: the mask of the level that is read decides, or the full image is read."""
    big, mask = np.full((1024, 1024), 50, "uint8"), np.ones((1024, 1024), bool)
    mask[:512] = False
    plain = masked(tmp_path / "a.tif", big, mask, inside=True, **LAYOUTS["tiles"] | {"blockysize": 64})
    path = str(tmp_path / "cog.tif")
    copy(plain, path, driver="COG", blocksize=128, compress="deflate", overviews="AUTO" if overviews else "NONE")
    levels = reader.describe(path).levels
    assert len(levels) == (4 if overviews else 1)
    own = Band(name="B", assets=("B",), units=(DN,))
    sampling = boxes_site([[TRANSFORM.c, TRANSFORM.f - 10240, TRANSFORM.c + 10240, TRANSFORM.f]], 40.0)
    found = simple([item("i", {"B": path})], wants(own, unit=DN), sampling, reader,
                   source=source(downsampling=Resampling.BILINEAR), collection=collection(own))  # fmt: skip
    inside = found.mask.reshape(256, 256) > 0
    np.testing.assert_array_equal(inside, np.repeat([False, True], 128)[:, np.newaxis] & np.ones(256, bool))
    assert set(np.unique(found.values[0][found.mask > 0])) == {50}


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "beside"])
def test_masks_of_images_on_a_server(tmp_path: Path, reader: CogReader, inside: bool) -> None:
    path = masked(tmp_path / "a.tif", PIXELS["uint8"], MASK, inside=inside, **LAYOUTS["tiles"])
    with serve(tmp_path) as web:
        values, mask = seen(reader, f"{web.url}/a.tif?signature=secret", SILENT)
    np.testing.assert_array_equal(mask, by_rasterio(path))
    np.testing.assert_array_equal(values[mask], PIXELS["uint8"][mask])


def test_a_block_with_fewer_rows_has_a_mask_with_fewer_rows(tmp_path: Path, reader: CogReader) -> None:
    path = masked(tmp_path / "a.tif", PIXELS["uint8"], MASK, inside=True, **LAYOUTS["tiles"])
    ((_, _, pixels),) = reader.read([(path, [Block(level=0, row=1, column=0, rows=5)])])
    assert isinstance(pixels, np.ma.MaskedArray)
    np.testing.assert_array_equal(~pixels.mask[:5], MASK[32:37, :64])


@pytest.mark.parametrize("compress", ["deflate", "lerc"])
def test_blocks_never_written_of_an_image_whose_no_data_stands_beside_it(tmp_path: Path, compress: str) -> None:
    """GDAL fills them with that number, and so do we, though GDAL is not told it."""
    path = tmp_path / "a.tif"
    profile = {"tiled": True, "blockxsize": 16, "blockysize": 16, "SPARSE_OK": True, "compress": compress}
    pixels = np.full((32, 32), 3, np.uint16)
    pixels[:16, :16] = 0
    write(path, pixels, **profile)
    beside = '<PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand>'
    path.with_name("a.tif.aux.xml").write_text(f"<PAMDataset>{beside}</PAMDataset>")
    with rasterio.open(path) as image:
        assert (image.read(1)[:16, :16] == 7).all()
        expected = image.read(1)
    reader = CogReader()
    assert reader.describe(str(path)).no_data == 7
    for row, column in ((0, 0), (0, 1), (1, 1)):
        ((_, _, part),) = reader.read([(str(path), [Block(level=0, row=row, column=column)])])
        np.testing.assert_array_equal(part, expected[row * 16 :, column * 16 :][:16, :16])
    reader.close()


@pytest.mark.parametrize("compress", ["lzw", "deflate"])
def test_one_high_strip_of_an_image_whose_no_data_stands_beside_it(tmp_path: Path, compress: str) -> None:
    """GDAL reads such a strip row by row, and tells of all rows but the first that the file has no such block."""
    path = tmp_path / "a.tif"
    write(path, PIXELS["uint8"].reshape(-1, 6)[:2100], compress=compress, blockysize=2100)
    beside = '<PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand>'
    path.with_name("a.tif.aux.xml").write_text(f"<PAMDataset>{beside}</PAMDataset>")
    reader = CogReader()
    shape = reader.describe(str(path)).levels[0]
    assert shape.block_height == 1
    with rasterio.open(path) as image:
        expected = image.read(1)
    for row in (0, 1, 2099):
        ((_, _, part),) = reader.read([(str(path), [Block(level=0, row=row, column=0)])])
        np.testing.assert_array_equal(part[0, :6], expected[row])
    reader.close()
