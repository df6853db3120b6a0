"""Layout: where the arrays of one call of a script lie in the arena of shared memory."""

from __future__ import annotations

from dataclasses import dataclass

SEGMENTS = 16384
"""Segments one pass may have; their ends (pairs of int32) lie at the arena's start."""
MOST_SAMPLES = 524_288
"""Samples one pass may have: fewer cost messages, more cost fresh pages of memory in the first call."""
_START = SEGMENTS * 8
_LINE = 64
ITEM_SIZES = {"u1": 1, "i1": 1, "u2": 2, "i2": 2, "u4": 4, "i4": 4, "f4": 4, "f8": 8}
"""Kinds of arrays an interpreter takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One band of one input: `rows` rows of `capacity` samples."""

    kind: str
    """Key of ITEM_SIZES."""
    rows: int
    """Scenes; 1 for SIMPLE; 0 where there is none."""
    scale: tuple[float, float]
    """(factor, summand) applied when the script sees it."""
    simple: bool
    """Whether samples of this input come without scenes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLayout:
    """One call's shape; equal layouts share a harness."""

    inputs: tuple[tuple[Column, ...], ...]
    """Per input of the script, per band."""
    width: int
    """Numbers per sample that come back, as doubles."""
    capacity: int = 0
    """Samples one pass can take."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """All bands of all inputs."""
        return tuple(column for entry in self.inputs for column in entry)

    @property
    def sample_bytes(self) -> int:
        """Bytes per sample."""
        return sum(column.rows * ITEM_SIZES[column.kind] for column in self.columns) + 8 * self.width

    @property
    def offsets(self) -> tuple[int, ...]:
        """Byte at which each column begins; the last one is where the output begins."""
        offsets = [_aligned(_START)]
        for column in self.columns:
            offsets.append(_aligned(offsets[-1] + column.rows * self.capacity * ITEM_SIZES[column.kind]))
        return tuple(offsets)

    @property
    def size(self) -> int:
        """Bytes of arena it needs."""
        return self.offsets[-1] + self.width * self.capacity * 8


def capacity_of(layout: MemoryLayout, arena: int) -> int:
    """How many samples one pass of that layout can take in an arena of so many bytes; 0 if none."""
    room = arena - _START - _LINE * (len(layout.columns) + 2)
    return max(0, min(MOST_SAMPLES, room // max(1, layout.sample_bytes)))


def _aligned(offset: int) -> int:
    return -(-offset // _LINE) * _LINE
