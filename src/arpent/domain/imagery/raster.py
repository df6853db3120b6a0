"""Raster: what the header of an image file says, enough to plan reads without touching pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from affine import Affine
from pyproj import CRS

MOST = 2**31 - 1
"""Pixels of a block, and blocks of a level, at most: the samples of a site know theirs as int32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The full image, or one overview of it. Raises ValueError if it has no pixels, or more than MOST to a block."""

    width: int
    """Pixels along x."""
    height: int
    """Pixels along y."""
    block_width: int
    """Pixels of a block (internal tile) along x."""
    block_height: int
    """Pixels of a block along y."""

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.block_width, self.block_height) < 1:
            raise ValueError("it has no pixels")
        across, down = self.blocks_across, self.blocks_down
        if max(self.block_width * self.block_height, across * down) > MOST:
            raise ValueError(
                f"{across} x {down} blocks of {self.block_width} x {self.block_height} pixels are too many or too large"
            )

    @property
    def blocks_across(self) -> int:
        return -(-self.width // self.block_width)

    @property
    def blocks_down(self) -> int:
        return -(-self.height // self.block_height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """Header of one image."""

    href: str
    """Where it lies."""
    crs: CRS
    """Its CRS; x first."""
    transform: Affine
    """Pixel corner (column, row) of level 0 → x, y."""
    dtype: np.dtype[np.generic]
    """Type of a pixel."""
    band_count: int
    """Bands in the file."""
    no_data: float | None
    """GDAL_NODATA of the file, or of its first band."""
    band_no_data: tuple[float | None, ...] = ()
    """The same by band, where they differ."""
    masked: bool = False
    """It has a mask: one in the file, one beside it (.msk), or a band that is alpha."""
    levels: tuple[Level, ...]
    """Level 0 is the full image; overviews follow, finest first."""
    block_bytes: float | None = field(default=None, compare=False)
    """Stored bytes of a block of level 0, on average; None if the reader cannot tell."""

    def no_data_of(self, band: int) -> float | None:
        """What a band, from 0, calls no data; None: nothing."""
        return self.band_no_data[band] if band < len(self.band_no_data) else self.no_data

    @property
    def width(self) -> int:
        return self.levels[0].width

    @property
    def height(self) -> int:
        return self.levels[0].height
