"""Zarr stores that are damaged or hold false metadata: AssetUnreadable that says why, in bounded time and memory."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from arpent.adapters.images.reader import CogReader
from arpent.adapters.images.zarr import store
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from arpent.network.policy import policy_of
from tests.support.cogs import formula
from tests.support.zarrs import GROUP, write_product

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*[Cc]onsolidated metadata"),
    pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning"),
]
HANG = 20.0
"""Seconds after which a reader counts as hanging, on the slowest machine."""
MOST_GROWTH = 300 << 20
"""Bytes that a reader may grow by."""
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a.zarr"


def read(href: str, row: int = 1, column: int = 1) -> np.ndarray:
    reader = CogReader()
    before, began = psutil.Process().memory_info().rss, time.monotonic()
    try:
        reader.describe(href)
        ((_, _, pixels),) = reader.read([(href, [Block(level=0, row=row, column=column)])])
        return pixels
    finally:
        reader.close()
        assert time.monotonic() - began < HANG
        assert psutil.Process().memory_info().rss - before < MOST_GROWTH


def made(path: Path, version: int, **options: Any) -> str:
    return write_product(path, formula(150, 210), version=version, consolidated=False, **options)


def changed(path: Path, change: Change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def put(*keys: Any, value: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


SECOND: dict[str, tuple[Change, str]] = {
    "a huge shape": (put("shape", value=[1 << 39, 1 << 39]), "too many or too large|pixels, in blocks"),
    "a wide shape": (put("shape", value=[1 << 25, 100]), "pixels, in blocks"),
    "many tiny chunks": (lambda d: d.update(shape=[1 << 20, 1 << 20], chunks=[1, 1]), "too many|blocks, more than"),
    "a chunk that fills the memory": (
        lambda d: d.update(shape=[1 << 20, 1 << 20], chunks=[1 << 15, 1 << 15]), "one of its blocks takes",
    ),
    "a chunk of many bands": (
        lambda d: d.update(shape=[60_000, 150, 210], chunks=[60_000, 64, 64]), "one of its blocks takes",
    ),
    "a chunk that is long on an axis of one value": (
        lambda d: d.update(shape=[1, 150, 210], chunks=[1 << 20, 64, 64]), "one of its blocks takes",
    ),
    "a chunk of as many pixels as there are numbers": (
        lambda d: d.update(shape=[1] * 6 + [150, 210], chunks=[1 << 39] * 6 + [64, 64]), "one of its blocks takes",
    ),
    "more bands than any": (lambda d: d.update(shape=[1 << 20, 150, 210], chunks=[1, 64, 64]), "bands"),
    "sides of 0": (put("shape", value=[0, 100]), "`shape` is not a list of lengths"),
    "sides below 0": (put("chunks", value=[-64, 64]), "`chunks` is not a list of lengths"),
    "sides of text": (put("shape", value="big"), "`shape` is not a list of lengths"),
    "chunks of other axes": (put("chunks", value=[64]), "2 axes, and chunks of 1"),
    "many axes": (lambda d: d.update(shape=[1] * 99, chunks=[1] * 99), "99 axes"),
    "one axis": (lambda d: d.update(shape=[100], chunks=[10]), "one axis"),
    "two axes of bands": (lambda d: d.update(shape=[2, 2, 9, 9], chunks=[1, 1, 9, 9]), "more than one value"),
    "an unknown codec": (put("compressor", value={"id": "jpeg2k"}), "compressed by 'jpeg2k'; supported are"),
    "a codec of no name": (put("compressor", value={"x": 1}), "compressed by 'None'"),
    "codecs that are not an object": (put("compressor", value="blosc"), "."),
    "an unknown filter": (put("filters", value=[{"id": "pickle"}]), "filtered by 'pickle'"),
    "objects": (put("dtype", value="|O"), "not single numbers"),
    "records": (put("dtype", value=[["a", "<u2"]]), "not single numbers"),
    "a type of no sense": (put("dtype", value="hello"), "pixels are 'hello'"),
    "complex numbers": (put("dtype", value="<c8"), "complex numbers"),
    "large numbers": (put("dtype", value="<i8"), "64-bit"),
    "an odd order": (put("order", value="Z"), "order of its axes"),
    "an odd separator": (put("dimension_separator", value="../"), "separator"),
    "an odd fill": (put("fill_value", value="AAAA"), "fill value"),
    "a fill that is a table": (put("fill_value", value={}), "fill value is not a number"),
    "an order of tables": (put("order", value=[[1], {}]), "metadata is not that of Zarr"),
    "another version": (put("zarr_format", value=99), "version is 99"),
}  # fmt: skip


@pytest.mark.parametrize("harm", SECOND)
def test_metadata_of_version_2(folder: Path, harm: str) -> None:
    change, words = SECOND[harm]
    href = made(folder, 2)
    changed(folder / GROUP / "b04" / ".zarray", change)
    with pytest.raises(AssetUnreadable, match=words):
        read(href)


@pytest.mark.parametrize(
    ("fill", "words"), [(-1, "cannot be -1"), (10**400, "cannot be inf"), ("NaN", "cannot be nan")]
)
def test_a_fill_that_no_pixel_can_be(folder: Path, fill: object, words: str) -> None:
    """It costs the chunks that were never written."""
    href = made(folder, 2)
    changed(folder / GROUP / "b04" / ".zarray", lambda d: d.update(fill_value=fill, shape=[640, 640]))
    changed(folder / GROUP / "b04" / ".zattrs", lambda d: d.pop("proj:shape", None))
    assert read(href).any()
    with pytest.raises(AssetUnreadable, match=words):
        read(href, 9, 9)


SHARDED = ("codecs", 0, "configuration")
THIRD: dict[str, tuple[Change, str]] = {
    "a grid of its own": (put("chunk_grid", "name", value="rectilinear"), "not regular"),
    "an unknown codec": (put(*SHARDED, "codecs", 1, "name", value="evil"), "compressed by 'evil'"),
    "no bytes": (put(*SHARDED, "codecs", value=[{"name": "gzip"}]), "codec is 'gzip'"),
    "a shard in a shard": (put(*SHARDED, "codecs", value=[{"name": "sharding_indexed"}]), "codec is 'sharding"),
    "a packed index": (put(*SHARDED, "index_codecs", value=[{"name": "gzip"}]), "index of its shards is compressed"),
    "shards of not whole chunks": (put(*SHARDED, "chunk_shape", value=[63, 64]), "not whole chunks"),
    "millions of chunks in a shard": (
        lambda d: (put("chunk_grid", "configuration", "chunk_shape", value=[1 << 12, 1 << 12])(d),
                   put(*SHARDED, "chunk_shape", value=[1, 1])(d)), "16,777,216 chunks",
    ),
    "keys of their own": (put("chunk_key_encoding", value={"name": "hash"}), "chunk_key_encoding"),
    "transformed storage": (put("storage_transformers", value=[{"name": "x"}]), "transformed"),
    "an unknown type": (put("data_type", value="r16"), "not single numbers"),
    "axes turned": (put("dimension_names", value=["x", "y"]), "supported is y, x"),
    **{
        f"axes turned, {' and '.join(names)}": (put("dimension_names", value=names), "supported is y, x")
        for names in (["lon", "lat"], ["projection_x_coordinate", "projection_y_coordinate"], ["col", "row"])
    },
    "attributes that are a list": (put("attributes", value=[1]), "not an object"),
    "a type that is a table": (put("data_type", value={"name": "r16"}), "metadata is not that of Zarr"),
    "settings that are text": (
        put(*SHARDED, "codecs", value=[{"name": "bytes", "configuration": "x"}]), "metadata is not that of Zarr",
    ),
    "a place without an end": (put("attributes", "proj:transform", value=[1e308] * 6), "is not finite"),
}  # fmt: skip


@pytest.mark.parametrize("harm", THIRD)
def test_metadata_of_version_3(folder: Path, harm: str) -> None:
    change, words = THIRD[harm]
    href = made(folder, 3, shards=(128, 128))
    changed(folder / GROUP / "b04" / "zarr.json", change)
    with pytest.raises(AssetUnreadable, match=words):
        read(href)


def test_axes_that_only_their_coordinates_tell_are_turned(folder: Path) -> None:
    """A square array would be read, elsewhere."""
    href = write_product(folder, formula(150, 150), place="root", consolidated=False)
    group = folder / GROUP
    changed(group / "x" / ".zattrs", put("standard_name", value="projection_x_coordinate"))
    changed(group / "y" / ".zattrs", put("axis", value="Y"))
    assert read(href).any()
    (group / "x").rename(group / "first")
    (group / "y").rename(group / "second")
    changed(group / "b04" / ".zattrs", put("_ARRAY_DIMENSIONS", value=["first", "second"]))
    with pytest.raises(AssetUnreadable, match="its axes end with first, second; supported is y, x"):
        read(href)


@pytest.mark.parametrize(
    "content", ["[" * 100_000, "{", "[]", "7", "\xff\xfe"], ids=["deep", "cut", "list", "7", "bytes"]
)
def test_what_is_no_json(folder: Path, content: str) -> None:
    href = made(folder, 2)
    (folder / GROUP / "b04" / ".zarray").write_bytes(content.encode("latin-1"))
    with pytest.raises(AssetUnreadable, match="not JSON"):
        read(href)


def test_metadata_without_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    href = made(folder, 2)
    monkeypatch.setattr(store, "MOST_METADATA", 100)
    with pytest.raises(AssetUnreadable, match="more than it could need"):
        read(href)


def test_hrefs_that_lead_to_no_array(folder: Path) -> None:
    write_product(folder, formula(100, 100), version=3)
    with pytest.raises(AssetUnreadable, match=rf"{GROUP} is a group of arrays.*there are .*{GROUP}/b04"):
        read(f"{folder}/{GROUP}")
    with pytest.raises(AssetUnreadable, match=r"its root is a group"):
        read(str(folder))
    with pytest.raises(AssetUnreadable, match=r"b99 is not in the store.*there are"):
        read(f"{folder}/{GROUP}/b99")
    with pytest.raises(AssetUnreadable, match="is not in the store"):
        read(str(folder.parent / "none.zarr/b04"))


def test_dates_are_refused(folder: Path) -> None:
    href = made(folder, 2)
    changed(folder / GROUP / "b04" / ".zarray", lambda d: d.update(shape=[9, 150, 210], chunks=[1, 64, 64]))
    changed(folder / GROUP / "b04" / ".zattrs", put("_ARRAY_DIMENSIONS", value=["time", "y", "x"]))
    with pytest.raises(AssetUnreadable, match="holds 9 dates"):
        read(href)


@pytest.mark.parametrize(
    ("place", "change", "words"),
    [
        ("array", put("proj:epsg", value="PROJ file.db"), "no coordinate reference system"),
        ("array", put("proj:epsg", value=10**9), "no coordinate reference system"),
        ("array", put("proj:transform", value=[0, 0, 0, 0, 0, 0]), "not finite, or has no area"),
        ("array", put("proj:transform", value=["a"] * 6), "."),
        ("array", put("proj:transform", value=[float("inf"), 0, 0, 0, -10, 0]), "."),
    ],
)
def test_georeferences(folder: Path, place: str, change: Change, words: str) -> None:
    href = made(folder, 2, place=place)
    changed(folder / GROUP / "b04" / ".zattrs", change)
    if words == ".":  # what cannot be read is as good as none: the coordinates tell it
        assert CogReader().describe(href).transform.c == 600000.0
    else:
        with pytest.raises(AssetUnreadable, match=words):
            read(href)


def test_uneven_coordinates(folder: Path) -> None:
    href = made(folder, 2, place="coordinates")
    import zarr

    zarr.open_group(str(folder), mode="r+")[f"{GROUP}/x"][7] = 3.0  # type: ignore[index]
    with pytest.raises(AssetUnreadable, match="not evenly spaced"):
        read(href)


def bomb(size: int) -> bytes:
    """Few bytes that give many."""
    return zlib.compress(bytes(size), 9)


CHUNKS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "cut": ("blosc", lambda c: c[: len(c) // 2]),
    "empty": ("blosc", lambda c: b""),
    "short": ("blosc", lambda c: c[:10]),
    "blosc that promises gigabytes": ("blosc", lambda c: c[:4] + struct.pack("<I", 0xF0000000) + c[8:]),
    "blosc that promises less": ("blosc", lambda c: c[:4] + struct.pack("<I", 100) + c[8:]),
    "blosc of blocks of gigabytes": ("blosc", lambda c: c[:8] + struct.pack("<I", 0x70000000) + c[12:]),
    "blosc of more bytes than there are": ("blosc", lambda c: c[:12] + struct.pack("<I", 1 << 30) + c[16:]),
    "noise behind the head": ("blosc", lambda c: c[:16] + bytes(range(256)) * 8),
    "zlib that gives gigabytes": ("zlib", lambda c: bomb(64 << 20)),
    "zstd cut": ("zstd", lambda c: c[:-9]),
    "noise": ("zstd", lambda c: b"noise" * 99),
    "gzip cut": ("gzip", lambda c: c[:-200]),
    "lz4 cut": ("lz4", lambda c: c[:-50]),
    "too many bytes": ("none", lambda c: c + bytes(200_000)),
    "too few bytes": ("none", lambda c: c[:-2]),
}


@pytest.mark.parametrize("harm", CHUNKS)
def test_damaged_chunks_cost_only_themselves(folder: Path, harm: str) -> None:
    packed, change = CHUNKS[harm]
    href = made(folder, 2, packed=packed)
    path = folder / GROUP / "b04" / "1" / "1"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(AssetUnreadable, match=r"block \(row 1, column 1\) of level 0 cannot be decoded") as caught:
        read(href)
    assert ("it says that it unpacks to" in str(caught.value)) == (harm == "blosc that promises gigabytes")
    np.testing.assert_array_equal(read(href, 0, 1), formula(150, 210)[:64, 64:128])


INDEXES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda c: c[:20],
    "another sum": lambda c: c[:-1] + bytes([c[-1] ^ 1]),
    "beyond the end": lambda c: c[:-68] + _indexed(c, (1 << 62, 100)),
    "of the whole memory": lambda c: c[:-68] + _indexed(c, (0, 1 << 40)),
    "of no bytes": lambda c: c[:-68] + _indexed(c, (0, 0)),
    "of other bytes": lambda c: c[:-68] + _indexed(c, (3, 50)),
}


def _indexed(content: bytes, last: tuple[int, int]) -> bytes:
    """The index of four chunks with another last entry, and its sum."""
    from google_crc32c import value

    index = content[-68:-20] + struct.pack("<QQ", *last)
    return index + struct.pack("<I", value(index))


@pytest.mark.parametrize("harm", INDEXES)
def test_damaged_indexes(folder: Path, harm: str) -> None:
    href = made(folder, 3, shards=(128, 128))
    path = folder / GROUP / "b04" / "c" / "0" / "0"
    path.write_bytes(INDEXES[harm](path.read_bytes()))
    with pytest.raises(AssetUnreadable, match=r"block \(row 1, column 1\) of level 0 cannot be decoded"):
        read(href)
    np.testing.assert_array_equal(read(href, 0, 2), formula(150, 210)[:64, 128:192])


def test_a_store_outside_of_what_may_be_read(folder: Path, tmp_path: Path) -> None:
    href = made(folder, 2)
    (tmp_path / "allowed.zarr").mkdir()
    (tmp_path / "allowed.zarr" / GROUP).parent.mkdir(parents=True)
    (tmp_path / "allowed.zarr" / GROUP).symlink_to(folder / GROUP)
    for outside in (href, f"{tmp_path}/allowed.zarr/{GROUP}/b04"):
        reader = CogReader(policy=policy_of([], [str(tmp_path / "allowed.zarr")]))
        with pytest.raises(AssetUnreadable, match="may not be read"):
            reader.describe(outside)
        reader.close()
