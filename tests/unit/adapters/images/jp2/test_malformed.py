"""JPEG 2000 files that are damaged or hold false headers: right numbers or AssetUnreadable, within limits."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from arpent.adapters.images.jp2 import one_tile
from arpent.adapters.images.jp2.image import Jp2Image
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from tests.support.cogs import formula
from tests.support.jpeg2000 import COD, SIZ, Taken, says, take_apart, write_jp2
from tests.support.web import serve

TILE, TILES = 32, 12
PIXELS = formula(TILE * TILES, TILE * TILES) * 37 % 4000
HANG = 20.0
"""Seconds after which a reader counts as hanging, on the slowest machine."""
MOST_GROWTH = 600 << 20
"""Bytes that a reader may grow by; one tile takes some kilobytes."""
MUTATIONS = 150
Harm = Callable[[Taken], bytes]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("image") / "plain.jp2"
    write_jp2(path, PIXELS, TILE, RESOLUTIONS=3)
    return path.read_bytes()


@pytest.fixture(params=["here", "far"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[bytes], str]]:
    """Where a file is put, and what names it."""

    def put(content: bytes) -> str:
        (tmp_path / "a.jp2").write_bytes(content)
        return prefix + "/a.jp2"

    if request.param == "here":
        prefix = str(tmp_path)
        yield put
    else:
        with serve(tmp_path) as web:
            prefix = web.url
            yield put


def read(href: str, *places: tuple[int, int]) -> list[np.ndarray]:
    reader = CogReader(retry_seconds=0.1)
    before, began = psutil.Process().memory_info().rss, time.monotonic()
    try:
        blocks = [Block(level=0, row=row, column=column) for row, column in places]
        reader.describe(href)
        assert isinstance(reader._image(href), Jp2Image)
        return [pixels for _, _, pixels in reader.read([(href, blocks)])]
    finally:
        reader.close()
        assert time.monotonic() - began < HANG
        assert psutil.Process().memory_info().rss - before < MOST_GROWTH


def tile_of(row: int, column: int) -> np.ndarray:
    return PIXELS[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]


def shorter(taken: Taken) -> list[int]:
    """Wrong lengths, by a few bytes, of every part."""
    return [len(part) - 1 for part in taken.parts]


HARMLESS: dict[str, Harm] = {
    "a table of tiles": lambda taken: taken.listed().whole(),
    "no end": lambda taken: taken.whole(end=b""),
    "the last part does not say how long it is": lambda taken: taken.part(-1 % 144, says(taken.parts[-1], 0)).whole(),
    "a table that lies": lambda taken: taken.listed(shorter(taken)).whole(),
    "a table that reaches beyond the file": lambda taken: taken.listed([1 << 30] * 144).whole(),
    "a table of other tiles": lambda taken: replace(taken, parts=taken.parts[::-1]).listed().whole(),
    "tiles backwards": lambda taken: replace(taken, parts=taken.parts[::-1]).whole(),
    "boxes behind": lambda taken: taken.whole(tail=struct.pack(">I4s", 12, b"free") + bytes(4)),
}


@pytest.mark.parametrize("harm", HARMLESS)
def test_right_numbers(image: bytes, place: Callable[[bytes], str], harm: str) -> None:
    places = [(0, 0), (11, 11), (5, 7), (0, 11)]
    for at, pixels in zip(places, read(place(HARMLESS[harm](take_apart(image))), *places), strict=True):
        np.testing.assert_array_equal(pixels, tile_of(*at))


def cut(taken: Taken) -> bytes:
    content = taken.whole(end=b"")
    return content[: -len(taken.parts[-1]) // 2]


def emptied(part: bytes, keep: int) -> bytes:
    """A part that is shorter than its packets say, and says so."""
    return says(part[:keep], keep)


DAMAGED: dict[str, tuple[Harm, tuple[int, int], str]] = {
    "cut": (cut, (11, 11), "the file ends before it does|does not hold it"),
    "nothing of a part": (lambda t: t.part(40, emptied(t.parts[40], 14)).whole(), (3, 4), "damaged"),
    "half of a part": (lambda t: t.part(40, emptied(t.parts[40], len(t.parts[40]) // 2)).whole(), (3, 4), "damaged"),
    "length 0 in the middle": (lambda t: t.part(3, says(t.parts[3], 0)).whole(), (0, 3), "more than it could need"),
    "behind length 0": (lambda t: t.part(3, says(t.parts[3], 0)).whole(), (0, 9), "does not hold it"),
    "length 5": (lambda t: t.part(3, says(t.parts[3], 5)).whole(), (0, 3), "does not hold it"),
    "length of the file": (lambda t: t.part(3, says(t.parts[3], 1 << 31)).whole(), (0, 3), "ends before it does"),
    "another tile's number": (
        lambda t: t.part(3, t.parts[3][:4] + b"\0\x09" + t.parts[3][6:]).whole(), (0, 3), "does not hold it",
    ),
    "a tile that is not there": (lambda t: replace(t, parts=t.parts[:50]).whole(), (11, 11), "does not hold it"),
    "no tiles": (lambda t: replace(t, parts=t.parts[:2]).whole(), (5, 5), "does not hold it"),
    "noise": (lambda t: t.part(40, t.parts[40][:14] + bytes(range(256))[: len(t.parts[40]) - 14]).whole(), (3, 4), "."),
}  # fmt: skip


@pytest.mark.parametrize("harm", DAMAGED)
def test_damaged_tiles_cost_only_themselves(image: bytes, place: Callable[[bytes], str], harm: str) -> None:
    make, at, words = DAMAGED[harm]
    href = place(make(take_apart(image)))
    if words != ".":
        with pytest.raises(AssetUnreadable, match=words) as caught:
            read(href, at)
        assert f"block (row {at[0]}, column {at[1]}) of level 0" in str(caught.value)
        assert not caught.value.transient
    np.testing.assert_array_equal(read(href, (0, 1))[0], tile_of(0, 1))


def bands(taken: Taken, count: int) -> Taken:
    """The same, but it says that it has so many bands."""
    (sizes,) = [content for marker, content in taken.segments if marker == SIZ]
    many = sizes[:34] + struct.pack(">H", count) + sizes[36:39] * count
    at = taken.boxes.index(b"ihdr") + 12
    return Taken(
        taken.boxes[:at] + struct.pack(">H", count) + taken.boxes[at + 2 :],
        tuple((marker, many if marker == SIZ else content) for marker, content in taken.segments), taken.parts,
    )  # fmt: skip


def with_coding(taken: Taken, part: bytes) -> bytes:
    """A part that says itself that its code blocks are tiny."""
    (coding,) = [content for marker, content in taken.segments if marker == COD]
    own = struct.pack(">HH", COD, 2 + len(coding)) + coding[:6] + b"\0\0" + coding[8:]
    return says(part[:12] + own + part[12:], len(part) + len(own))


HEADERS: dict[str, tuple[Harm, str]] = {
    "a million tiles": (lambda t: t.segment(SIZ, 18, struct.pack(">II", 1, 1)).whole(), "147,456 tiles, more than"),
    "sides of 0": (lambda t: t.segment(SIZ, 18, struct.pack(">II", 0, 0)).whole(), "header is damaged"),
    "a huge image": (lambda t: t.segment(SIZ, 2, struct.pack(">II", 2**31, 2**31)).whole(), "tiles, more than"),
    "a huge tile": (
        lambda t: t.segment(SIZ, 2, struct.pack(">II", 1 << 20, 1 << 20))
        .segment(SIZ, 18, struct.pack(">II", 1 << 19, 1 << 19)).whole(), "code blocks|one of its blocks",
    ),
    "tiny code blocks": (
        lambda t: t.segment(SIZ, 2, struct.pack(">II", 8192, 8192)).segment(SIZ, 18, struct.pack(">II", 4096, 4096))
        .segment(COD, 6, b"\0\0").whole(), "code blocks",
    ),
    "tiny code blocks, away from the origin": (
        lambda t: t.segment(SIZ, 2, struct.pack(">8I", 8193, 8193, 1, 1, 8193, 8193, 0, 0)).segment(COD, 6, b"\0\0")
        .whole(), "code blocks",
    ),
    "tiny code blocks of many bands": (
        lambda t: bands(t, 30).segment(SIZ, 2, struct.pack(">II", 4096, 4096))
        .segment(SIZ, 18, struct.pack(">II", 2048, 2048)).segment(COD, 6, b"\0\0").whole(), "code blocks of all bands",
    ),
    "tiny code blocks by the tile's own words, which GDAL would read": (
        lambda t: replace(t, parts=(with_coding(t, t.parts[0]),))
        .segment(SIZ, 2, struct.pack(">8I", 8193, 8193, 1, 1, 8193, 8193, 0, 0)).whole(), "code blocks",
    ),
    "tiny code blocks by the words of each part of a tile, which GDAL would read": (
        lambda t: replace(t, parts=(with_coding(t, t.parts[0]),) * 5)
        .segment(SIZ, 2, struct.pack(">8I", 2049, 2049, 1, 1, 2049, 2049, 0, 0)).whole(), "code blocks of all bands",
    ),
    "many tiles of many bands": (
        lambda t: bands(t, 100).segment(SIZ, 2, struct.pack(">II", 8160, 8160)).whole(), "65,025 tiles of 100 bands",
    ),
    "no coding style": (
        lambda t: replace(t, segments=tuple(one for one in t.segments if one[0] != COD)).whole(), "lacks the sizes"
    ),
    "two coding styles": (
        lambda t: replace(t, segments=t.segments + tuple(one for one in t.segments if one[0] == COD)).whole(), "twice"
    ),
    "no codestream": (lambda t: t.boxes, "no codestream"),
    "ends in the header": (lambda t: t.whole()[: len(t.boxes) + 30], "ends too soon|damaged"),
    "a box of 3 bytes": (lambda t: t.whole()[:12] + struct.pack(">I4s", 3, b"free") + t.whole()[12:], "3 bytes"),
    "a huge box": (lambda t: t.whole()[:12] + struct.pack(">I4s", 8 + (9 << 20), b"uuid") + bytes(9 << 20), "4 MiB"),
}  # fmt: skip


@pytest.mark.parametrize("listed", [True, False])
def test_a_tile_that_lacks_a_part(tmp_path: Path, place: Callable[[bytes], str], listed: bool) -> None:
    """OpenJPEG would decode the rest, coarser than it was."""
    taken = take_apart(
        Path(write_jp2(tmp_path / "b.jp2", PIXELS, TILE, RESOLUTIONS=3, TILEPARTS="RESOLUTIONS")).read_bytes()
    )
    lacking = next(n for n, part in enumerate(taken.parts) if struct.unpack_from(">H", part, 4) == (9,)) + 2
    lesser = replace(taken, parts=taken.parts[:lacking] + taken.parts[lacking + 1 :])
    href = place((lesser.listed() if listed else lesser).whole())
    with pytest.raises(AssetUnreadable, match="does not hold all of it"):
        read(href, (0, 9))
    np.testing.assert_array_equal(read(href, (0, 8))[0], tile_of(0, 8))


@pytest.mark.parametrize("harm", HEADERS)
def test_headers_that_are_refused(image: bytes, place: Callable[[bytes], str], harm: str) -> None:
    make, words = HEADERS[harm]
    with pytest.raises(AssetUnreadable, match=words):
        read(place(make(take_apart(image))), (0, 0))


def test_parts_of_a_tile_are_looked_at_once(image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may have 262,144 of them, all of one tile."""
    true, seen = one_tile.check_coding, list[int]()

    def counted(segments: Iterable[tuple[int, bytes]], *rest: Any) -> int:
        found = list(segments)
        seen.append(len(found))
        return true(found, *rest)

    monkeypatch.setattr(one_tile, "check_coding", counted)
    taken = take_apart(image)
    harmed = replace(taken, parts=(with_coding(taken, taken.parts[0]),) * 50)
    (tmp_path / "a.jp2").write_bytes(harmed.segment(SIZ, 10, struct.pack(">II", 1, 1)).whole())
    reader = CogReader()
    with suppress(AssetUnreadable):
        reader.describe(str(tmp_path / "a.jp2"))
    reader.close()
    assert seen == [1] * 50


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # rasterio decodes GDAL's odd texts
def test_mutated_headers_raise_nothing_else(image: bytes, tmp_path: Path) -> None:
    chance = random.Random(5)
    header = len(image) - sum(len(part) for part in take_apart(image).parts) + 60
    ended = set()
    for number in range(MUTATIONS):
        content = bytearray(image)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(12, header)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        path = tmp_path / f"{number}.jp2"
        path.write_bytes(content)
        reader = CogReader()
        began = time.monotonic()
        try:
            reader.describe(str(path))
            list(reader.read([(str(path), [Block(level=0, row=0, column=0)])]))
            ended.add("read")
        except AssetUnreadable:
            ended.add("refused")
        assert time.monotonic() - began < HANG
        reader.close()
        path.unlink()
    assert ended == {"read", "refused"}
