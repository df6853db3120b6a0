"""Zarr against xarray reading the same store: every pixel, place and value that is no data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from affine import Affine
from pyproj import CRS

from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from tests.support.cogs import formula
from tests.support.web import serve
from tests.support.zarrs import GROUP, LEFT, PACKED_2, PACKED_3, STEP, TOP, write_product

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*[Cc]onsolidated metadata"),
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
    pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning"),
]
PLACE = Affine(STEP, 0, LEFT, 0, -STEP, TOP)


@pytest.fixture
def reader() -> Iterator[CogReader]:
    reader = CogReader(threads=2)
    yield reader
    reader.close()


@dataclass(frozen=True)
class Case:
    """A reader, and how it names what lies below a folder."""

    reader: CogReader
    name: Callable[[str], str]


@pytest.fixture(params=["here", "http", "s3"])
def case(request: pytest.FixtureRequest, tmp_path: Path, reader: CogReader) -> Iterator[Case]:
    if request.param == "here":
        yield Case(reader, lambda href: href)
        return
    with serve(tmp_path.parent) as web:
        if request.param == "http":
            place = f"{web.url}/{tmp_path.name}"
            yield Case(reader, lambda href: href.replace(str(tmp_path), place) + "?signature=secret")
            return
        keys = {"access_key_id": "AKIATEST", "secret_access_key": "secret", "region": "eu-central-1"}
        bucket = tmp_path.parent / "imagery"
        bucket.symlink_to(tmp_path)
        from_s3 = CogReader(s3_options={"endpoint": web.url, **keys})
        yield Case(from_s3, lambda href: href.replace(str(tmp_path), "s3://imagery"))
        from_s3.close()
        bucket.unlink()


def scene(height: int = 150, width: int = 210, dtype: str = "uint16") -> np.ndarray:
    """Pixels with a corner of nothing."""
    pixels = formula(height, width, dtype)
    pixels[:70, :70] = 0
    return pixels


def whole(reader: CogReader, href: str, band: int = 0) -> np.ndarray:
    raster = reader.describe(href)
    level = raster.levels[0]
    blocks = [
        Block(level=0, row=row, column=column)
        for row in range(level.blocks_down)
        for column in range(level.blocks_across)
    ]
    pixels = np.zeros((level.blocks_down * level.block_height, level.blocks_across * level.block_width), raster.dtype)
    for _, block, part in reader.read([(href, blocks)], band):
        assert part.shape == (level.block_height, level.block_width)
        assert part.dtype == raster.dtype
        top, left = block.row * level.block_height, block.column * level.block_width
        pixels[top : top + level.block_height, left : left + level.block_width] = part
    return pixels[: level.height, : level.width]


def same_as_xarray(reader: CogReader, path: Path, href: str) -> None:
    raster = reader.describe(href)
    assert raster.crs == CRS.from_epsg(32633)
    assert raster.transform.almost_equals(PLACE, 1e-9)
    assert raster.no_data == 0
    consolidated = (path / ".zmetadata").exists() or "consolidated_metadata" in (
        (path / "zarr.json").read_text() if (path / "zarr.json").exists() else ""
    )
    with xarray.open_zarr(
        str(path), group=GROUP, consolidated=None if consolidated else False, mask_and_scale=False
    ) as found:
        expected = found["b04"].values
        np.testing.assert_allclose(found["x"].values, LEFT + STEP * (np.arange(raster.width) + 0.5))
    for band in range(raster.band_count):
        pixels = whole(reader, href, band)
        np.testing.assert_array_equal(pixels, expected if expected.ndim == 2 else expected[band])


@pytest.mark.parametrize("packed", PACKED_2)
@pytest.mark.parametrize("consolidated", [True, False])
def test_version_2(tmp_path: Path, case: Case, packed: str, consolidated: bool) -> None:
    path = tmp_path / "a.zarr"
    href = write_product(path, scene(), packed=packed, consolidated=consolidated)
    same_as_xarray(case.reader, path, case.name(href))


@pytest.mark.parametrize("packed", PACKED_3)
@pytest.mark.parametrize("shards", [None, (128, 128)])
@pytest.mark.parametrize("consolidated", [True, False])
def test_version_3(tmp_path: Path, case: Case, packed: str, shards: Any, consolidated: bool) -> None:
    path = tmp_path / "a.zarr"
    href = write_product(path, scene(), version=3, packed=packed, shards=shards, consolidated=consolidated)
    same_as_xarray(case.reader, path, case.name(href))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("place", ["array", "root", "mapping", "coordinates"])
def test_places(tmp_path: Path, reader: CogReader, version: int, place: str) -> None:
    path = tmp_path / "a.zarr"
    same_as_xarray(reader, path, write_product(path, scene(), version=version, place=place))


@pytest.mark.parametrize(
    ("version", "options"),
    [
        (2, {"order": "F"}),
        (2, {"separator": "."}),
        (2, {"chunks": (150, 210)}),
        (2, {"chunks": (1, 210)}),
        (3, {"big": True}),
        (3, {"turned": True}),
        (3, {"turned": True, "shards": (128, 128)}),
        (3, {"chunk_key_encoding": {"name": "v2", "separator": "."}}),
        (3, {"chunk_key_encoding": {"name": "default", "separator": "."}}),
        (3, {"chunks": (100, 100), "shards": (200, 300)}),
    ],
    ids=str,
)
def test_layouts(tmp_path: Path, reader: CogReader, version: int, options: dict[str, Any]) -> None:
    path = tmp_path / "a.zarr"
    same_as_xarray(reader, path, write_product(path, scene(), version=version, **options))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64", ">u2"])
def test_types(tmp_path: Path, reader: CogReader, version: int, dtype: str) -> None:
    if dtype == ">u2" and version == 3:
        pytest.skip("needs Zarr version 2, where a type has a byte order: set the other parameter")
    path = tmp_path / "a.zarr"
    same_as_xarray(reader, path, write_product(path, scene().astype(dtype), version=version))


@pytest.mark.parametrize(("bands", "chunk"), [(1, 1), (3, 1), (3, 2), (5, 5)])
@pytest.mark.parametrize("version", [2, 3])
def test_bands(tmp_path: Path, reader: CogReader, version: int, bands: int, chunk: int) -> None:
    path = tmp_path / "a.zarr"
    pixels = np.stack([scene() + band for band in range(bands)])
    href = write_product(path, pixels, version=version, chunks=(chunk, 64, 64))
    assert reader.describe(href).band_count == bands
    same_as_xarray(reader, path, href)


@pytest.mark.parametrize("version", [2, 3])
def test_what_xarray_writes(tmp_path: Path, reader: CogReader, version: int) -> None:
    """With a fill value as it encodes it, and values that it masks and scales: ours are the stored ones."""
    path = tmp_path / "a.zarr"
    values = np.where(scene() == 0, np.nan, scene() * 0.0001 - 0.1)
    data = xarray.Dataset(
        {"b04": (("y", "x"), values, {"proj:epsg": 32633})},
        coords={"y": TOP - STEP * (np.arange(150) + 0.5), "x": LEFT + STEP * (np.arange(210) + 0.5)},
    )
    packing = {"dtype": "uint16", "scale_factor": 0.0001, "add_offset": -0.1, "_FillValue": 0, "chunks": (64, 64)}
    data.to_zarr(path, group=GROUP, encoding={"b04": packing}, zarr_format=version)
    href = f"{path}/{GROUP}/b04"
    raster = reader.describe(href)
    assert (raster.no_data, raster.transform, raster.dtype) == (0.0, PLACE, np.uint16)
    stored = whole(reader, href)
    with xarray.open_zarr(str(path), group=GROUP) as decoded:
        expected = decoded["b04"].values
    np.testing.assert_allclose(np.where(stored == 0, np.nan, stored * 0.0001 - 0.1), expected)
    np.testing.assert_array_equal(stored, scene())


@pytest.mark.parametrize("version", [2, 3])
def test_not_a_number_is_no_data(tmp_path: Path, reader: CogReader, version: int) -> None:
    path = tmp_path / "a.zarr"
    values = np.where(scene() == 0, np.nan, scene()).astype(np.float32)
    data = xarray.Dataset(
        {"b04": (("y", "x"), values, {"proj:code": "EPSG:32633"})},
        coords={"y": TOP - STEP * (np.arange(150) + 0.5), "x": LEFT + STEP * (np.arange(210) + 0.5)},
    )
    data.to_zarr(path, group=GROUP, zarr_format=version)
    href = f"{path}/{GROUP}/b04"
    assert np.isnan(reader.describe(href).no_data or 0)
    np.testing.assert_array_equal(whole(reader, href), values)


def test_chunks_that_were_never_written(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "a.zarr"
    href = write_product(path, scene(), fill_value=7)
    (path / GROUP / "b04" / "1" / "2").unlink()
    expected = scene()
    expected[64:128, 128:192] = 7
    np.testing.assert_array_equal(whole(case.reader, case.name(href)), expected)


def test_bands_of_an_item_share_the_metadata_of_their_store(tmp_path: Path, reader: CogReader) -> None:
    path = tmp_path / "a.zarr"
    write_product(path, scene())
    with serve(tmp_path) as web:
        for array in ("b04", "b04", "b04/"):
            reader.describe(f"{web.url}/a.zarr/{GROUP}/{array}")
        assert [asked.rpartition("/")[2] for asked in web.asked] == ["zarr.json", ".zmetadata"]
        web.asked.clear()
        list(reader.read([(f"{web.url}/a.zarr/{GROUP}/b04", [Block(level=0, row=1, column=1)])]))
        assert web.asked == [f"/a.zarr/{GROUP}/b04/1/1"]


def test_a_server_that_fails_is_worth_another_try(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_product(path, scene())
    reader = CogReader(retry_seconds=0.1)
    with serve(tmp_path) as web:
        href = f"{web.url}/a.zarr/{GROUP}/b04"
        reader.describe(href)
        web.status = 503
        with pytest.raises(AssetUnreadable, match="answered 503") as caught:
            whole(reader, href)
        assert caught.value.transient
        web.status = 0
        np.testing.assert_array_equal(whole(reader, href), scene())
    reader.close()
