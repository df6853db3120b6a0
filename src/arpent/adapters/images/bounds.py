"""Bounds: limits on what an image's header may say, so that no header causes a division by zero or fills memory."""

from __future__ import annotations

import math

from arpent.domain.imagery.raster import Raster

MOST_SIDE = 1 << 24
"""Maximum pixels per side of an image: readers build tables with one entry per column and row."""
MOST_BLOCKS = 1 << 23
"""Maximum number of blocks of a level."""
MOST_BLOCK_BYTES = 256 << 20
"""Maximum bytes of one decoded block, including all bands that are stored together in it."""
MOST_BANDS = 65_535


def fault_of(raster: Raster, together: int = 1) -> str | None:
    """Why the image cannot be read, in words for a message; None if its header is acceptable. `together`: number of
    bands stored together in a block."""
    transform = raster.transform
    if not all(map(math.isfinite, (*transform, transform.determinant))) or not transform.determinant:
        return "its georeferencing is not finite, or has no area"
    if not 1 <= raster.band_count <= MOST_BANDS:
        return f"it has {raster.band_count} bands"
    for level in raster.levels:
        sides = (level.width, level.height, level.block_width, level.block_height)
        if min(sides) < 1 or max(sides) > MOST_SIDE:
            return (
                f"it has {level.width} x {level.height} pixels, in blocks of {level.block_width} x {level.block_height}"
            )
        blocks = level.blocks_across * level.blocks_down
        if blocks > MOST_BLOCKS:
            return f"it has {blocks:,} blocks, more than {MOST_BLOCKS:,}"
        size = level.block_width * level.block_height * raster.dtype.itemsize * together
        if size > MOST_BLOCK_BYTES:
            return (
                f"one of its blocks takes {size:,} bytes, more than {MOST_BLOCK_BYTES >> 20} MiB: divide it into tiles"
            )
    return None
