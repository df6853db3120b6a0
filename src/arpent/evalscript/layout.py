"""Layout: where the arrays of one script call lie in the shared memory (the buffer)."""

from __future__ import annotations

from dataclasses import dataclass

SEGMENTS = 16384
"""Maximum number of segments of one pass; their ends (pairs of int32) lie at the start of the buffer."""
MOST_SAMPLES = 524_288
"""Maximum number of samples of one pass: fewer cost messages, more cost fresh memory pages in the first call."""
_START = SEGMENTS * 8
_LINE = 64
ITEM_SIZES = {"u1": 1, "i1": 1, "u2": 2, "i2": 2, "u4": 4, "i4": 4, "f4": 4, "f8": 8}
"""Kinds of arrays that an interpreter accepts → bytes per item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One band of one input: `rows` rows of `capacity` samples."""

    kind: str
    """A key of ITEM_SIZES."""
    rows: int
    """Number of scenes; 1 for SIMPLE; 0 if there is none."""
    scale: tuple[float, float]
    """(factor, summand) that turn stored numbers into what the script sees."""
    simple: bool
    """Whether samples of this input come without scenes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLayout:
    """The shape of one call; equal layouts share a harness."""

    inputs: tuple[tuple[Column, ...], ...]
    """Columns per input of the script, per band."""
    width: int
    """Number of doubles per sample that come back."""
    capacity: int = 0
    """Maximum number of samples of one pass."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The bands of all inputs, in order."""
        return tuple(column for entry in self.inputs for column in entry)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample, inputs and outputs."""
        return sum(column.rows * ITEM_SIZES[column.kind] for column in self.columns) + 8 * self.width

    @property
    def offsets(self) -> tuple[int, ...]:
        """Byte offset of each column; the last one is that of the output."""
        offsets = [_aligned(_START)]
        for column in self.columns:
            offsets.append(_aligned(offsets[-1] + column.rows * self.capacity * ITEM_SIZES[column.kind]))
        return tuple(offsets)

    @property
    def size(self) -> int:
        """Bytes of the buffer that the layout needs."""
        return self.offsets[-1] + self.width * self.capacity * 8


def capacity_of(layout: MemoryLayout, buffer: int) -> int:
    """Maximum number of samples of one pass with this layout in a buffer of `buffer` bytes; 0 if none fits."""
    room = buffer - _START - _LINE * (len(layout.columns) + 2)
    return max(0, min(MOST_SAMPLES, room // max(1, layout.sample_bytes)))


def _aligned(offset: int) -> int:
    return -(-offset // _LINE) * _LINE
