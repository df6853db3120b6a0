"""Folder batch: writes many files at once, each complete or not at all; many are synced to disk together."""

from __future__ import annotations

import ctypes
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

PARTIAL = ".arpent-partial-"
"""Prefix of the names of unfinished files."""
IN_FLIGHT = 8
"""Number of threads: on a network file system each file waits for a server."""
CHUNK = 32
"""Files a thread takes at a time: on a local disk, handing them out one by one would take as long as writing them."""
GROUP = 32_768
"""Files that are synced and renamed together; bounds what a crash leaves behind."""
FEW = 16
"""Up to this number files are synced one by one: syncing the file system waits for everybody's data."""

Entry = TypeVar("Entry")


class Batch:
    """Files being written: first beside their targets, then synced, then renamed."""

    def __init__(self, sync: Callable[[int], None] | None = None) -> None:
        """`sync`: flushes the file system of a descriptor."""
        self._sync = sync or _sync_file_system
        self._written: list[tuple[str, str]] = []
        self._prefix = f"{PARTIAL}{secrets.token_hex(8)}-"
        self._numbers = count()

    def place(self, files: Iterable[tuple[str, bytes]]) -> set[str]:
        """Write all files (path, content); returns their folders, whose entries are still to be synced.

        Raises OSError with the path in `filename`. An existing file is replaced, never opened.
        """
        every: set[str] = set()
        remaining = iter(files)
        with ThreadPoolExecutor(IN_FLIGHT, "folder-batch") as pool:
            try:
                while True:
                    folders: set[str] = set()
                    for touched in _bounded(pool, self._write, _chunks(islice(remaining, GROUP))):
                        folders.update(touched)
                    if not self._written:
                        return every
                    every |= folders
                    self._flush(folders)
                    list(pool.map(_rename, _chunks(self._written)))
                    self._written = []
            except BaseException:
                pool.shutdown(cancel_futures=True)  # what is still being written would escape
                self._drop()
                raise

    def _write(self, chunk: Sequence[tuple[str, bytes]]) -> set[str]:
        folders = set()
        for path, payload in chunk:
            folder = path.rpartition("/")[0]
            partial = f"{folder}/{self._prefix}{next(self._numbers)}"
            self._written.append((partial, path))
            try:
                _fill(partial, payload)
            except OSError as error:
                error.filename = path
                raise
            folders.add(folder)
        return folders

    def _flush(self, folders: set[str]) -> None:
        """Sync contents first, then rename: after a power cut no name refers to incomplete content. `folders`: of all
        files written."""
        if len(self._written) <= FEW:
            for partial, path in self._written:
                _on(partial, os.fsync, path)
            return
        for folder in {os.stat(folder).st_dev: folder for folder in folders}.values():
            _on(folder, self._sync, folder)

    def _drop(self) -> None:
        for partial, _ in self._written:
            Path(partial).unlink(missing_ok=True)


def _fill(partial: str, payload: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        handle = os.open(partial, flags, 0o666)
    except FileNotFoundError:
        Path(partial).parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(partial, flags, 0o666)
    try:
        done = os.write(handle, payload)
        while done < len(payload):
            done += os.write(handle, memoryview(payload)[done:])
    finally:
        os.close(handle)


def _rename(chunk: Sequence[tuple[str, str]]) -> None:
    for partial, path in chunk:
        try:
            os.rename(partial, path)
        except OSError as error:
            error.filename = path
            raise


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


def _chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in lists of CHUNK."""
    remaining = iter(entries)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _bounded(
    pool: ThreadPoolExecutor, work: Callable[[list[Entry]], set[str]], chunks: Iterator[list[Entry]]
) -> Iterator[set[str]]:
    """As `map`, without taking more from the caller than the threads can hold."""
    while few := list(islice(chunks, 2 * IN_FLIGHT)):
        yield from pool.map(work, few)
