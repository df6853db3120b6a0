"""JPEG 2000 against rasterio: every pixel of every level, however the file is laid out, here and behind http."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from arpent.adapters.images.gdal_fallback import GdalImage
from arpent.adapters.images.jp2.image import Jp2Image
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from tests.parity.test_reading import same_as_rasterio
from tests.support.cogs import formula, write
from tests.support.jpeg2000 import LOSSLESS, take_apart, write_jp2
from tests.support.web import serve

ORDERS = ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL")


@pytest.fixture
def reader() -> Iterator[CogReader]:
    reader = CogReader(threads=2)
    yield reader
    reader.close()


def by_tiles(reader: CogReader, path: str) -> None:
    same_as_rasterio(reader, path)
    assert isinstance(reader._image(path), Jp2Image)


def rough(height: int, width: int, dtype: str = "uint16", bands: int = 1) -> np.ndarray:
    """Pixels that are not smooth, so that lower resolutions are not trivial."""
    pixels = np.random.default_rng(3).normal(2000, 300, (bands, height, width)) + formula(height, width) % 1000
    return pixels.clip(0, np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("parts", ["DISABLED", "RESOLUTIONS"])
def test_orders_of_packets(tmp_path: Path, reader: CogReader, order: str, parts: str) -> None:
    by_tiles(
        reader,
        write_jp2(tmp_path / "a.jp2", rough(230, 310), 64, RESOLUTIONS=4, PROGRESSION=order, TILEPARTS=parts),
    )


@pytest.mark.parametrize(
    "options",
    [
        {"PRECINCTS": "{32,32},{16,16}"},
        {"PRECINCTS": "{64,64}", "CODEBLOCK_WIDTH": 8, "CODEBLOCK_HEIGHT": 16},
        {"SOP": "YES", "EPH": "YES"},
        {"PLT": "YES"},
        {"TLM": "YES"},
        {"QUALITY": "20", "REVERSIBLE": "NO"},
        {"QUALITY": "10,50,100", "REVERSIBLE": "YES"},
        {"GMLJP2": "YES", "GeoJP2": "NO"},
        {"GMLJP2": "NO", "GeoJP2": "YES"},
        {"CODEC": "J2K", "crs": None, "transform": None},
        {"RESOLUTIONS": 1},
        {"NBITS": 12},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_layouts(tmp_path: Path, reader: CogReader, options: dict[str, Any]) -> None:
    path = tmp_path / "a.jp2"
    given = {"RESOLUTIONS": 4} | {name: value for name, value in options.items() if name not in ("crs", "transform")}
    write_jp2(path, rough(230, 310) % 4000, 64, **given)
    if options.get("CODEC") == "J2K":  # a bare codestream has no georeference
        with pytest.raises(AssetUnreadable, match="no coordinate reference system"):
            reader.describe(str(path))
    else:
        by_tiles(reader, str(path))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_whose_pixels_lie_nowhere_says_so(tmp_path: Path, reader: CogReader) -> None:
    """It has a CRS, and no transform: GDAL gives it the coordinates of its columns and rows."""
    path = write_jp2(tmp_path / "a.jp2", rough(200, 200), transform=rasterio.Affine.identity())
    with pytest.raises(AssetUnreadable, match=r"a\.jp2 is not georeferenced"):
        reader.describe(path)


@pytest.mark.parametrize(("height", "width", "tile"), [(64, 900, 64), (900, 70, 64), (257, 255, 128), (1000, 33, 32)])
def test_sides(tmp_path: Path, reader: CogReader, height: int, width: int, tile: int) -> None:
    by_tiles(reader, write_jp2(tmp_path / "a.jp2", rough(height, width), tile, RESOLUTIONS=5))


def test_tiles_that_cut_code_blocks(tmp_path: Path, reader: CogReader) -> None:
    """Code blocks are counted from the origin of the whole image: a tile must keep its place when it is taken out."""
    for number, size in enumerate((16, 32, 64)):
        options = {"CODEBLOCK_WIDTH": size, "CODEBLOCK_HEIGHT": size}
        by_tiles(reader, write_jp2(tmp_path / f"{number}.jp2", rough(330, 410), 80, RESOLUTIONS=4, **options))


def test_tiles_without_data(tmp_path: Path, reader: CogReader) -> None:
    """Parts of one byte behind their heads: a packet that says that there is nothing in it."""
    pixels = rough(200, 200)
    pixels[:, 64:128, 64:128] = 0
    path = write_jp2(tmp_path / "a.jp2", pixels, 64, RESOLUTIONS=4, TILEPARTS="RESOLUTIONS")
    assert min(map(len, take_apart(Path(path).read_bytes()).parts)) == 15
    by_tiles(reader, path)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_types_and_bands(tmp_path: Path, reader: CogReader, dtype: str, bands: int) -> None:
    by_tiles(reader, write_jp2(tmp_path / "a.jp2", rough(150, 200, dtype, bands), 64, RESOLUTIONS=3))


@pytest.mark.parametrize("kind", ["one tile", "alpha", "palette", "a mask beside", "numbers beside"])
def test_what_is_left_to_gdal(tmp_path: Path, reader: CogReader, kind: str) -> None:
    path = tmp_path / "a.jp2"
    if kind == "one tile":
        write(path, rough(1100, 1100), **LOSSLESS, blockxsize=1100, blockysize=1100)
    elif kind == "alpha":
        write_jp2(path, rough(100, 100, "uint8", 4), 64, photometric="RGB", ALPHA="YES")
    elif kind == "palette":
        write_jp2(path, rough(100, 100, "uint8") % 4, 64)
        with rasterio.open(path) as image:
            content = image.read()
        with rasterio.open(
            path, "w", driver="JP2OpenJPEG", width=100, height=100, count=1, dtype="uint8", crs="EPSG:32633",
            transform=rasterio.Affine(10, 0, 300000, 0, -10, 5000000), QUALITY="100", REVERSIBLE="YES",
            photometric="palette",
        ) as image:  # fmt: skip
            image.write_colormap(1, {n: (n, n, n, 255) for n in range(4)})
            image.write(content)
    else:
        write_jp2(path, rough(100, 100, "uint8"), 64)
        if kind == "a mask beside":
            write(tmp_path / "a.jp2.msk", rough(100, 100, "uint8"))
        else:
            (tmp_path / "a.jp2.aux.xml").write_text(
                '<PAMDataset><PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>'
            )
    assert isinstance(reader._image(str(path)), GdalImage)


@pytest.mark.parametrize("listed", [True, False])
def test_behind_http_in_few_requests(tmp_path: Path, reader: CogReader, listed: bool) -> None:
    """1,024 tiles: a crop takes at most 4 requests once its tiles are known, and few before."""
    pixels = rough(32 * 32, 32 * 32)
    path = tmp_path / "a.jp2"
    write_jp2(path, pixels, 32, RESOLUTIONS=4)
    if listed:
        path.write_bytes(take_apart(path.read_bytes()).listed().whole())
    with serve(tmp_path) as web:
        href = f"{web.url}/a.jp2?signature=secret"
        reader.describe(href)
        assert len(web.asked) == 1
        crop = [Block(level=0, row=row, column=column) for row in (20, 21) for column in (9, 10)]
        for most in (4 if listed else 12, 4):
            before = len(web.asked)
            for _, block, part in reader.read([(href, crop)]):
                place = np.s_[block.row * 32 : block.row * 32 + 32, block.column * 32 : block.column * 32 + 32]
                np.testing.assert_array_equal(part, pixels[0][place])
            assert len(web.asked) - before <= most
        reader.close()
        assert {asked.partition("?")[0] for asked in web.asked} == {"/a.jp2"}


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path, reader: CogReader) -> None:
    with serve(tmp_path) as web:
        href = f"{web.url}/a.jp2"
        write_jp2(tmp_path / "a.jp2", rough(300, 300), 64, RESOLUTIONS=3)
        block = Block(level=0, row=4, column=4)
        list(reader.read([(href, [block])]))
        pixels = rough(300, 300)[:, ::-1]
        write_jp2(tmp_path / "a.jp2", pixels, 64, RESOLUTIONS=2)
        with pytest.raises(AssetUnreadable, match="was replaced") as caught:
            list(reader.read([(href, [block])]))
        assert caught.value.transient
        ((_, _, part),) = reader.read([(href, [block])])
        np.testing.assert_array_equal(part[:44, :44], pixels[0, 256:, 256:])
