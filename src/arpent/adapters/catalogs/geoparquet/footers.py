"""Footers: what a Parquet file says of itself is tried in a process that may die: pyarrow turns no error of a damaged
footer into an exception there, and ends the process."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import IO

import pyarrow.parquet as pq

SECONDS = 60.0
"""Time limit of one trial."""
TOGETHER = 64
"""Footers of one trial."""
_TRY = "import sys; from arpent.adapters.catalogs.geoparquet.footers import look_at; look_at(sys.stdin.buffer)"
_LENGTH = struct.Struct("<Q")
_MOST_KNOWN = 100_000
_sound: set[bytes] = set()
"""Digests of those that ended nobody."""


def damaged(footers: Sequence[pq.FileMetaData]) -> list[int]:
    """Which of them end the process that looks at their columns. One that was tried before is not tried again. Raises
    OSError if no process can be started."""
    packed = [_packed(footer) for footer in footers]
    names = [sha256(each).digest() for each in packed]
    fresh = [place for place, name in enumerate(names) if name not in _sound]
    wrong = [fresh[place] for place in _fatal([packed[place] for place in fresh])]
    if len(_sound) > _MOST_KNOWN:
        _sound.clear()
    _sound.update(names[place] for place in fresh if place not in wrong)
    return wrong


def _packed(footer: pq.FileMetaData) -> bytes:
    sink = io.BytesIO()
    footer.write_metadata_file(sink)
    return _LENGTH.pack(len(sink.getvalue())) + sink.getvalue()


def _fatal(packed: Sequence[bytes]) -> list[int]:
    """Which of these end a process; halves are tried until each is known."""
    if not packed or _survives(b"".join(packed)):
        return []
    if len(packed) == 1:
        return [0]
    half = len(packed) // 2
    return [*_fatal(packed[:half]), *(half + place for place in _fatal(packed[half:]))]


def _survives(packed: bytes) -> bool:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _TRY], input=packed, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
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
