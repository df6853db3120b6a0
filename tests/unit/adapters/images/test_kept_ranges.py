"""Ranges of far files that are kept on disk: found again, bounded, of the same version only, and checked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest

from arpent.adapters.images.byte_source import ByteSources
from arpent.adapters.images.kept.ranges import FOLDER, KeptRanges, Range
from arpent.adapters.images.reader import CogReader
from arpent.domain.boundary.address_names import unsigned_name
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.file_version import Version, is_settled, same_version
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


def taken(folder: Path) -> int:
    """Bytes of the disk, of which a file takes whole blocks."""
    return sum(max(path.stat().st_blocks * 512, 4096) for path in files(folder))


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


@pytest.mark.parametrize("damage", [b"", b"arp2", b"arp2\0\0\0\0other bytes"])
def test_a_damaged_range_is_fetched_again(tmp_path: Path, damage: bytes) -> None:
    kept = KeptRanges(tmp_path, 1 << 20)
    kept.complete(PLACE, [(0, 10)], Far())
    (path,) = files(tmp_path)
    path.write_bytes(damage)
    far = Far()
    assert bytes(kept.complete(PLACE, [(0, 10)], far)[0]) == FILE[:10]
    assert far.fetched == [(0, 10)]
    assert bytes(kept.complete(PLACE, [(0, 10)], Far(b""))[0]) == FILE[:10], "and kept"


def test_ranges_that_were_exchanged_are_fetched_again(tmp_path: Path) -> None:
    kept, spans = KeptRanges(tmp_path, 1 << 20), [(0, 10), (20, 10)]
    kept.complete(PLACE, spans, Far())
    one, other = files(tmp_path)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    far = Far()
    assert [bytes(each) for each in kept.complete(PLACE, spans, far)] == [FILE[:10], FILE[20:30]]
    assert far.fetched == spans


def test_what_changed_a_moment_ago_is_not_kept(tmp_path: Path) -> None:
    """It may change once more in the same second, and servers do not tell such versions apart."""
    write(tmp_path / "image.tif", formula(64, 64))
    folder = tmp_path / "cache"
    with serve(tmp_path) as web:
        web.tags = True
        origins = ByteSources(kept=KeptRanges(folder, 1 << 20))
        href = f"{web.url}/image.tif"
        tag, _, size = origins.head(href).version
        for age, count in ((0.0, 0), (60.0, 1)):
            origins.ranges(href, [(0, 4)], (tag, time.time() - age, size))
            assert len(files(folder)) == count
        origins.close()


@pytest.mark.parametrize(
    ("version", "settled"), [(("a", 0.0, 5), True), ((None, 0.0, 5), False), ((None, 9.0, 5), True)]
)
def test_a_version_is_settled_if_another_would_differ(version: Version, settled: bool) -> None:
    assert is_settled(version) is settled


def test_the_folder_is_bounded_and_what_was_used_longest_ago_goes(tmp_path: Path) -> None:
    most = 160_000
    kept = KeptRanges(tmp_path, most)
    for number in range(120):
        kept.complete(PLACE, [(number, 1000)], Far())
        for path in files(tmp_path):  # in the order of their use, however coarse the clock of the disk is
            if path.stat().st_mtime > 1e6:
                os.utime(path, (number, number))
        if number % 10 == 9:
            kept.complete(PLACE, [(0, 1000)], Far())
        assert taken(tmp_path) <= most
    far = Far()
    kept.complete(PLACE, [(0, 1000), (119, 1000), (1, 1000)], far)
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
    assert taken(tmp_path) <= 60_000 * 1.3


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


def test_another_query_is_another_file_and_another_signature_is_not() -> None:
    one = unsigned_name("https://me@host/get?file=B02.tif&X-Amz-Signature=1&sig=a%2F&Expires=7")
    assert one == unsigned_name("https://host/get?file=B02.tif&X-Amz-Signature=2") == "https://host/get?file=B02.tif"
    assert one != unsigned_name("https://host/get?file=B03.tif")
    assert unsigned_name("https://host/a.tif?sv=1&se=2") == "https://host/a.tif"


def test_nothing_else_in_the_folder_is_touched(tmp_path: Path) -> None:
    others = [tmp_path / "photos" / "a.jpg", tmp_path / "ab" / ("c" * 62), tmp_path / FOLDER / "00" / "notes.txt"]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(50_000))
        os.utime(path, (0, 0))
    kept = KeptRanges(tmp_path, 100_000)
    for number in range(100):
        kept.complete(PLACE, [(number, 1000)], Far())
    assert [path for path in others if not path.exists()] == []
    assert taken(tmp_path / FOLDER) < 200_000


def test_the_ranges_are_of_one_user(tmp_path: Path) -> None:
    KeptRanges(tmp_path, 1 << 20).complete(PLACE, [(0, 10)], Far())
    assert (tmp_path / FOLDER).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("harm", ["open to all", "of somebody else", "a link that leads nowhere"])
def test_nothing_is_taken_from_a_folder_that_others_may_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    far, kept = Far(), KeptRanges(tmp_path, 1 << 20)
    for _ in range(2):
        kept.complete(PLACE, [(0, 10)], far)
    assert len(far.fetched) == 1
    if harm == "open to all":
        (tmp_path / FOLDER).chmod(0o777)
    elif harm == "of somebody else":
        monkeypatch.setattr("arpent.adapters.images.kept.ranges.os.geteuid", lambda: 4711)
        monkeypatch.setattr("arpent.adapters.images.kept.ranges._TRUSTED", ())
    else:
        (tmp_path / FOLDER).rename(tmp_path / "other")
        (tmp_path / FOLDER).symlink_to(tmp_path / "nowhere")
    assert bytes(kept.complete(PLACE, [(0, 10)], far)[0]) == FILE[:10]
    assert len(far.fetched) == 2


def test_a_range_whose_use_cannot_be_noted_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(path)

    kept, far = KeptRanges(tmp_path, 1 << 20), Far()
    kept.complete(PLACE, [(0, 10)], far)
    monkeypatch.setattr("arpent.adapters.images.kept.ranges.os.utime", refuse)
    kept.complete(PLACE, [(0, 10)], far)
    assert far.fetched == [(0, 10)]


def test_a_large_folder_is_looked_through_one_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    scan = os.scandir

    def noted(folder: Path) -> Iterator[os.DirEntry[str]]:
        looked.append(Path(folder).name)
        return scan(folder)

    monkeypatch.setattr("arpent.adapters.images.kept.ranges.os.scandir", noted)
    KeptRanges(tmp_path, 20 * 10**9).complete(PLACE, [(0, 10)], Far())
    looked_through = set(looked)
    (path,) = files(tmp_path)
    assert looked_through in ({path.parent.name, f"{int(path.parent.name, 16) ^ 1:02x}"}, {path.parent.name})


@pytest.mark.parametrize("seconds", [1, 601])
def test_a_process_that_goes_on_notices_another_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """Blocks from the folder tell nothing of what the server has by now."""
    now = 0.0
    monkeypatch.setattr("arpent.network.memo.time", SimpleNamespace(monotonic=lambda: now))
    (tmp_path / "web").mkdir()
    old, new = (np.random.default_rng(seed).integers(0, 9999, (1024, 1024)).astype("u2") for seed in (1, 2))
    write(tmp_path / "web" / "a.tif", old, **TILED)
    last = [Block(level=0, row=15, column=15)]
    with serve(tmp_path / "web") as web:
        web.tags = True
        reader = CogReader(kept=KeptRanges(tmp_path / "cache", 10**8))
        href = f"{web.url}/a.tif"
        try:
            reader.describe(href)
            list(reader.read([(href, last)]))
            write(tmp_path / "web" / "a.tif", new, **TILED)
            now += seconds
            if seconds > 600:  # whose header was told before is not given the pixels of another file
                with pytest.raises(AssetUnreadable, match="was replaced"):
                    list(reader.read([(href, last)]))
            reader.describe(href)
            ((_, _, found),) = reader.read([(href, last)])
        finally:
            reader.close()
    np.testing.assert_array_equal(found, (new if seconds > 600 else old)[-64:, -64:])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("a", 0, 9), ("a", 0, 9), True),
        (("a", 0, 9), ("b", 0, 9), False),
        (("a", 5, 9), ("b", 5, 9), True),
        (("a", 5, 9), ("b", 6, 9), False),
        ((None, 0, 9), (None, 0, 9), True),
        ((None, 0, 9), (None, 0, 8), False),
        ((None, 5, 9), (None, 6, 9), False),
    ],
)
def test_versions_are_the_same_by_tag_or_by_time_and_size(one: Version, other: Version, same: bool) -> None:
    assert same_version(one, other) == same
