"""Decoded blocks that are kept: found again, bounded, and never those of a file that has changed since."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from arpent.adapters.images.kept.blocks import CONFIRMED_SECONDS, IN_USE_SECONDS, ROWS, KeptBlocks, _is_whole
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from tests.support.cogs import formula, write
from tests.support.web import serve
from tests.support.zarrs import GROUP, write_product

TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
ALL = [Block(level=0, row=row, column=column) for row in range(2) for column in range(2)]
BYTES = 64 * 64 * 2


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def reader() -> Iterator[CogReader]:
    reader = CogReader(threads=2)
    yield reader
    reader.close()


def make(path: Path, add: int = 0) -> str:
    write(path, (formula(128, 128) % 1000 + add).astype(np.uint16), **TILED)
    return str(path)


def read(kept: KeptBlocks, href: str, blocks: list[Block] = ALL) -> tuple[list[np.ndarray], int]:
    """The blocks, as a request reads them, and how many bytes of the file were read for them."""
    with kept.counting() as count:
        kept.prepare([href])
        kept.describe(href)
        pixels = [pixels for _, _, pixels in kept.read([(href, blocks)])]
    return pixels, count.total


def test_the_second_time_nothing_is_read(reader: CogReader, tmp_path: Path) -> None:
    href = make(tmp_path / "a.tif")
    kept = KeptBlocks(reader, 1 << 20)
    plain = [pixels for _, _, pixels in reader.read([(href, ALL)])]
    first, taken = read(kept, href)
    again, nothing = read(kept, href, ALL[::-1])
    assert taken > 0
    assert nothing == 0
    for one, two, three in zip(plain, first, again[::-1], strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("replaced", [True, False], ids=["another file", "the same file, written anew"])
def test_a_file_that_changed_is_read_anew(reader: CogReader, tmp_path: Path, replaced: bool) -> None:
    href = make(tmp_path / "a.tif")
    kept = KeptBlocks(reader, 1 << 20)
    before, _ = read(kept, href)
    stamp = os.stat(href).st_mtime_ns + 1_000_000_000
    if replaced:
        make(tmp_path / "b.tif", add=7)
        (tmp_path / "b.tif").replace(href)
    else:
        make(tmp_path / "a.tif", add=7)
    os.utime(href, ns=(stamp, stamp))
    after, taken = read(kept, href)
    assert taken > 0
    np.testing.assert_array_equal(after[0], before[0] + 7)


def test_another_image_stays_when_one_changes(reader: CogReader, tmp_path: Path) -> None:
    one, other = make(tmp_path / "a.tif"), make(tmp_path / "b.tif")
    kept = KeptBlocks(reader, 1 << 20)
    read(kept, one)
    read(kept, other)
    stamp = os.stat(one).st_mtime_ns + 1_000_000_000
    os.utime(one, ns=(stamp, stamp))
    assert read(kept, one)[1] > 0
    assert read(kept, other)[1] == 0


def test_a_block_read_to_a_row_serves_those_above_and_not_those_below(reader: CogReader, tmp_path: Path) -> None:
    write(tmp_path / "tall.tif", formula(1024, 64).astype(np.uint16), **TILED | {"blockysize": 1024})
    href, kept = str(tmp_path / "tall.tif"), KeptBlocks(reader, 1 << 20)
    first, second = ((ROWS - 9, True), (10, False), (ROWS, False)), ((ROWS + 9, True), (2 * ROWS, False))
    for rows, reads in (*first, *second, (None, True), (1, False)):
        found, taken = read(kept, href, [Block(level=0, row=0, column=0, rows=rows)])
        assert (taken > 0) == reads, rows
        assert len(found[0]) >= (rows or 1024)


def test_the_bytes_are_bounded_and_those_unused_longest_go(reader: CogReader, tmp_path: Path) -> None:
    href, clock = make(tmp_path / "a.tif"), Clock()
    kept = KeptBlocks(reader, 2 * BYTES, clock)
    for block in ALL[:2]:
        read(kept, href, [block])
        clock.now += IN_USE_SECONDS + 1
    read(kept, href, ALL[:1])  # used again: the other one goes first
    read(kept, href, ALL[2:3])
    assert [read(kept, href, [block])[1] > 0 for block in (ALL[0], ALL[2])] == [False, False]
    assert read(kept, href, ALL[1:2])[1] > 0


def test_no_more_memory_is_kept_than_the_block_shows() -> None:
    whole = np.zeros((8, 8), np.uint16)
    assert _is_whole(whole.view(np.int16))
    for part in (whole[:4], whole[:4].view(np.int16), np.frombuffer(bytes(64), np.uint16)):
        assert not _is_whole(part)


def test_what_is_in_use_is_not_given_up(reader: CogReader, tmp_path: Path) -> None:
    """A request that needs more than fits finds a part when it comes again."""
    href = make(tmp_path / "a.tif")
    kept = KeptBlocks(reader, 3 * BYTES, Clock())
    _, whole = read(kept, href)
    _, rest = read(kept, href)
    assert 0 < rest < whole


def test_nothing_is_kept_without_room(reader: CogReader, tmp_path: Path) -> None:
    href = make(tmp_path / "a.tif")
    kept = KeptBlocks(reader, 0)
    assert read(kept, href)[1] > 0
    assert read(kept, href)[1] > 0


def test_a_file_of_a_server_is_asked_for_its_version_only(reader: CogReader, tmp_path: Path) -> None:
    make(tmp_path / "a.tif")
    with serve(tmp_path) as web:
        web.tags = True
        kept, href = KeptBlocks(reader, 1 << 20, clock := Clock()), f"{web.url}/a.tif"
        before, _ = read(kept, href)
        asked = len(web.asked)
        assert read(kept, href)[1] == 0
        assert len(web.asked) == asked, "it was opened just now"
        clock.now += CONFIRMED_SECONDS
        make(tmp_path / "a.tif", add=7)
        stamp = (tmp_path / "a.tif").stat().st_mtime_ns + 5_000_000_000
        os.utime(tmp_path / "a.tif", ns=(stamp, stamp))
        after, taken = read(kept, href)
    assert taken > 0
    np.testing.assert_array_equal(after[0], before[0] + 7)


def test_a_server_that_tells_no_version_is_asked_for_all_of_it(reader: CogReader, tmp_path: Path) -> None:
    make(tmp_path / "a.tif")
    with serve(tmp_path) as web:
        kept, href = KeptBlocks(reader, 1 << 20), f"{web.url}/a.tif"
        read(kept, href)
        assert read(kept, href)[1] > 0


@pytest.mark.parametrize("far", [False, True])
def test_pixels_are_of_the_file_whose_header_the_caller_has(reader: CogReader, tmp_path: Path, far: bool) -> None:
    """A request that has the old header is told; one that begins afterwards gets the new file."""
    with serve(tmp_path) as web:
        web.tags = True
        href = f"{web.url}/a.tif" if far else str(tmp_path / "a.tif")
        make(tmp_path / "a.tif")
        kept = KeptBlocks(reader, 1 << 20, clock := Clock())
        before, _ = read(kept, href)
        write(tmp_path / "a.tif", (formula(128, 128) % 1000 + 7).astype(np.float32), nodata=-1, **TILED)
        stamp = (tmp_path / "a.tif").stat().st_mtime_ns + 5_000_000_000
        os.utime(tmp_path / "a.tif", ns=(stamp, stamp))
        clock.now += CONFIRMED_SECONDS
        with pytest.raises(AssetUnreadable, match=r"a\.tif was replaced while it was read") as caught:
            list(kept.read([(href, ALL)]))
        assert caught.value.transient
        with pytest.raises(AssetUnreadable, match="was replaced"):  # whoever noticed it
            list(kept.read([(href, ALL)]))
        assert kept.describe(href).no_data == -1
        (first, *_), _ = read(kept, href)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, before[0].astype(np.float32) + 7)


def test_a_request_after_a_change_has_the_new_header(reader: CogReader, tmp_path: Path) -> None:
    kept, href = KeptBlocks(reader, 1 << 20), make(tmp_path / "a.tif")
    read(kept, href)
    write(tmp_path / "b.tif", formula(192, 128).astype(np.uint16), **TILED)
    (tmp_path / "b.tif").replace(href)
    assert kept.describe(href).height == 192
    assert len(read(kept, href)[0]) == len(ALL)


def test_one_request_asks_a_file_once_and_the_next_again(
    reader: CogReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, href, asked = KeptBlocks(reader, 1 << 20), make(tmp_path / "a.tif"), []
    before, _ = read(kept, href)
    forget = reader.forget_changed
    monkeypatch.setattr(reader, "forget_changed", lambda hrefs: asked.extend(hrefs) or forget(hrefs))
    one = kept.for_one_request()
    again, nothing = read(one, href)
    assert asked == [href]
    assert nothing == 0, "they are the same blocks"
    make(tmp_path / "b.tif", add=7)
    (tmp_path / "b.tif").replace(href)
    now, _ = read(kept.for_one_request(), href)
    assert asked == [href, href]
    np.testing.assert_array_equal(again[0], before[0])
    np.testing.assert_array_equal(now[0], before[0] + 7)


def make_lerc(path: Path, value: int) -> str:
    return write(path / "a.tif", np.full((64, 64), 11 * value, np.uint16), nodata=value, compress="lerc")


def make_zarr(path: Path, value: int) -> str:
    href = write_product(path / "a.zarr", np.full((64, 64), 11 * value, np.uint16), consolidated=True)
    for document in (path / "a.zarr" / GROUP / "b04" / ".zattrs", path / "a.zarr" / ".zmetadata"):
        document.write_text(document.read_text().replace('"fill_value": 0,\n', f'"fill_value": {value},\n'))
        document.write_text(
            re.sub(r'("_eopf_attrs": \{\s*)"fill_value": 0', rf'\1"fill_value": {value}', document.read_text())
        )
    return href


@pytest.mark.parametrize("make_odd", [make_lerc, make_zarr], ids=["read by GDAL", "Zarr"])
@pytest.mark.parametrize("far", [False, True], ids=["here", "far"])
def test_what_is_no_geotiff_of_ours_is_opened_anew_too(
    reader: CogReader, tmp_path: Path, make_odd: Callable[[Path, int], str], far: bool
) -> None:
    with serve(tmp_path) as web:
        web.tags = True
        kept = KeptBlocks(reader, 1 << 20, clock := Clock())
        for value in (1, 2):
            href = make_odd(tmp_path, value)
            if far:
                href = href.replace(str(tmp_path), web.url)
            clock.now += CONFIRMED_SECONDS
            ((first,), _) = read(kept, href, ALL[:1])
            assert (first[0, 0], kept.describe(href).no_data) == (11 * value, value)


def test_an_image_that_becomes_shorter_is_read_again(reader: CogReader, tmp_path: Path) -> None:
    """What is asked for lies behind its end, which is no damage."""
    with serve(tmp_path) as web:
        web.tags = True
        write(tmp_path / "a.tif", formula(1024, 1024), tiled=True, blockxsize=256, blockysize=256)
        href, last = f"{web.url}/a.tif", Block(level=0, row=3, column=3)
        reader.describe(href)
        shorter = np.ones((1024, 1024), "uint16")
        write(tmp_path / "a.tif", shorter, tiled=True, blockxsize=256, blockysize=256, compress="deflate")
        with pytest.raises(AssetUnreadable, match="was replaced while it was read") as caught:
            list(reader.read([(href, [last])]))
        assert caught.value.transient
        reader.describe(href)
        ((_, _, pixels),) = reader.read([(href, [last])])
        assert (pixels == 1).all()


@pytest.mark.parametrize("make_odd", [make_lerc, make_zarr], ids=["read by GDAL", "Zarr"])
def test_pixels_of_this_machine_are_of_the_header_without_a_cache(
    reader: CogReader, tmp_path: Path, make_odd: Callable[[Path, int], str]
) -> None:
    href = make_odd(tmp_path, 1)
    assert reader.describe(href).no_data == 1
    list(reader.read([(href, ALL[:1])]))
    make_odd(tmp_path, 2)
    with pytest.raises(AssetUnreadable, match="was replaced while it was read"):
        list(reader.read([(href, ALL[:1])]))
    assert reader.describe(href).no_data == 2
    ((_, _, pixels),) = reader.read([(href, ALL[:1])])
    assert pixels[0, 0] == 22


def test_a_header_that_nothing_tells_the_version_of_is_read_anew(reader: CogReader, tmp_path: Path) -> None:
    with serve(tmp_path) as web:
        kept = KeptBlocks(reader, 1 << 20, clock := Clock())
        for value in (1, 2):
            write(tmp_path / "a.tif", formula(64, 64), nodata=value)
            clock.now += CONFIRMED_SECONDS
            assert kept.describe(f"{web.url}/a.tif").no_data == value


def test_all_files_are_asked_for_at_once(reader: CogReader, tmp_path: Path) -> None:
    with serve(tmp_path) as web:
        web.tags = True
        hrefs = [f"{web.url}/{number}.tif" for number in range(8)]
        for number in range(8):
            make(tmp_path / f"{number}.tif")
        kept = KeptBlocks(reader, 1 << 20, clock := Clock())
        for href in hrefs:
            read(kept, href)
        clock.now += CONFIRMED_SECONDS
        asked, web.busiest, web.seconds = len(web.asked), 0, 0.05
        kept.prepare(hrefs)
        for href in hrefs:
            assert read(kept, href)[1] == 0
    assert len(web.asked) - asked == len(hrefs)
    assert web.busiest > 1


def test_a_block_that_can_never_fit_puts_out_no_other(reader: CogReader, tmp_path: Path) -> None:
    href, clock = make(tmp_path / "a.tif"), Clock()
    write(tmp_path / "large.tif", formula(128, 128).astype(np.uint16), **TILED | {"blockxsize": 128, "blockysize": 128})
    kept = KeptBlocks(reader, 2 * BYTES, clock)
    read(kept, href, ALL[:2])
    clock.now += IN_USE_SECONDS + 1
    read(kept, str(tmp_path / "large.tif"), ALL[:1])
    assert read(kept, href, ALL[:2])[1] == 0
