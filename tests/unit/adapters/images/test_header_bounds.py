"""Invalid headers: every one ends as AssetUnreadable, within bounded time and memory."""

from __future__ import annotations

import random
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from arpent.adapters.images import bounds, tiff_directories
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from tests.support.cogs import formula, write

HANG = 60.0
"""Seconds after which a reader counts as hanging, on the slowest machine."""
MUTATIONS = 400
Harm = Callable[[bytearray], None]
TAGS = {"width": 256, "height": 257, "bits": 258, "tile_width": 322, "tile_height": 323}
OFFSETS, LENGTHS, SCALE = 324, 325, 33550


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("image") / "plain.tif"
    write(path, formula(64, 64), tiled=True, blockxsize=16, blockysize=16, compress="deflate")
    return path.read_bytes()


@pytest.fixture
def reader() -> Iterator[CogReader]:
    reader = CogReader()
    yield reader
    reader.close()


def directory(image: bytes) -> tuple[int, int]:
    """Where the first directory lies, and how many tags it has."""
    (at,) = struct.unpack_from("<I", image, 4)
    return at, struct.unpack_from("<H", image, at)[0]


def entry(image: bytearray, tag: int) -> int:
    """Where a tag's entry lies."""
    at, tags = directory(image)
    return next(
        place for place in range(at + 2, at + 2 + 12 * tags, 12) if struct.unpack_from("<H", image, place)[0] == tag
    )


def say(**values: int) -> Harm:
    """Tags by name, each with one number of 32 bits."""

    def harm(image: bytearray) -> None:
        for name, value in values.items():
            struct.pack_into("<HII", image, entry(image, TAGS[name]) + 2, 4, 1, value)

    return harm


def count(tag: int, values: int) -> Harm:
    """A tag that says it has so many values."""
    return lambda image: struct.pack_into("<I", image, entry(image, tag) + 4, values)


def following(image: bytearray, at: int) -> None:
    start, tags = directory(image)
    struct.pack_into("<I", image, start + 2 + 12 * tags, at)


def circle(image: bytearray) -> None:
    following(image, directory(image)[0])


def circle_of_two(image: bytearray) -> None:
    end = len(image)
    following(image, end)
    image += struct.pack("<HI", 0, directory(image)[0])


def endless_chain(image: bytearray) -> None:
    following(image, len(image))
    for _ in range(200_000):
        image += struct.pack("<HI", 0, len(image) + 6)
    image[-4:] = bytes(4)


def many_tags(image: bytearray) -> None:
    struct.pack_into("<H", image, directory(image)[0], 65_535)


def beyond_the_end(image: bytearray) -> None:
    struct.pack_into("<I", image, 4, 0xFFFFFFF0)


def no_scale(image: bytearray) -> None:
    (values,) = struct.unpack_from("<I", image, entry(image, SCALE) + 8)
    struct.pack_into("<3d", image, values, float("nan"), 0.0, 0.0)


HARMS: dict[str, Harm] = {
    "a directory that points to itself": circle,
    "two that point to each other": circle_of_two,
    "200,000 directories": endless_chain,
    "65,535 tags": many_tags,
    "a directory beyond the end": beyond_the_end,
    "a tag of 4 billion values": count(OFFSETS, 0xFFFFFFFF),
    "no pixels across": say(width=0),
    "no pixels down": say(height=0),
    "4 billion pixels across": say(width=0xFFFFFFFF),
    "tiles without width": say(tile_width=0),
    "tiles of 65,520 x 65,520": say(tile_width=65_520, tile_height=65_520),
    "pixels of 0 bits": say(bits=0),
    "a scale that is no number": no_scale,
    "fewer places than blocks": count(OFFSETS, 3),
}


def use(reader: CogReader, path: Path) -> None:
    """Everything that an image is used for."""
    reader.describe(str(path))
    list(reader.read([(str(path), [Block(level=0, row=3, column=3)])]))


@pytest.mark.parametrize("harm", HARMS)
def test_what_no_reader_survives_is_named(image: bytes, reader: CogReader, tmp_path: Path, harm: str) -> None:
    harmed = bytearray(image)
    HARMS[harm](harmed)
    path = tmp_path / "odd.tif"
    path.write_bytes(harmed)
    began = time.monotonic()
    with pytest.raises(AssetUnreadable, match=r"image .*odd\.tif") as caught:
        use(reader, path)
    assert time.monotonic() - began < HANG
    assert not caught.value.transient


def test_mutated_images_raise_nothing_else(image: bytes, reader: CogReader, tmp_path: Path) -> None:
    dice = random.Random(12)
    start, tags = directory(image)
    ends: set[str] = set()
    for number in range(MUTATIONS):
        harmed = bytearray(image)
        for _ in range(dice.randint(1, 4)):
            place = dice.choice((dice.randrange(8), start + dice.randrange(12 * tags), dice.randrange(len(image))))
            harmed[place] = dice.choice((0, 1, 127, 255, dice.randrange(256)))
        path = tmp_path / f"{number}.tif"
        path.write_bytes(harmed)
        began = time.monotonic()
        try:
            level = reader.describe(str(path)).levels[0]
            across, down = -(-level.width // level.block_width), -(-level.height // level.block_height)
            blocks = [Block(level=0, row=row, column=column) for row in range(down)[:4] for column in range(across)[:4]]
            list(reader.read([(str(path), blocks)]))
            ends.add("read")
        except AssetUnreadable:
            ends.add("unreadable")
        assert time.monotonic() - began < HANG
        path.unlink()
    assert ends == {"read", "unreadable"}


def test_a_packed_block_that_is_far_too_long(image: bytes, reader: CogReader, tmp_path: Path) -> None:
    harmed = bytearray(image)
    struct.pack_into("<HII", harmed, entry(harmed, LENGTHS) + 2, 4, 16, len(harmed))
    harmed += struct.pack("<16I", *[1 << 20] * 16) + bytes(2 << 20)
    (tmp_path / "long.tif").write_bytes(harmed)
    with pytest.raises(AssetUnreadable, match="more than it could need"):
        use(reader, tmp_path / "long.tif")


def test_bands_that_gdal_decodes_together_count_together(reader: CogReader, tmp_path: Path) -> None:
    """A few kilobytes of LERC, of which GDAL makes all bands of a block when one is asked for."""
    options = {"compress": "lerc", "interleave": "pixel", "tiled": True, "blockxsize": 1024, "blockysize": 1024}
    few = write(tmp_path / "few.tif", np.zeros((3, 1024, 1024), np.uint8), **options)
    assert reader.describe(few).band_count == 3
    with rasterio.open(
        tmp_path / "many.tif", "w", driver="GTiff", dtype="uint8", count=300, width=1024, height=1024, crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 500000, 0, -10, 5100000), SPARSE_OK=True, **options,
    ):  # fmt: skip
        pass
    with pytest.raises(AssetUnreadable, match="one of its blocks takes 314,572,800 bytes"):
        reader.describe(str(tmp_path / "many.tif"))


@pytest.mark.parametrize("rows", [4, 16])
def test_a_strip_that_inflates_to_more_is_not_filled_by_chance(reader: CogReader, tmp_path: Path, rows: int) -> None:
    """Pixels of 12 bits are left to libtiff, which shows what the memory held where a strip has more rows than it
    may: the last one is to have 4."""
    path = tmp_path / "a.tif"
    row = bytes([0x55]) * 96
    write_strips(path, [zlib.compress(row * 16), zlib.compress(row * rows)])
    reader.describe(str(path))
    ((_, _, whole),) = reader.read([(str(path), [Block(level=0, row=0, column=0)])])
    assert np.unique(whole).tolist() == [0x555]
    last = reader.read([(str(path), [Block(level=0, row=1, column=0)])])
    if rows == 4:
        ((_, _, pixels),) = last
        assert np.unique(pixels[:4]).tolist() == [0x555]
    else:
        with pytest.raises(AssetUnreadable, match="cannot be decoded"):
            list(last)


def write_strips(path: Path, strips: list[bytes]) -> None:
    """An image of 64 x 20 pixels of 12 bits in deflated strips of 16 rows."""
    offsets, at = [8, 8 + len(strips[0])], 8 + sum(map(len, strips))
    tags: list[tuple[int, str, list[float]]] = [
        (256, "H", [64]), (257, "H", [20]), (258, "H", [12]), (259, "H", [8]), (262, "H", [1]), (273, "I", [*offsets]),
        (277, "H", [1]), (278, "H", [16]), (279, "I", [len(one) for one in strips]), (284, "H", [1]),
        (33550, "d", [10.0, 10.0, 0.0]), (33922, "d", [0.0, 0.0, 0.0, 5e5, 5e6, 0.0]),
        (34735, "H", [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633]),
    ]  # fmt: skip
    entries, values, behind = b"", b"", at + 2 + 12 * len(tags) + 4
    for tag, form, numbers in tags:
        raw = struct.pack(f"<{len(numbers)}{form}", *numbers)
        place = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack("<I", behind + len(values))
        values += raw if len(raw) > 4 else b""
        entries += struct.pack("<HHI", tag, {"H": 3, "I": 4, "d": 12}[form], len(numbers)) + place
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", at) + b"".join(strips) + directory + values)


def test_real_images_are_far_from_the_bounds() -> None:
    """A tile of an MGRS square as one strip, its overviews and masks, and blocks of 16 x 16: none is refused."""
    assert bounds.MOST_BLOCK_BYTES > 10_980**2 * 2
    assert bounds.MOST_BLOCKS > (10_980 // 16) ** 2
    assert tiff_directories.MOST_DIRECTORIES > 2 * 16
