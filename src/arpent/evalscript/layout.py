"""Layout: where the arrays of one call to a script lie in shared memory (the buffer)."""

from __future__ import annotations

from dataclasses import dataclass

SEGMENTS = 16384
"""Maximum number of segments per pass; their bounds (pairs of int32) are at the start of the buffer."""
MOST_SAMPLES = 524_288
"""Maximum samples per pass: a lower limit means more messages, a higher one more new memory pages in the first call."""
_START = SEGMENTS * 8
_LINE = 64
ITEM_SIZES = {"u1": 1, "i1": 1, "u2": 2, "i2": 2, "u4": 4, "i4": 4, "f4": 4, "f8": 8}
"""Kind of array that an interpreter accepts (dtype without byte order) → bytes per item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One band of one input: `rows` rows of `capacity` samples."""

    kind: str
    """A key of ITEM_SIZES."""
    rows: int
    """Number of scenes; 1 for SIMPLE; 0 if there are none."""
    scale: tuple[float, float]
    """(factor, summand) that convert stored numbers to the values that the script sees."""
    simple: bool
    """Whether this input has SIMPLE mosaicking, and so samples without scenes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLayout:
    """Shapes of the arrays of one call; equal layouts share a harness."""

    inputs: tuple[tuple[Column, ...], ...]
    """For each input of the script, one column per band."""
    width: int
    """Number of doubles returned per sample."""
    capacity: int = 0
    """Maximum number of samples per pass."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The bands of all inputs, in order."""
        return tuple(column for entry in self.inputs for column in entry)

    @property
    def sample_bytes(self) -> int:
        """Bytes per sample, inputs and outputs together."""
        return sum(column.rows * ITEM_SIZES[column.kind] for column in self.columns) + 8 * self.width

    @property
    def offsets(self) -> tuple[int, ...]:
        """Byte offset of each column, and last that of the output."""
        offsets = [_aligned(_START)]
        for column in self.columns:
            offsets.append(_aligned(offsets[-1] + column.rows * self.capacity * ITEM_SIZES[column.kind]))
        return tuple(offsets)

    @property
    def size(self) -> int:
        """Bytes of the buffer that the layout needs."""
        return self.offsets[-1] + self.width * self.capacity * 8


def capacity_of(layout: MemoryLayout, buffer: int) -> int:
    """Maximum number of samples per pass with this layout in a buffer of `buffer` bytes; 0 if none fits."""
    room = buffer - _START - _LINE * (len(layout.columns) + 2)
    return max(0, min(MOST_SAMPLES, room // max(1, layout.sample_bytes)))


def _aligned(offset: int) -> int:
    return -(-offset // _LINE) * _LINE
