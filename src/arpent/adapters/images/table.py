"""Table: where the blocks of one page of a TIFF lie in the file, and how they are compressed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffPage

from arpent.adapters.images.decode import CODECS
from arpent.adapters.images.image import NeedsGdal
from arpent.domain.imagery.raster import Level

SPARE_BYTES = 1 << 16
"""Bytes that a codec may add to a block, however small that is."""
_PREDICTORS = {"f": (1, 2, 3), "i": (1, 2), "u": (1, 2), "b": (1,)}
"""Kind of pixel type → supported predictors."""
_UNPREDICTED = (1, 32773)
"""Compressions without a predictor, whatever its tag says: none, and PackBits. GDAL ignores the tag for them, too."""
_BIT = 1
_YCBCR = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Where the blocks of one level lie in the file, and how they are compressed."""

    shape: Level
    """Size and block size of the level."""
    offsets: NDArray[np.int64]
    """Offset of each block in the file, in the order of plane, row and column; 0: the block was never written."""
    lengths: NDArray[np.int64]
    """Length of each block in bytes, in the same order."""
    compression: int
    """Value of TIFF tag 259 (Compression)."""
    predictor: int
    """Value of TIFF tag 317 (Predictor)."""
    dtype: np.dtype[np.generic]
    """Pixel type in the file, with byte order; bool: single bits of a mask."""
    samples: int
    """Number of bands stored together in a block: 1, or all bands of the file."""

    def entry(self, row: int, column: int, band: int) -> tuple[int, int]:
        """Offset and length of the block in the file."""
        plane = 0 if self.samples > 1 else band
        number = (plane * self.shape.blocks_down + row) * self.shape.blocks_across + column
        return int(self.offsets[number]), int(self.lengths[number])

    @property
    def most_packed(self) -> int:
        """Maximum bytes of a stored block: no codec doubles the size of its input."""
        return 2 * self.shape.block_width * self.shape.block_height * self.samples * self.dtype.itemsize + SPARE_BYTES

    def mean_length(self) -> float | None:
        """Mean stored bytes of the blocks that were written; None if none was."""
        written = self.lengths[self.offsets > 0]
        return float(written.mean()) if len(written) else None

    def rows(self, row: int) -> int:
        """Number of pixel rows that a block in this block row holds: the last strip ends with the image, whereas tiles
        are always complete."""
        shape = self.shape
        if shape.block_width == shape.width and len(self.offsets) and self.striped:
            return min(shape.block_height, shape.height - row * shape.block_height)
        return shape.block_height

    striped: bool = False
    """Whether the blocks are strips instead of tiles."""


def block_table(page: TiffPage, order: str, *, mask: bool = False) -> Table:
    """The table of one page; `mask`: whether pixels may be single bits. Raises NeedsGdal if only GDAL can read it."""
    dtype = page.dtype
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 0
    single = mask and dtype is not None and dtype.kind == "b" and bits == _BIT
    whole = dtype is not None and dtype.kind in "uif" and bits == dtype.itemsize * 8
    if dtype is None or not (single or whole) or page.fillorder != 1:
        raise NeedsGdal("its pixels do not fill whole bytes")
    if int(page.photometric) == _YCBCR:
        raise NeedsGdal("its colours are YCbCr, whose components may differ in size")
    compression = int(page.compression)
    predictor = 1 if compression in _UNPREDICTED else int(page.predictor)
    if compression not in CODECS or predictor not in _PREDICTORS[dtype.kind]:
        raise NeedsGdal(f"compression {compression}, predictor {predictor}")
    striped = not page.is_tiled
    height = min(page.rowsperstrip, page.imagelength) if striped else page.tilelength
    shape = Level(
        width=page.imagewidth,
        height=page.imagelength,
        block_width=page.imagewidth if striped else page.tilewidth,
        block_height=height,
    )
    offsets, lengths = np.array(page.dataoffsets, np.int64), np.array(page.databytecounts, np.int64)
    planes = 1 if int(page.planarconfig) == 1 else page.samplesperpixel
    if min(len(offsets), len(lengths)) < planes * shape.blocks_across * shape.blocks_down:
        raise NeedsGdal("its table of blocks is too short")
    return Table(
        shape=shape,
        offsets=offsets,
        lengths=lengths,
        compression=compression,
        predictor=predictor,
        dtype=dtype.newbyteorder("<" if order == "<" else ">"),
        samples=page.samplesperpixel if int(page.planarconfig) == 1 else 1,
        striped=striped,
    )
