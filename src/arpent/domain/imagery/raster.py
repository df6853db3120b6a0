"""Raster: the header of an image file, with everything needed to plan reads without reading pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

MOST = 2**31 - 1
"""Maximum number of pixels per block and of blocks per level, since their indices are stored as int32."""
COLUMNS_AND_ROWS = CRS.from_wkt(
    'ENGCRS["columns and rows of an image",EDATUM["its first pixel"],CS[Cartesian,2],AXIS["column",east],'
    'AXIS["row",south],LENGTHUNIT["pixel",1]]'
)
"""CRS of an image that does not declare one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The full image, or one overview of it. Raises ValueError if it has no pixels, or a block has more than MOST."""

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
    """The header of one image file."""

    href: str
    """Address of the file."""
    crs: CRS
    """CRS of the image; x comes first. COLUMNS_AND_ROWS: the file does not declare one."""
    transform: Affine
    """Affine transform from pixel corners (column, row) of level 0 to x, y. The identity: the file declares none."""
    dtype: np.dtype[np.generic]
    """Data type of a pixel."""
    band_count: int
    """Number of bands in the file."""
    no_data: float | None
    """GDAL_NODATA of the file, or of its first band; None if the file has none."""
    band_no_data: tuple[float | None, ...] = ()
    """GDAL_NODATA of each band, if the bands differ; otherwise empty."""
    masked: bool = False
    """Whether it has a mask: in the file, next to it (.msk), or as an alpha band."""
    declared_scale: float | None = None
    """Factor that the file declares for converting its numbers to values; 1 for floats without a factor in a format
    that can declare factors. None: unknown."""
    levels: tuple[Level, ...]
    """Level 0 is the full image; overviews follow, finest first."""
    block_bytes: float | None = field(default=None, compare=False)
    """Mean size of a stored block of level 0, in bytes; None if unknown."""

    def no_data_of(self, band: int) -> float | None:
        """No-data number of a band, counted from 0; None if the band has none."""
        return self.band_no_data[band] if band < len(self.band_no_data) else self.no_data

    @property
    def width(self) -> int:
        return self.levels[0].width

    @property
    def height(self) -> int:
        return self.levels[0].height

    @property
    def georeferenced(self) -> bool:
        """Whether both CRS and transform are known."""
        return not self.crs.is_engineering and self.transform != Affine.identity()


@dataclass(frozen=True, slots=True, kw_only=True)
class Georeference:
    """Where the pixels of an image lie according to its item."""

    crs: CRS | None
    """CRS of the image; None: the item does not state it."""
    transform: Affine | None
    """Transform as in a Raster; None: the item does not state it."""
    size: tuple[int, int] | None
    """Width and height, in pixels, of the image that the transform applies to; None: it applies to this image, whatever
    its size."""
    bounds: tuple[float, float, float, float] | None
    """(minx, miny, maxx, maxy); None: the item does not state them."""
    ground: shapely.Geometry
    """The item's footprint in EPSG:4326."""
