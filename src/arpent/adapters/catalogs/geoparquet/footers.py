"""Footers: the footers of Parquet files are first read in a separate process, because pyarrow crashes on some damaged
ones instead of raising an exception."""

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
"""Time limit of one trial."""
SECONDS_LEFT = 10.0
"""What a trial has after the deadline, so that footers whose reading took all the time are kept for the next search."""
TOGETHER = 64
"""Footers of one trial."""
_TRY = "import sys; from arpent.adapters.catalogs.geoparquet.footers import look_at; look_at(sys.stdin.buffer)"
_LENGTH = struct.Struct("<Q")
_SIGN, _ENCRYPTED = b"PAR1", b"PARE"
_MOST_KNOWN = 100_000
_sound: set[bytes] = set()
"""Digests of those that crashed no process."""


class NotTried(Exception):
    """It is not known whether the footers are sound; the text says why."""

    def __init__(self, reason: str, *, transient: bool) -> None:
        super().__init__(reason)
        self.transient = transient


def footer_of(file: pa.NativeFile, name: str) -> bytes:
    """The footer as it lies in the file, since pyarrow cannot write every one that it can read. Raises ArrowInvalid if
    it is encrypted, or the file is no Parquet."""
    size = file.size()
    file.seek(max(size - 8, 0))
    length, sign = struct.unpack("<I4s", file.read(8).rjust(8, b"\0"))
    if sign == _ENCRYPTED:
        raise pa.ArrowInvalid(f"{name} is encrypted")
    if sign != _SIGN:
        pq.read_metadata(file)  # says what it is instead
    file.seek(max(size - 8 - length, 0))
    return bytes(file.read(min(length, size)))


def alone(footer: bytes) -> bytes:
    """The bytes of a file that has no rows, and this footer."""
    return _SIGN + footer + struct.pack("<I", len(footer)) + _SIGN


def damaged(footers: Sequence[bytes]) -> list[int]:
    """Which of them end the process that looks at their columns. One that was tried before is not tried again. Raises
    NotTried if there is no time for that, or the process fails in another way, and OSError if none can be started."""
    packed = [_packed(footer) for footer in footers]
    names = [sha256(each).digest() for each in packed]
    fresh = [place for place, name in enumerate(names) if name not in _sound]
    wrong = [fresh[place] for place in _fatal([packed[place] for place in fresh])]
    if len(_sound) > _MOST_KNOWN:
        _sound.clear()
    _sound.update(names[place] for place in fresh if place not in wrong)
    return wrong


def _packed(footer: bytes) -> bytes:
    """As a file without rows, with its length before it."""
    file = alone(footer)
    return _LENGTH.pack(len(file)) + file


def _fatal(packed: Sequence[bytes]) -> list[int]:
    """Which of these end a process; halves are tried until each is known."""
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
    if done.returncode == -SIGKILL:  # from outside: the machine may lack memory
        raise NotTried("the process that checks its footers was killed", transient=True)
    if done.returncode > 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise NotTried(f"its footers could not be checked: {''.join(said)[:200]}", transient=False)
    return done.returncode == 0


def look_at(stream: IO[bytes]) -> None:
    """In the process that may die: touch all that `row_group_bounds` may."""
    while head := stream.read(_LENGTH.size):
        metadata = pq.read_metadata(io.BytesIO(stream.read(_LENGTH.unpack(head)[0])))
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                with suppress(ValueError, OverflowError, NotImplementedError):  # the owner meets these, too
                    statistics = metadata.row_group(group).column(column).statistics
                    _ = statistics is not None and statistics.has_min_max and (statistics.min, statistics.max)
