"""Blocks that were decoded only as far as needed: nothing is read behind their end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arpent.raster.canvas import Target
from arpent.raster.conversion import Conversion
from arpent.raster.gather import _gather, _gather_pieces, gather, gather_pieces, stored_no_data

CONVERSION = Conversion(offset=0.0, low=0.0, high=65535.0, no_data=0.0, dtype=np.dtype(np.uint16))


def target(filled: list[int]) -> Target:
    count = len(filled)
    return Target(
        values=np.zeros(count, np.uint16),
        filled=np.array(filled, np.uint8),
        hits=np.zeros(count, np.uint8),
        conversion=CONVERSION,
        dtype=CONVERSION.dtype,
    )


def test_a_filled_sample_below_the_last_decoded_row_is_not_loaded() -> None:
    """As Python the kernel raises where compiled code would read behind the block."""
    stored, order, pixels = np.arange(1, 9, dtype=np.uint16), np.arange(3, dtype=np.int32), np.array([2, 900, 7])
    filled, values, hits = np.array([0, 1, 0], np.uint8), np.zeros(3, np.uint16), np.zeros(3, np.uint8)
    _gather.py_func(
        stored, np.zeros(0, bool), order, pixels.astype(np.int32), filled, values, hits, True, np.uint16(0),
        0, 0, 65535,
    )  # fmt: skip
    assert values.tolist() == [3, 0, 8]
    assert hits.tolist() == [1, 0, 1]


def test_the_compiled_kernel_gives_the_same() -> None:
    there = target([0, 1, 0])
    block = np.arange(1, 9, dtype=np.uint16).reshape(2, 4)
    gather(block, np.arange(3, dtype=np.int32), np.array([2, 900, 7], np.int32), there)
    assert there.values.tolist() == [3, 0, 8]
    assert there.hits.tolist() == [1, 0, 1]


PIECES = np.array([(0, 1, 2, -1), (1, 1, 8, -1), (2, 2, 4, 0)], np.int32)
"""Of blocks four pixels wide: one sample; one of a row that was not decoded; two that read one pixel."""
TABLE = np.array([3, 3], np.int32)


def test_a_piece_of_a_row_that_was_not_decoded_is_not_loaded() -> None:
    stored, filled = np.arange(1, 9, dtype=np.uint16), np.array([0, 1, 0, 0], np.uint8)
    values, hits = np.zeros(4, np.uint16), np.zeros(4, np.uint8)
    scratch = np.zeros(2, np.int64), np.zeros(2, bool)
    _gather_pieces.py_func(
        stored, np.zeros(0, bool), PIECES, TABLE, scratch, filled, values, hits, True, 0, 0, 0, 65535
    )
    assert values.tolist() == [3, 0, 8, 8]
    assert hits.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("hidden", [(), (2,), (7,)])
@pytest.mark.parametrize("offset", [0.0, -2.0])
def test_the_compiled_kernel_of_pieces_gives_the_same(hidden: tuple[int, ...], offset: float) -> None:
    there = replace(target([0, 1, 0, 0]), conversion=replace(CONVERSION, offset=offset))
    block = np.ma.MaskedArray(np.arange(1, 9, dtype=np.uint16).reshape(2, 4), mask=False)
    block.mask.reshape(-1)[list(hidden)] = True
    gather_pieces(block if hidden else block.data, PIECES, TABLE, there)
    expected = [0 if 2 in hidden else max(0, 3 + offset), 0, *[0 if 7 in hidden else 8 + offset] * 2]
    assert there.values.tolist() == expected
    assert there.hits.tolist() == [2 not in hidden, 0, *[7 not in hidden] * 2]


@pytest.mark.parametrize(
    ("tag", "dtype", "expected"),
    [
        (np.inf, "u1", (False, 0)), (-np.inf, "i2", (False, 0)), (256.0, "u1", (False, 0)), (0.5, "u2", (False, 0)),
        (1e300, "u4", (False, 0)), (255.0, "u1", (True, 255)), (np.nan, "f4", (False, 0)),
        (np.inf, "f4", (True, np.inf)),
        (-1e300, "f4", (True, np.finfo("f4").min)), (-np.inf, "f8", (True, -np.inf)),
    ],
)  # fmt: skip
def test_only_numbers_of_the_files_type_are_its_no_data(tag: float, dtype: str, expected: tuple[bool, float]) -> None:
    assert stored_no_data(replace(CONVERSION, no_data=tag), np.dtype(dtype)) == expected


def test_masked_pixels_are_left_out() -> None:
    there = target([0, 0, 1])
    block = np.ma.MaskedArray(np.arange(1, 9, dtype=np.uint16).reshape(2, 4), np.arange(8).reshape(2, 4) == 2)
    gather(block, np.arange(3, dtype=np.int32), np.array([2, 3, 900], np.int32), there)
    assert there.values.tolist() == [0, 4, 0]
    assert there.hits.tolist() == [0, 1, 0]


@pytest.mark.parametrize("hidden", [(), (2,), (7,)])
@pytest.mark.parametrize("offset", [0.0, -2.0])
def test_where_no_sample_is_filled_the_kernels_count_the_same(hidden: tuple[int, ...], offset: float) -> None:
    """An empty `filled` stands for zeros; what is no data is told by `hits` alone."""
    block = np.ma.MaskedArray(np.arange(8, dtype=np.uint16).reshape(2, 4), mask=False)
    block.mask.reshape(-1)[list(hidden)] = True
    order, pixels = np.arange(4, dtype=np.int32), np.array([2, 0, 7, 7], np.int32)
    pieces = np.array([(0, 1, 2, -1), (1, 1, 0, -1), (2, 2, 4, 0)], np.int32)
    for empty in (False, True):
        targets = [replace(target([0] * 4), conversion=replace(CONVERSION, offset=offset)) for _ in range(2)]
        if empty:
            targets = [replace(one, filled=np.zeros(0, np.uint8)) for one in targets]
        gather(block, order, pixels, targets[0])
        gather_pieces(block, pieces, TABLE, targets[1])
        for one in targets:
            assert one.hits.tolist() == [2 not in hidden, 0, *[7 not in hidden] * 2]
            assert one.values[one.hits == 1].tolist() == [
                number + offset for number, there in zip((2, 0, 7, 7), one.hits, strict=True) if there
            ]


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize("offset", [0.0, -100.0, 30.0, -1e6, 1e6])
@pytest.mark.parametrize("low", [-np.inf, 0.0, -20.0])
def test_numbers_of_one_type_are_shifted_and_clamped_as_in_a_wider_one(dtype: str, offset: float, low: float) -> None:
    """Filled samples take the other kernel; one is filled that no piece reads."""
    kind, bounds = np.dtype(dtype), np.iinfo(dtype)
    conversion = Conversion(offset=offset, low=max(low, bounds.min), high=float(bounds.max), no_data=7.0, dtype=kind)
    steps = [bounds.min, bounds.min + 1, 0, 7, 99, 100, bounds.max - 31, bounds.max]
    block = np.array(steps, kind).reshape(2, 4)
    pieces = np.array([(0, 4, 0, -1), (4, 4, 4, 0)], np.int32)
    found = []
    for filled in (np.zeros(0, np.uint8), np.array([0] * 8 + [1], np.uint8)):
        one = Target(
            values=np.zeros(9, kind), filled=filled, hits=np.zeros(9, np.uint8), conversion=conversion, dtype=kind
        )
        gather_pieces(block, pieces, np.arange(4, dtype=np.int32), one)
        found.append((one.hits[:8].tolist(), one.values[:8][one.hits[:8] == 1].tolist()))
    least = max(int(conversion.low), bounds.min)
    expected = [min(max(number + int(offset), least), bounds.max) for number in block.ravel().tolist() if number != 7]
    assert found == [([int(number != 7) for number in block.ravel().tolist()], expected)] * 2
