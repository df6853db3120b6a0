"""Folder: ObjectStore on a folder: s3://name/key is root/name/key, and nothing outside the bucket's folder can be
reached."""

from __future__ import annotations

import errno
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from tempfile import gettempdir

from arpent.adapters.objects.batches import batches
from arpent.adapters.objects.folder_batch import CHUNK, CHUNK_BYTES, Batch, FolderFiles, make_folder
from arpent.adapters.objects.partial_files import PARTIAL, partial_prefix, remove_left_over
from arpent.adapters.objects.size import check_size
from arpent.domain.boundary.wanted import held_here
from arpent.domain.errors import (
    BucketNotFound,
    NameRefused,
    StorageDenied,
    StorageNotFound,
    StorageUnavailable,
    WorldError,
)
from arpent.domain.location import Location

_MOST_FOLDERS = 64
"""Number of folders per call that are remembered as checked."""
SWEEP_SECONDS, SWEEP_SHARE = 60.0, 0.02
"""Minimum pause between two searches of a folder for files left by crashes, and the share of time that they may
take."""

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ABSENT = {errno.ENOENT, errno.EISDIR, errno.ENOTDIR}


class FolderObjects:
    """Buckets as sub-folders of `root`; credentials are ignored.

    Plain files instead of obstore's LocalStore, which neither syncs to disk (a power cut could leave an object empty
    that a job counts as done) nor stops at symbolic links. A write goes to a partial file next to its target, is
    synced, and renamed (many at once: folder_batch); partial files of a crash are hidden from `list` and deleted later.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sweep_at: dict[Path, float] = {}

    def read(self, location: Location, most: int | None = None) -> bytes:
        with self._explained(location, "read"):
            path = self._path(location, "read")
            check_size(location, path.stat().st_size, most)
            return path.read_bytes()

    def download(self, location: Location, path: Path, most: int | None = None) -> None:
        with self._explained(location, "read"):
            source = self._path(location, "read")
            check_size(location, source.stat().st_size, most)
            with source.open("rb") as stream:
                partial = path.with_name(path.name + ".part")
                with partial.open("wb") as copy:
                    shutil.copyfileobj(stream, copy, 1 << 20)
                partial.replace(path)

    def write(self, location: Location, payload: bytes) -> None:
        with self._explained(location, "write"):
            path = self._path(location, "write")
            self._place(location, path, payload)
            _sync_folders({path.parent}, self._bucket(location, "write"))
        self._sweep(path.parent)

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        with self._explained(prefix, "write"):
            root = self._bucket(prefix, "write")
            folders = {Path(folder) for folder in Batch(root).place(self._files(prefix, entries))}
            _sync_folders(folders, root)
        for folder in folders:
            self._sweep(folder)

    @contextmanager
    def _explained(self, location: Location, action: str) -> Iterator[None]:
        """Turn OSErrors of the block into errors in arpent's words; a bucket that has disappeared meanwhile is reported
        like one that was never there."""
        try:
            yield
        except OSError as error:
            bucket = None
            with suppress(OSError):
                bucket = self._bucket(location, action)
            raise _in_words(error, _of_file(error, location, bucket), action, self._root) from error

    def _sweep(self, folder: Path) -> None:
        """Delete partial files that a crash left behind. Done after each write, since it may be the last one into this
        folder, but not too often, since listing a folder with a country's results takes long."""
        begun = time.monotonic()
        if begun < self._sweep_at.get(folder, -math.inf):
            return
        remove_left_over(folder)
        ended = time.monotonic()
        due = ended + max(SWEEP_SECONDS, (ended - begun) / SWEEP_SHARE)
        self._sweep_at = {**self._sweep_at, folder: due} if len(self._sweep_at) < _MOST_FOLDERS else {folder: due}

    def _files(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> Iterator[list[FolderFiles]]:
        """The entries, a chunk at a time. Each folder is resolved and checked once."""
        known: dict[str, str] = {}
        for batch in batches(entries, CHUNK, CHUNK_BYTES):
            chunk: list[FolderFiles] = []
            for above, some in groupby(batch, lambda entry: entry[0].rpartition("/")[0]):
                keys, contents = zip(*some, strict=True)
                names = [key.rpartition("/")[2] for key in keys]
                for key, name in zip(keys, names, strict=True):
                    if above not in known or name[:1] in ("", ".") or "\0" in name:
                        folder = str(self._path(prefix.at(key), "write").parent)
                        known = {**known, above: folder} if len(known) < _MOST_FOLDERS else {above: folder}
                chunk.append(FolderFiles(known[above], names, contents))
            yield chunk

    def list(self, prefix: Location) -> Iterator[str]:
        with self._explained(prefix, "list"):
            bucket = self._bucket(prefix, "list")
            start = self._path(prefix.at(prefix.key.rstrip("/")), "list") if prefix.key.strip("/") else bucket
            for folder, subfolders, names in os.walk(start, onerror=_unless_absent, followlinks=False):
                subfolders.sort()
                for name in sorted(names):
                    if not name.startswith(PARTIAL):
                        yield Path(folder, name).relative_to(bucket).as_posix()
            self._bucket(prefix, "list")  # raises if the bucket has disappeared: the list may be incomplete

    def _bucket(self, location: Location, action: str) -> Path:
        name = location.bucket
        if not name or name in (".", "..") or "/" in name or "\0" in name:
            raise StorageDenied(f"Cannot {action} {location.url}: {name!r} is not a bucket name.")
        bucket = self._root.resolve() / name
        if not bucket.is_dir():
            raise BucketNotFound(
                f"Cannot {action} {location.url}: there is no bucket {name!r}. "
                f"Make the folder {name!r} in the folder of buckets (setting `buckets`)."
            )
        if bucket.resolve() != bucket:
            raise StorageDenied(f"Cannot {action} {location.url}: bucket {name!r} is a link, not a folder.")
        return bucket

    def _path(self, location: Location, action: str) -> Path:
        """Path of the object with links resolved. Raises StorageDenied if that is outside the bucket's folder."""
        bucket = self._bucket(location, action)
        parts = location.key.rstrip("/").split("/")
        if "\0" in location.key or any(part in ("", ".", "..") for part in parts):
            raise NameRefused(
                f"Cannot {action} {location.url}: a key in a folder of buckets cannot have an empty part, '.' or '..'."
            )
        if parts[-1].startswith(PARTIAL):
            raise NameRefused(f"Cannot {action} {location.url}: names of unfinished files begin with {PARTIAL!r}.")
        path = bucket.joinpath(*parts)
        try:
            outside = not path.resolve().is_relative_to(bucket)
        except (OSError, RuntimeError):  # a link to itself
            outside = True
        if outside:
            raise NameRefused(f"Cannot {action} {location.url}: the key leads outside the bucket through a link.")
        return path

    def _place(self, location: Location, path: Path, payload: bytes) -> None:
        """Write the object and create its folders."""
        try:
            _place(path, payload)
        except FileNotFoundError:
            make_folder(path.parent, self._bucket(location, "write"))
            _place(path, payload)


def _place(path: Path, payload: bytes) -> None:
    """Write the whole object to disk under its name, or nothing."""
    partial = path.parent / partial_prefix()
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        check_held = held_here()
        check_held()
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _sync_folders(folders: set[Path], bucket: Path) -> None:
    """Make renames and new folders survive a power cut: each folder is an entry of the one above."""
    above = {parent for folder in folders for parent in folder.parents if parent.is_relative_to(bucket)}
    for folder in folders | above:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            error.filename = str(folder)
            raise
        finally:
            os.close(handle)


def _unless_absent(error: OSError) -> None:
    """Ignore that a folder is missing or is not a folder: it holds nothing. Raise any other error: its contents are
    unknown."""
    if error.errno not in _ABSENT:
        raise error


def _of_file(error: OSError, location: Location, bucket: Path | None) -> Location:
    """The location of the file in the bucket that the error names; `location` if it names none."""
    path = Path(error.filename) if isinstance(error.filename, str) else None
    if path is None or bucket is None or path == bucket or not path.is_relative_to(bucket):
        return location
    if path.name.startswith(PARTIAL):
        return location
    return location.at(path.relative_to(bucket).as_posix())


def _in_words(error: OSError, location: Location, action: str, root: Path) -> WorldError:
    """The operating system's error in arpent's words; `root`: the folder of the buckets, for some commands a child of
    the folder for temporary files."""
    what = f"Cannot {action} {location.url}"
    if error.errno in _REFUSED:
        return StorageDenied(
            f"{what}: the folder of bucket {location.bucket!r} does not allow it; check its permissions."
        )
    if error.errno in _ABSENT and action == "read":
        return StorageNotFound(f"{what}: bucket {location.bucket!r} has no object {location.key!r}.")
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST):
        return NameRefused(
            f"{what}: there is an object where the key needs a folder, or a folder of the object's name."
        )
    if error.errno == errno.ENAMETOOLONG:
        return NameRefused(f"{what}: the name is too long for the file system.")
    if error.errno in _FULL:
        temporary = action == "read" or root.parent == Path(gettempdir())
        disk = "the disk for temporary files (TMPDIR)" if temporary else f"the disk of bucket {location.bucket!r}"
        full = f"{what}: {disk} is full. Free space on it, and START the request again."
        return StorageUnavailable(full, transient=True)
    why = os.strerror(error.errno or errno.EIO)
    if error.errno == errno.ENOENT:  # missing folders are created: the bucket itself was missing
        why = f"a folder of bucket {location.bucket!r} was unavailable for a moment"
    return StorageUnavailable(f"{what}: {why}.", transient=True)
