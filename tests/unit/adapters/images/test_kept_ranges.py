"""Ranges of far files that are kept on disk: found again, bounded, of the same version only, and checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from arpent.adapters.images.kept.ranges import KeptRanges, Range
from arpent.adapters.images.reader import CogReader
from arpent.domain.ports.imagery import Block
from tests.support.cogs import formula, write
from tests.support.web import serve

TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
ALL = [Block(level=0, row=row, column=column) for row in range(2) for column in range(2)]
FILE = bytes(range(256)) * 64
PLACE = ("image.tif", 16384, "tag")


class Far:
    """A file that lies elsewhere, and what was fetched of it."""

    def __init__(self, content: bytes = FILE) -> None:
        self.content = content
        self.fetched: list[Range] = []

    def __call__(self, ranges: Sequence[Range]) -> list[memoryview]:
        self.fetched += ranges
        return [memoryview(self.content)[start : start + length] for start, length in ranges]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def test_only_what_is_missing_is_fetched(tmp_path: Path) -> None:
    far, kept = Far(), KeptRanges(tmp_path / "cache", 1 << 20)
    assert [bytes(each) for each in kept.complete(PLACE, [(0, 10), (100, 5)], far)] == [FILE[:10], FILE[100:105]]
    again = KeptRanges(tmp_path / "cache", 1 << 20)  # of another process
    found = again.complete(PLACE, [(100, 5), (50, 3), (0, 10)], far)
    assert [bytes(each) for each in found] == [FILE[100:105], FILE[50:53], FILE[:10]]
    assert far.fetched == [(0, 10), (100, 5), (50, 3)]


def test_another_version_is_another_file(tmp_path: Path) -> None:
    kept = KeptRanges(tmp_path, 1 << 20)
    kept.complete(PLACE, [(0, 10)], Far())
    for place in (("other.tif", 16384, "tag"), ("image.tif", 16385, "tag"), ("image.tif", 16384, "newer")):
        far = Far(FILE[::-1])
        assert bytes(kept.complete(place, [(0, 10)], far)[0]) == FILE[::-1][:10]
        assert far.fetched == [(0, 10)]


@pytest.mark.parametrize("damage", [b"", b"arp1", b"arp1\0\0\0\0other bytes"])
def test_a_damaged_range_is_fetched_again(tmp_path: Path, damage: bytes) -> None:
    kept = KeptRanges(tmp_path, 1 << 20)
    kept.complete(PLACE, [(0, 10)], Far())
    (path,) = files(tmp_path)
    path.write_bytes(damage)
    far = Far()
    assert bytes(kept.complete(PLACE, [(0, 10)], far)[0]) == FILE[:10]
    assert far.fetched == [(0, 10)]
    assert bytes(kept.complete(PLACE, [(0, 10)], Far(b""))[0]) == FILE[:10], "and kept"


def test_the_folder_is_bounded_and_what_was_used_longest_ago_goes(tmp_path: Path) -> None:
    most = 100_000
    kept = KeptRanges(tmp_path, most)
    for number in range(400):
        kept.complete(PLACE, [(number, 1000)], Far())
        for path in files(tmp_path):  # in the order of their use, however coarse the clock of the disk is
            if path.stat().st_mtime > 1e6:
                os.utime(path, (number, number))
        if number % 10 == 9:
            kept.complete(PLACE, [(0, 1000)], Far())
        assert sum(path.stat().st_size for path in files(tmp_path)) <= most
    far = Far()
    kept.complete(PLACE, [(0, 1000), (399, 1000), (1, 1000)], far)
    assert far.fetched == [(1, 1000)]


def test_what_cannot_be_kept_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    far, kept = Far(), KeptRanges(tmp_path / "file", 1 << 20)
    for _ in range(2):
        assert bytes(kept.complete(PLACE, [(0, 10)], far)[0]) == FILE[:10]
    assert far.fetched == [(0, 10)] * 2


def test_many_share_a_folder(tmp_path: Path) -> None:
    """Whatever the others remove meanwhile, everybody gets the right bytes."""
    wrong: list[Range] = []

    def work(first: int) -> None:
        kept = KeptRanges(tmp_path, 60_000)
        for number in range(first, first + 150):
            span = (number % 200, 1000)
            (piece,) = kept.complete(PLACE, [span], Far())
            if bytes(piece) != FILE[span[0] : sum(span)]:
                wrong.append(span)

    threads = [Thread(target=work, args=(first,)) for first in (0, 50, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 60_000 * 1.1


def test_a_second_job_fetches_only_headers(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    pixels = np.random.default_rng(1).integers(0, 9999, (1024, 1024)).astype("u2")
    write(tmp_path / "web" / "a.tif", pixels, **TILED)
    far = [Block(level=0, row=15, column=column) for column in range(16)]  # beyond the bytes that come with the header
    with serve(tmp_path / "web") as web:
        web.tags = True

        def job() -> tuple[int, list[np.ndarray]]:
            reader = CogReader(kept=KeptRanges(tmp_path / "cache", 10**8))
            try:
                before = len(web.asked)
                found = [each for _, _, each in reader.read([(f"{web.url}/a.tif?signature={before}", far)])]
                return len(web.asked) - before, found
            finally:
                reader.close()

        first, seen = job()
        second, again = job()
        for one, other in zip(seen, again, strict=True):
            np.testing.assert_array_equal(one, other)
        write(tmp_path / "web" / "a.tif", formula(1024, 1024), **TILED)
        _, changed = job()
        web.tags = False  # nor a time: other content might look the same
        assert job()[0] == first
        assert job()[0] == first
    assert second < first
    headers = 2  # the file's, and whether a mask lies beside it
    assert second <= headers
    np.testing.assert_array_equal(np.hstack(changed), formula(1024, 1024)[-64:])
