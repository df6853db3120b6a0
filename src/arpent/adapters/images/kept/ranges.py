"""Ranges: a cache of byte ranges of remote files, as they were fetched, in a local folder that later jobs use, too."""

from __future__ import annotations

import fcntl
import os
import re
import stat
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
FOLDER = "arpent-ranges"
"""Name of the subfolder that holds the ranges; other contents of the folder are not touched."""
_HEAD = struct.Struct("<4sI")
_MARK = b"arp2"
_SHELVES = 256
"""Number of subfolders ("shelves") over which the ranges are distributed by the first byte of their names."""
_SECTION_BYTES = 64 << 20
"""A cache of at least twice this size is divided into sections, each of several shelves with a limit of its own."""
_SHARE = 50
"""A process scans a section each time it has added more than the section's maximum size divided by this."""
_MOST_SHARE = 8
"""A range larger than a section's maximum size divided by this is not cached."""
_LEFT = 0.9
"""Ranges are removed until a section holds this share of its maximum size."""
_DISK_BLOCK = 4096
"""Minimum bytes that a file occupies on disk."""
_TRUSTED = (0,)
"""Users other than our own who may own the folder: root, who can change everything anyway."""
_LOCK = ".lock"
_PARTIAL = ".part-"
_OURS = re.compile(r"[0-9a-f]{62}|\.part-[0-9a-f]{16}")


class KeptRanges:
    """A cache in a subfolder of limited size, which all processes of one user can share. The least recently used ranges
    are removed first.

    A range is found only for the version of the file (ETag, or time and size) that the caller has learnt from the
    file's server. A damaged range is fetched again. If the folder cannot be written, or is writable by others, nothing
    is cached. Thread-safe.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """`folder`: its subfolder FOLDER is created when it is first needed, accessible to this user only."""
        self._folder = folder / FOLDER
        sections = 1
        while sections < _SHELVES and most_bytes >= 2 * sections * _SECTION_BYTES:
            sections *= 2
        self._shelves = _SHELVES // sections
        self._most_bytes = most_bytes // sections
        self._lock = Lock()
        self._added = [self._most_bytes] * sections  # unknown at first: the first addition starts a scan

    def complete(
        self, place: tuple[object, ...], ranges: Sequence[Range], fetch: Callable[[list[Range]], list[memoryview]]
    ) -> list[memoryview]:
        """The bytes of each range of a file, from the cache or fetched and then cached. `place`: name and version of
        the file."""
        if not self._is_ours():
            return fetch(list(ranges))
        paths = [self._path(place, span) for span in ranges]
        found = [_read(path) for path in paths]
        missing = [row for row, piece in enumerate(found) if piece is None]
        pieces = fetch([ranges[row] for row in missing]) if missing else []
        for row, piece in zip(missing, pieces, strict=True):
            self._keep(paths[row], piece)
        fresh = dict(zip(missing, pieces, strict=True))
        return [fresh[row] if piece is None else piece for row, piece in enumerate(found)]

    def _is_ours(self) -> bool:
        """Whether no other user can have put files into the folder; also True if it does not exist yet."""
        try:
            there = [os.lstat(self._folder), os.stat(self._folder)]
        except FileNotFoundError:
            return not self._folder.is_symlink()
        except OSError:
            return False
        open_to_all = there[1].st_mode & stat.S_IWOTH
        return not open_to_all and all(about.st_uid in (*_TRUSTED, os.geteuid()) for about in there)

    def _path(self, place: tuple[object, ...], span: Range) -> Path:
        name = sha256(repr((*place, *span)).encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:2] / name[2:]

    def _keep(self, path: Path, piece: memoryview) -> None:
        if len(piece) * _MOST_SHARE > self._most_bytes:
            return
        partial = path.parent / f"{_PARTIAL}{token_hex(8)}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(exist_ok=True)
            with partial.open("wb") as file:
                file.write(_HEAD.pack(_MARK, _sum(path, piece)))
                file.write(piece)
            partial.replace(path)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            return
        section = int(path.parent.name, 16) // self._shelves
        with self._lock:
            self._added[section] += -(-(len(piece) + _HEAD.size) // _DISK_BLOCK) * _DISK_BLOCK
            full = self._added[section] * _SHARE > self._most_bytes
        if full:
            with suppress(OSError):
                self._make_room(section)

    def _make_room(self, section: int) -> None:
        """If a section is full, remove its least recently used ranges, unless another process or thread is doing so."""
        with (self._folder / _LOCK).open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            there = [one for number in range(self._shelves) for one in self._shelf(section * self._shelves + number)]
            size = sum(length for _, length, _ in there)
            if size > self._most_bytes * (1 - 1 / _SHARE):
                for _, length, path in sorted(there):
                    with suppress(OSError):
                        os.unlink(path)
                    size -= length
                    if size <= _LEFT * self._most_bytes:
                        break
            with self._lock:
                self._added[section] = 0

    def _shelf(self, number: int) -> list[tuple[float, int, str]]:
        """For each of our files on a shelf: when it was last used, the bytes that it occupies on disk, and its path."""
        found: list[tuple[float, int, str]] = []
        with suppress(FileNotFoundError, NotADirectoryError):
            for entry in os.scandir(self._folder / f"{number:02x}"):
                with suppress(OSError):
                    about = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(about.st_mode) and _OURS.fullmatch(entry.name):
                        found.append((about.st_mtime, max(about.st_blocks * 512, _DISK_BLOCK), entry.path))
        return found


def _read(path: Path) -> memoryview | None:
    """The cached range, which is marked as used now; None if it is missing or damaged."""
    try:
        content = path.read_bytes()
        mark, checksum = _HEAD.unpack_from(content)
        piece = memoryview(content)[_HEAD.size :]
        if mark != _MARK or _sum(path, piece) != checksum:
            return None
    except (OSError, struct.error):
        return None
    with suppress(OSError):
        os.utime(path)
    return piece


def _sum(path: Path, piece: memoryview) -> int:
    """Checksum of the bytes and of the file's name, so that a file that was renamed counts as damaged."""
    return zlib.crc32(piece, zlib.crc32(f"{path.parent.name}{path.name}".encode()))
