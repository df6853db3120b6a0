"""What is particular to buckets that are folders."""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from arpent.adapters.objects import folder, folder_batch
from arpent.adapters.objects.folder import FolderObjects
from arpent.adapters.objects.folder_batch import CHUNK, IN_FLIGHT, Batch, FolderFiles
from arpent.adapters.objects.partial_files import PARTIAL, partial_prefix
from arpent.domain.errors import BucketNotFound, StorageDenied, StorageNotFound, StorageUnavailable
from arpent.domain.location import Location

NOBODY = 65534


@pytest.fixture
def store(tmp_path: Path) -> FolderObjects:
    (tmp_path / "root" / "bucket").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return FolderObjects(tmp_path / "root")


def at(key: str, bucket: str = "bucket") -> Location:
    return Location(scheme="s3", bucket=bucket, key=key)


@pytest.mark.parametrize("key", ["../../outside/secret", "/etc/passwd", "a//b", "", "a/\0b"])
def test_a_key_that_would_leave_is_refused(store: FolderObjects, key: str) -> None:
    with pytest.raises(StorageDenied):
        store.read(at(key))
    with pytest.raises(StorageDenied):
        store.write(at(key), b"")


def test_no_object_has_the_name_of_an_unfinished_one(store: FolderObjects) -> None:
    """It would be hidden from lists, and swept."""
    with pytest.raises(StorageDenied, match="unfinished"):
        store.write(at(f"a/{PARTIAL}1"), b"x")
    with pytest.raises(StorageDenied, match="unfinished"):
        store.write_many(at(""), [("a/1", b"x"), (f"a/{PARTIAL}1", b"x")])


@pytest.mark.parametrize("bucket", ["..", ".", "", "a/b", "../root/bucket"])
def test_a_bucket_is_one_folder(store: FolderObjects, bucket: str) -> None:
    with pytest.raises(StorageDenied, match="not a bucket name"):
        store.read(at("x", bucket))


def test_links_out_of_the_bucket_are_refused(store: FolderObjects, tmp_path: Path) -> None:
    bucket = tmp_path / "root" / "bucket"
    (bucket / "folder").symlink_to(tmp_path / "outside")
    (bucket / "file").symlink_to(tmp_path / "outside" / "secret")
    (bucket / "loop").symlink_to(bucket / "loop")
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "outside")
    for place in (at("folder/secret"), at("file"), at("loop"), at("secret", "linked")):
        with pytest.raises(StorageDenied, match="link"):
            store.read(place)
        with pytest.raises(StorageDenied, match="link"):
            store.write(place, b"overwritten")
    assert (tmp_path / "outside" / "secret").read_text() == "secret"
    assert not [key for key in store.list(at("")) if key.startswith("folder/")]


def test_a_missing_bucket_says_what_to_do(store: FolderObjects) -> None:
    with pytest.raises(StorageNotFound, match="Make the folder 'other'"):
        store.write(at("x", "other"), b"")


def test_an_object_cannot_be_a_folder(store: FolderObjects) -> None:
    store.write(at("a"), b"")
    with pytest.raises(StorageDenied, match="there is an object where"):
        store.write(at("a/b"), b"")
    store.write(at("c/d"), b"")
    with pytest.raises(StorageDenied, match="there is an object where"):
        store.write(at("c"), b"")
    with pytest.raises(StorageNotFound):
        store.read(at("c"))


@pytest.fixture
def read_only_bucket() -> Iterator[FolderObjects]:
    """Root may write everywhere, so the test runs as the user `nobody`, for whom pytest's own folders are closed."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        (root / "bucket").mkdir(parents=True)
        for place, rights in ((Path(folder), 0o755), (root, 0o755), (root / "bucket", 0o555)):
            place.chmod(rights)
        root_here = os.geteuid() == 0
        if root_here:
            os.seteuid(NOBODY)
        try:
            yield FolderObjects(root)
        finally:
            if root_here:
                os.seteuid(0)
            (root / "bucket").chmod(0o755)


def test_a_read_only_bucket_is_denied(read_only_bucket: FolderObjects) -> None:
    with pytest.raises(StorageDenied, match="check its permissions"):
        read_only_bucket.write(at("x"), b"")


@pytest.mark.parametrize(
    ("number", "kind", "transient"),
    [("EROFS", StorageDenied, False), ("ENOSPC", StorageUnavailable, True), ("EIO", StorageUnavailable, True)],
)
def test_a_failing_disk_leaves_no_object(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str, kind: type, transient: bool
) -> None:
    store.write(at("x"), b"before")

    def fail(_: int) -> None:
        raise OSError(getattr(errno, number), "disk")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind) as caught:
        store.write_many(at(""), [("x", b"after")])
    assert caught.value.transient is transient
    monkeypatch.undo()
    assert store.read(at("x")) == b"before"
    assert [path.name for path in (tmp_path / "root" / "bucket").iterdir()] == ["x"]


def test_what_cannot_be_removed_either_hides_no_reason(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that becomes read-only in the midst of a batch."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only", ".arpent-partial-x")

    monkeypatch.setattr(os, "rename", fail)
    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(StorageDenied, match=r"s3://bucket/x/1\.json"):
        store.write_many(at(""), [("x/1.json", b"")])


def test_a_full_disk_for_temporary_files_is_not_the_buckets(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    store.write(at("a"), b"x")
    monkeypatch.setattr(shutil, "copyfileobj", fail)
    with pytest.raises(StorageUnavailable, match="temporary files") as caught:
        store.download(at("a"), tmp_path / "copy")
    assert caught.value.transient


def test_a_bucket_among_temporary_files_is_on_their_disk(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands put results there that nobody chose a bucket for."""

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageUnavailable, match="the disk of bucket 'bucket' is full"):
        store.write(at("a"), b"x")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(StorageUnavailable, match="temporary files"):
        store.write(at("a"), b"x")


def test_leftovers_of_a_crash_are_hidden_and_swept(store: FolderObjects, tmp_path: Path) -> None:
    bucket = tmp_path / "root" / "bucket"
    fresh, stale = bucket / ".arpent-partial-1", bucket / ".arpent-partial-2"
    fresh.write_bytes(b"x")
    stale.write_bytes(b"x")
    os.utime(stale, (time.time() - 7200,) * 2)
    store.write(at("a"), b"")  # tables are written so, files of results by write_many
    assert list(store.list(at(""))) == ["a"]
    assert fresh.exists()
    assert not stale.exists()


UNFINISHED = """
import sys
from arpent.adapters.objects.partial_files import partial_prefix
open(f"{sys.argv[1]}/{partial_prefix()}", "w").close()
print("written", flush=True)
sys.stdin.readline()
"""


def test_what_a_killed_process_was_writing_is_swept_at_once(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its partition is done again within minutes, and after that nobody may ever write there."""
    bucket = tmp_path / "root" / "bucket"
    monkeypatch.setattr(folder, "SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(folder, "SWEEP_SHARE", 1e9)
    command = [sys.executable, "-c", UNFINISHED, str(bucket)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        store.write(at("a"), b"")
        (partial,) = bucket.glob(f"{PARTIAL}*")
        os.utime(partial, (time.time() - 7200,) * 2)
        store.write(at("a"), b"")
        assert partial.exists(), "it may still be finished, even if it stood still, or the clock was set"
        writer.kill()
    store.write_many(at(""), [("b", b"")])
    assert sorted(path.name for path in bucket.iterdir()) == ["a", "b"]


def test_a_process_that_could_not_tell_when_it_began_may_live(store: FolderObjects, tmp_path: Path) -> None:
    """As where it had too many open files for a moment."""
    mine = partial_prefix()
    theirs = tmp_path / "root" / "bucket" / re.sub(r"-\d+-([0-9a-f]{16})$", r"-0-\1", mine)
    assert theirs.name != mine
    theirs.write_bytes(b"x")
    store.write(at("a"), b"")
    assert theirs.exists()


def test_what_another_machine_writes_is_left_alone(store: FolderObjects, tmp_path: Path) -> None:
    theirs = tmp_path / "root" / "bucket" / f"{PARTIAL}00000000-999999999-1-abcdef"
    theirs.write_bytes(b"x")
    store.write(at("a"), b"")
    assert theirs.exists()


def test_a_large_folder_is_not_read_for_leftovers_again_and_again(store: FolderObjects, tmp_path: Path) -> None:
    store.write_many(at(""), [("a", b"")])
    stale = tmp_path / "root" / "bucket" / ".arpent-partial-2"
    stale.write_bytes(b"x")
    os.utime(stale, (time.time() - 7200,) * 2)
    store.write_many(at(""), [("b", b"")])
    assert stale.exists()


def test_many_files_are_there_together_or_not_at_all(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(at("r/7.json"), b"before")

    def entries() -> Iterator[tuple[str, bytes]]:
        for number in range(500):
            yield f"r/{number}.json", b"after"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        store.write_many(at("r"), entries())
    assert [path.name for path in (tmp_path / "root" / "bucket" / "r").iterdir()] == ["7.json"]
    assert store.read(at("r/7.json")) == b"before"


def test_many_files_are_on_disk_before_they_have_their_names(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    batch = Batch(tmp_path, sync=lambda _: seen.append(sorted(path.name for path in tmp_path.iterdir())))
    batch.place(iter([[FolderFiles(str(tmp_path), [str(number) for number in range(100)], [b"x"] * 100)]]))
    assert len(seen) == 1
    assert len(seen[0]) == 100
    assert all(name.startswith(PARTIAL) for name in seen[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(str(number) for number in range(100))


@pytest.mark.parametrize(("moment", "back"), [("written", False), ("written", True), ("renamed", False)])
def test_a_bucket_that_goes_away_meanwhile_is_not_made_anew(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, back: bool
) -> None:
    """As when its disk is unmounted: what is written beneath the mount point is lost."""
    bucket, elsewhere = tmp_path / "root" / "bucket", tmp_path / "elsewhere"
    make = folder_batch.make_folder

    def entries() -> Iterator[tuple[str, bytes]]:
        for number in range(2 * CHUNK):
            if number == 1.5 * CHUNK and moment == "written":
                bucket.rename(elsewhere)
            yield f"new/{number}", b"x"
        if moment == "renamed":
            bucket.rename(elsewhere)

    def make_late(folder: Path, bucket: Path) -> None:
        try:
            make(folder, bucket)
        finally:
            if back and elsewhere.exists():
                elsewhere.rename(bucket)

    monkeypatch.setattr(folder_batch, "make_folder", make_late)
    with pytest.raises(StorageUnavailable if back else BucketNotFound) as raised:
        store.write_many(at("new"), entries())
    assert not back or raised.value.transient
    assert bucket.exists() == back
    assert not [path for path in (bucket if back else elsewhere).glob("new/*") if not path.name.startswith(PARTIAL)]


def test_a_bucket_that_goes_away_after_a_write_takes_nothing_back(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leftovers are looked for last of all: that nobody finds the folder then concerns no result."""
    bucket, elsewhere, sync = tmp_path / "root" / "bucket", tmp_path / "elsewhere", folder._sync_folders

    def synced(folders: set[Path], above: Path) -> None:
        sync(folders, above)
        bucket.rename(elsewhere)

    monkeypatch.setattr(folder, "_sync_folders", synced)
    store.write(at("new/one"), b"x")
    elsewhere.rename(bucket)
    store.write_many(at("new"), [("new/two", b"x")])
    assert {path.name for path in (elsewhere / "new").iterdir()} == {"one", "two"}


@pytest.mark.parametrize(
    "reading",
    [
        lambda store, copy: store.read(at("a/one")),
        lambda store, copy: store.download(at("a/one"), copy),
        lambda store, copy: list(store.list(at("a"))),
    ],
    ids=["read", "download", "list"],
)
def test_a_bucket_that_goes_away_while_it_is_read_is_away(
    store: FolderObjects,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reading: Callable[[FolderObjects, Path], object],
) -> None:
    store.write(at("a/one"), b"x")
    find = store._path

    def found(location: Location, why: str) -> Path:
        path = find(location, why)
        (tmp_path / "root" / "bucket").rename(tmp_path / "elsewhere")
        return path

    monkeypatch.setattr(store, "_path", found)
    with pytest.raises(BucketNotFound):
        reading(store, tmp_path / "copy")


def test_a_folder_that_cannot_be_listed_is_not_taken_for_empty(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(at("a/b/one"), b"x")
    scan = os.scandir

    def scanned(path: str) -> Any:
        if str(path).endswith("/b"):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scanned)
    with pytest.raises(StorageUnavailable, match="Stale file handle") as raised:
        list(store.list(at("a")))
    assert raised.value.transient


@pytest.mark.parametrize(("waiting", "chunks"), [(math.inf, 1), (-1.0, 2 * IN_FLIGHT)], ids=["alone", "threads"])
@pytest.mark.parametrize("key", ["r/{}.json", "r/{}/all.json"], ids=["one folder", "own folders"])
def test_memory_holds_few_large_files(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, waiting: float, chunks: int
) -> None:
    """However many there are: no more is taken from the caller than what is being written."""
    size, held = 1 << 10, []
    monkeypatch.setattr(folder, "CHUNK_BYTES", 8 * size)
    monkeypatch.setattr(folder_batch, "WAITING", waiting)

    def entries() -> Iterator[tuple[str, bytes]]:
        for number in range(512):
            written = sum(path.stat().st_size for path in tmp_path.rglob(f"{PARTIAL}*"))
            held.append(number * size - written)
            yield key.format(number), bytes(size)

    store.write_many(at("r"), entries())
    assert max(held) <= (chunks + 1) * 8 * size


@pytest.mark.parametrize(("waiting", "threads"), [(math.inf, {threading.main_thread().name}), (-1.0, {"folder-batch"})])
def test_threads_write_once_files_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: float, threads: set[str]
) -> None:
    seen: list[str] = []
    rename = os.rename

    def renamed(source: str, target: str, **folders: int) -> None:
        seen.append(threading.current_thread().name.rpartition("_")[0] or threading.current_thread().name)
        rename(source, target, **folders)

    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(folder_batch, "WAITING", waiting)
    paths = [str(tmp_path / str(number % 3) / str(number)) for number in range(4 * CHUNK)]
    files = (FolderFiles(path.rpartition("/")[0], [path.rpartition("/")[2]], [path.encode()]) for path in paths)
    assert Batch(tmp_path).place([each] for each in files) == {str(tmp_path / name) for name in "012"}
    assert {path: Path(path).read_text() for path in paths} == {path: path for path in paths}
    assert len(list(tmp_path.rglob("*"))) == 4 * CHUNK + 3
    assert set(seen) == threads


def test_a_link_in_the_place_of_a_file_is_replaced(store: FolderObjects, tmp_path: Path) -> None:
    folder = tmp_path / "root" / "bucket" / "r"
    folder.mkdir()
    (folder / "1").symlink_to(tmp_path / "outside" / "secret")
    store.write_many(at("r"), [("r/0", b"0"), ("r/1", b"1")])
    assert (tmp_path / "outside" / "secret").read_text() == "secret"
    assert store.read(at("r/1")) == b"1"
