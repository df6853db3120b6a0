"""Levels have pixels, and no more of them than an index can number."""

from __future__ import annotations

import pytest

from arpent.domain.imagery.raster import MOST, Level


def test_a_level_counts_its_blocks():
    level = Level(width=100, height=65, block_width=64, block_height=32)
    assert (level.blocks_across, level.blocks_down) == (2, 3)


@pytest.mark.parametrize(
    "sides",
    [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, -1), (60_000, 60_000, 60_000, 60_000), (60_000, 60_000, 1, 1)],
)
def test_what_no_index_can_number_is_no_level(sides: tuple[int, int, int, int]):
    with pytest.raises(ValueError, match="pixels"):
        Level(width=sides[0], height=sides[1], block_width=sides[2], block_height=sides[3])


def test_the_largest_block_is_allowed():
    assert Level(width=MOST, height=1, block_width=MOST, block_height=1).blocks_across == 1
