"""Folder batch: writes many files at once, each complete or not at all; many are synced to disk together."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from time import perf_counter, thread_time
from typing import NamedTuple, TypeVar

from arpent.adapters.objects.partial_files import partial_prefix
from arpent.domain.boundary.wanted import Held, held_here

CHUNK, CHUNK_BYTES = 128, 8 << 20
"""Number of files, and about how many bytes, in a chunk; time is measured for each chunk."""
WAITING = 0.0005
"""Seconds per file, processor time excluded, above which a chunk is slow; a chunk of fewer than FEW files counts as FEW
…"""
SLOW = 3
"""… number of slow chunks in a row after which threads are used; a single one may be due to a busy processor …"""
IN_FLIGHT = 8
"""… and the number of these threads: on a network file system each file waits for a server."""
GROUP = 32_768
"""Files that are synced and renamed together; bounds what a crash leaves behind."""
FEW = 16
"""Up to this number, files are synced one by one: syncing the whole file system waits for other programs' data, too."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
"""Flags that create a file, and fail if there is one already."""


class FolderFiles(NamedTuple):
    """Files of one folder."""

    folder: str
    """Path of the folder."""
    names: Sequence[str]
    """Their names in it …"""
    contents: Sequence[bytes]
    """… and what is in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Unfinished files of one folder."""

    folder: str
    """Path of the folder."""
    prefix: str
    """Prefix of their temporary names; numbers from 0 follow."""
    names: Sequence[str]
    """Their final names."""

    def paths(self) -> Iterator[tuple[str, str]]:
        """Temporary path and final path of each file."""
        for number, name in enumerate(self.names):
            yield f"{self.folder}/{self.prefix}{number}", f"{self.folder}/{name}"


Group = TypeVar("Group", FolderFiles, _Run)


class Batch:
    """Files being written: first next to their targets, then synced, then renamed."""

    def __init__(self, bucket: Path, sync: Callable[[int], None] | None = None) -> None:
        """`bucket`: folder that contains all files, which is never created; `sync`: flushes the file system of a
        descriptor."""
        self._bucket = bucket
        self._sync = sync or _sync_file_system
        self._written: list[_Run] = []
        self._prefix = f"{partial_prefix()}-"
        self._numbers = count()
        self._slow = 0

    def place(self, chunks: Iterator[list[FolderFiles]]) -> set[str]:
        """Write all files, given a chunk at a time; returns their folders, whose entries are still to be synced.

        Raises OSError with the path in `filename`; FileNotFoundError if the bucket is missing; WorkLost if the work's
        lease is no longer held. An existing file is replaced, never opened.
        """
        folders: set[str] = set()
        with ThreadPoolExecutor(IN_FLIGHT, "folder-batch") as pool:
            try:
                while True:
                    self._each(pool, self._write, islice(chunks, GROUP // CHUNK))
                    if not self._written:
                        return folders
                    folders.update(run.folder for run in self._written)
                    self._flush()
                    self._each(pool, partial(_rename, held_here()), _renames(self._written))
                    self._written = []
            except BaseException:
                pool.shutdown(cancel_futures=True)  # else files still being written would remain
                self._drop()
                raise

    def _each(
        self, pool: ThreadPoolExecutor, work: Callable[[list[Group]], None], chunks: Iterator[list[Group]]
    ) -> None:
        """Do the work on each of the chunks. Several threads need a fifth more processor time than one, so they are
        used only after chunks had to wait. No more chunks are taken from the caller than the threads can process at
        once."""
        while self._slow < SLOW and (chunk := next(chunks, None)):
            begun = perf_counter() - thread_time()
            work(chunk)
            waited = perf_counter() - thread_time() - begun
            self._slow = self._slow + 1 if waited > WAITING * max(FEW, _count(chunk)) else 0
            del chunk  # frees its memory before the next is taken
        while list(pool.map(work, islice(chunks, 2 * IN_FLIGHT))):
            pass

    def _write(self, chunk: Sequence[FolderFiles]) -> None:
        for folder, names, contents in chunk:
            run = _Run(folder=folder, prefix=f"{self._prefix}{next(self._numbers)}-", names=names)
            self._written.append(run)
            make_folder(Path(folder), self._bucket)
            _fill(run, contents)

    def _flush(self) -> None:
        """Sync contents first, then rename: after a power cut no name refers to incomplete content."""
        if sum(len(run.names) for run in self._written) <= FEW:
            for partial, path in chain.from_iterable(run.paths() for run in self._written):
                _on(partial, os.fsync, path)
            return
        for folder in {os.stat(folder).st_dev: folder for folder in {run.folder for run in self._written}}.values():
            _on(folder, self._sync, folder)

    def _drop(self) -> None:
        for run in self._written:
            for unfinished, _ in run.paths():
                with suppress(OSError):  # the first error is reported, not this one
                    Path(unfinished).unlink()


def _renames(runs: Iterable[_Run]) -> Iterator[list[_Run]]:
    """The runs in groups with about as many files as a chunk: many runs if each file has a folder of its own. The size
    of the files does not matter here, since their contents are written already."""
    chunk: list[_Run] = []
    files = 0
    for run in runs:
        if chunk and files + len(run.names) > CHUNK:
            yield chunk
            chunk, files = [], 0
        chunk.append(run)
        files += len(run.names)
    if chunk:
        yield chunk


def _count(chunk: Iterable[Group]) -> int:
    return sum(len(group.names) for group in chunk)


def _fill(run: _Run, contents: Iterable[bytes]) -> None:
    """Write the contents of the run's files under their temporary names, which `list` hides."""
    number = 0
    try:
        with _folder(run.folder) as place:
            for number, content in enumerate(contents):
                handle = os.open(f"{run.prefix}{number}", NEW, 0o666, dir_fd=place)
                try:
                    done = os.write(handle, content)
                    while done < len(content):
                        done += os.write(handle, memoryview(content)[done:])
                finally:
                    os.close(handle)
    except OSError as error:
        error.filename = f"{run.folder}/{run.names[number]}"
        raise


def _rename(held: Held, runs: Iterable[_Run]) -> None:
    for run in runs:
        name = run.names[0]
        try:
            with _folder(run.folder) as place:
                for number, name in enumerate(run.names):
                    held()
                    os.rename(f"{run.prefix}{number}", name, src_dir_fd=place, dst_dir_fd=place)
        except OSError as error:
            error.filename = f"{run.folder}/{name}"
            raise


def make_folder(folder: Path, bucket: Path) -> None:
    """Create the folder and those above it if they are missing, but never the bucket itself: if a disk was unmounted,
    results would end up beneath its mount point. Raises FileNotFoundError if the bucket is missing."""
    if folder.is_dir():
        return
    for missing in reversed([each for each in (folder, *folder.parents) if bucket in each.parents]):
        missing.mkdir(exist_ok=True)


@contextmanager
def _folder(path: str) -> Iterator[int]:
    """A descriptor of the folder: names relative to it are found faster than whole paths."""
    place = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield place
    finally:
        os.close(place)


def _on(path: str, sync: Callable[[int], None], shown: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        sync(handle)
    except OSError as error:
        error.filename = shown
        raise
    finally:
        os.close(handle)


def _sync_file_system(handle: int) -> None:
    """Sync with one call instead of one per file, about 0.1 ms each. Where that call does not exist, everything on this
    machine is synced."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:
        os.sync()
    elif call(handle):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
