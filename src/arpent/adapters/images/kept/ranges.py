"""Ranges: parts of files that lie elsewhere, kept as they came in a folder of this machine for later jobs."""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from threading import Lock

Range = tuple[int, int]
"""Offset and length of a part of a file, in bytes."""
_HEAD = struct.Struct("<4sI")
_MARK = b"arp1"
_SHARE = 50
"""A process looks through the folder whenever it has added its size divided by this."""
_LEFT = 0.9
"""Ranges are removed until the folder holds this share of its size."""
_LOCK = ".lock"
_PARTIAL = ".part-"


class KeptRanges:
    """A folder of at most so many bytes, which any number of processes share; what was used longest ago goes first.

    What is kept is found only for the same version of a file (its ETag, or its time and size), which whoever asks has
    just learnt from the file's server. A damaged range is fetched again, and a folder that cannot be written keeps
    nothing. Thread-safe.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """`folder`: is made when it is first needed, and nothing else may be in it."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._added = most_bytes  # nobody knows what is there yet

    def complete(
        self, place: tuple[object, ...], ranges: Sequence[Range], fetch: Callable[[list[Range]], list[memoryview]]
    ) -> list[memoryview]:
        """The bytes of each range of a file: kept, or fetched and then kept. `place`: name and version of the file."""
        paths = [self._path(place, span) for span in ranges]
        found = [_read(path) for path in paths]
        missing = [row for row, piece in enumerate(found) if piece is None]
        pieces = fetch([ranges[row] for row in missing]) if missing else []
        for row, piece in zip(missing, pieces, strict=True):
            self._keep(paths[row], piece)
        fresh = dict(zip(missing, pieces, strict=True))
        return [fresh[row] if piece is None else piece for row, piece in enumerate(found)]

    def _path(self, place: tuple[object, ...], span: Range) -> Path:
        name = sha256(repr((*place, *span)).encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:2] / name[2:]

    def _keep(self, path: Path, piece: memoryview) -> None:
        if len(piece) * _SHARE > self._most_bytes:
            return
        partial = path.parent / f"{_PARTIAL}{token_hex(8)}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(_HEAD.pack(_MARK, zlib.crc32(piece)))
                file.write(piece)
            partial.replace(path)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            return
        with self._lock:
            self._added += len(piece)
            full = self._added * _SHARE > self._most_bytes
            self._added = 0 if full else self._added
        if full:
            with suppress(OSError):
                self._make_room()

    def _make_room(self) -> None:
        """Remove what was used longest ago, unless another process is at it."""
        with (self._folder / _LOCK).open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            there: list[tuple[float, int, str]] = []
            for folder in os.scandir(self._folder):
                if folder.is_dir(follow_symlinks=False):
                    for entry in os.scandir(folder.path):
                        with suppress(OSError):
                            about = entry.stat(follow_symlinks=False)
                            there.append((about.st_mtime, about.st_size, entry.path))
            size = sum(length for _, length, _ in there)
            if size <= self._most_bytes * (1 - 1 / _SHARE):
                return
            for _, length, path in sorted(there):
                with suppress(OSError):
                    os.unlink(path)
                size -= length
                if size <= _LEFT * self._most_bytes:
                    return


def is_telling(version: tuple[str | None, float, int]) -> bool:
    """Whether other content of the same length would have another version: (ETag, time, size)."""
    return version[0] is not None or version[1] > 0


def _read(path: Path) -> memoryview | None:
    """The range, which is noted as used; None if it is not there, or damaged."""
    try:
        content = path.read_bytes()
        mark, checksum = _HEAD.unpack_from(content)
        piece = memoryview(content)[_HEAD.size :]
        if mark != _MARK or zlib.crc32(piece) != checksum:
            return None
        os.utime(path)
    except (OSError, struct.error):
        return None
    return piece
