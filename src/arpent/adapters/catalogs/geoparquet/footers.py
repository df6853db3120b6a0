"""Footers: tests the footers of Parquet files in a separate process, because pyarrow does not raise an exception for
some damaged footers, but terminates the process."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from signal import SIGKILL
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from arpent.network.deadline import current

SECONDS = 60.0
"""Time limit of one test process."""
SECONDS_LEFT = 10.0
"""Minimum time of a test even after the deadline, so that footers that have been read are kept for the next search."""
TOGETHER = 64
"""Number of footers tested by one process."""
_TRY = "import sys; from arpent.adapters.catalogs.geoparquet.footers import look_at; look_at(sys.stdin.buffer)"
_LENGTH = struct.Struct("<Q")
_SIGN, _ENCRYPTED = b"PAR1", b"PARE"
_MOST_KNOWN = 100_000
_sound: set[bytes] = set()
"""Digests of footers that have passed the test."""


class NotTried(Exception):
    """The footers could not be tested; the text gives the reason."""

    def __init__(self, reason: str, *, transient: bool) -> None:
        super().__init__(reason)
        self.transient = transient


def footer_of(file: pa.NativeFile, name: str) -> bytes:
    """The bytes of the file's footer, since pyarrow cannot write every footer that it can read. Raises ArrowInvalid if
    the footer is encrypted, or the file is not Parquet."""
    size = file.size()
    file.seek(max(size - 8, 0))
    length, sign = struct.unpack("<I4s", file.read(8).rjust(8, b"\0"))
    if sign == _ENCRYPTED:
        raise pa.ArrowInvalid(f"{name} is encrypted")
    if sign != _SIGN:
        pq.read_metadata(file)  # raises an error that describes the file
    file.seek(max(size - 8 - length, 0))
    return bytes(file.read(min(length, size)))


def alone(footer: bytes) -> bytes:
    """A Parquet file, as bytes, that consists of this footer only."""
    return _SIGN + footer + struct.pack("<I", len(footer)) + _SIGN


def damaged(footers: Sequence[bytes]) -> list[int]:
    """Indices of the footers that terminate the process that reads their columns. Footers that passed before are not
    tested again. Raises NotTried if time runs out, or the process fails in another way, and OSError if it cannot be
    started."""
    packed = [_packed(footer) for footer in footers]
    names = [sha256(each).digest() for each in packed]
    fresh = [place for place, name in enumerate(names) if name not in _sound]
    wrong = [fresh[place] for place in _fatal([packed[place] for place in fresh])]
    if len(_sound) > _MOST_KNOWN:
        _sound.clear()
    _sound.update(names[place] for place in fresh if place not in wrong)
    return wrong


def _packed(footer: bytes) -> bytes:
    """The footer as a file (see `alone`), preceded by the length of that file."""
    file = alone(footer)
    return _LENGTH.pack(len(file)) + file


def _fatal(packed: Sequence[bytes]) -> list[int]:
    """Indices of those that terminate a process, found by testing halves of the list. Raises NotTried and OSError."""
    if not packed or _survives(b"".join(packed)):
        return []
    if len(packed) == 1:
        return [0]
    half = len(packed) // 2
    return [*_fatal(packed[:half]), *(half + place for place in _fatal(packed[half:]))]


def _survives(packed: bytes) -> bool:
    deadline = current()
    seconds = SECONDS if deadline is None else min(SECONDS, max(deadline.left, SECONDS_LEFT))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _TRY], input=packed, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotTried(f"its footers could not be checked within {seconds:.0f} s", transient=True) from None
    if done.returncode == -SIGKILL:  # by the system, perhaps because the machine is out of memory
        raise NotTried("the process that checks its footers was killed", transient=True)
    if done.returncode > 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise NotTried(f"its footers could not be checked: {''.join(said)[:200]}", transient=False)
    return done.returncode == 0


def look_at(stream: IO[bytes]) -> None:
    """Runs in the test process: read everything that `row_group_bounds` reads from the footers in the stream."""
    while head := stream.read(_LENGTH.size):
        metadata = pq.read_metadata(io.BytesIO(stream.read(_LENGTH.unpack(head)[0])))
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                with suppress(ValueError, OverflowError, NotImplementedError):  # exceptions do no harm in the caller
                    statistics = metadata.row_group(group).column(column).statistics
                    _ = statistics is not None and statistics.has_min_max and (statistics.min, statistics.max)
