"""Headers of GeoTIFFs: tifffile reads the tags, here they become a Raster and a table of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError
from tifffile import TiffFile, TiffPage

from arpent.adapters.images.bounds import fault_of
from arpent.adapters.images.byte_source import HeaderBytes, Version
from arpent.adapters.images.decode import CODECS
from arpent.adapters.images.tiff_directories import Oversized, check_directories
from arpent.domain.imagery.raster import Level, Raster

SPARE_BYTES = 1 << 16
"""What a codec may add to the smallest block."""
_REDUCED, _MASK = 1, 4
_USER_DEFINED = 32767
_PIXEL_IS_POINT = 2


class Unusual(Exception):
    """Something about the file that only GDAL can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Where the blocks of one level lie, and how they are packed."""

    shape: Level
    """Sides and blocks of the level."""
    offsets: NDArray[np.int64]
    """Per block, by plane, row and column: position in the file; 0: it was never written."""
    lengths: NDArray[np.int64]
    """Per block: bytes."""
    compression: int
    """TIFF tag 259."""
    predictor: int
    """TIFF tag 317."""
    dtype: np.dtype[np.generic]
    """Type in the file, byte order included."""
    samples: int
    """Bands that lie together in a block: 1, or all of the file's."""

    def entry(self, row: int, column: int, band: int) -> tuple[int, int]:
        """Offset and length of a block."""
        plane = 0 if self.samples > 1 else band
        number = (plane * self.shape.blocks_down + row) * self.shape.blocks_across + column
        return int(self.offsets[number]), int(self.lengths[number])

    def count(self, bands: int) -> int:
        """Blocks of the level, over all planes of a file of so many bands."""
        across = -(-self.shape.width // self.shape.block_width)
        down = -(-self.shape.height // self.shape.block_height)
        return across * down * (1 if self.samples > 1 else bands)

    def mean_length(self) -> float | None:
        """Bytes of a block that was written, on average; None if none was."""
        written = self.lengths[self.offsets > 0]
        return float(written.mean()) if len(written) else None

    def rows(self, row: int) -> int:
        """Rows that a block of this block row holds: strips end with the image, tiles are always whole."""
        shape = self.shape
        if shape.block_width == shape.width and len(self.offsets) and self.striped:
            return min(shape.block_height, shape.height - row * shape.block_height)
        return shape.block_height

    striped: bool = False
    """Strips instead of tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """All that is needed to read blocks of one file."""

    raster: Raster
    """What the domain knows of it."""
    tables: tuple[Table, ...]
    """Per level."""
    version: Version
    """Of the file that this was read from."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.version[2]

    @property
    def most_packed(self) -> int:
        """Bytes that a block can have in the file: no codec makes it twice as long."""
        decoded = (table.shape.block_width * table.shape.block_height * table.samples for table in self.tables)
        return 2 * max(decoded) * self.raster.dtype.itemsize + SPARE_BYTES


def parse_header(href: str, file: HeaderBytes) -> Header:
    """The header of a GeoTIFF. Raises Unusual where GDAL is needed; Oversized where nobody should try; whatever
    tifffile raises where the file is no TIFF at all."""
    check_directories(cast(BinaryIO, file))
    with TiffFile(cast(BinaryIO, file), name="image", _useframes=False) as tiff:
        pages = [cast(TiffPage, page) for page in tiff.pages]
        first, order = pages[0], tiff.byteorder
        overviews = [page for page in pages[1:] if _overview_of(first, page)]
        overviews.sort(key=lambda page: page.imagewidth, reverse=True)
        tables = tuple(_table(page, order) for page in (first, *overviews))
        keys = cast("Mapping[str, object]", first.geotiff_tags or {})
        raster = Raster(
            href=href,
            crs=_crs(keys),
            transform=_transform(first, keys),
            dtype=tables[0].dtype.newbyteorder("="),
            band_count=first.samplesperpixel,
            no_data=_no_data(first),
            levels=tuple(table.shape for table in tables),
            block_bytes=tables[0].mean_length(),
        )
    if (fault := fault_of(raster, max(table.samples for table in tables))) is not None:
        raise Oversized(fault)
    if any(len(table.offsets) < table.count(raster.band_count) for table in tables):
        raise Unusual("it lacks the places of some blocks")
    return Header(raster=raster, tables=tables, version=file.version)


def _overview_of(first: TiffPage, page: TiffPage) -> bool:
    kind = int(page.subfiletype)
    return bool(kind & _REDUCED) and not kind & _MASK and (page.samplesperpixel, page.dtype) == (
        first.samplesperpixel, first.dtype
    )  # fmt: skip


def _table(page: TiffPage, order: str) -> Table:
    dtype = page.dtype
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 0
    if dtype is None or dtype.kind not in "uif" or bits != dtype.itemsize * 8 or page.fillorder != 1:
        raise Unusual("pixels are not whole numbers of bytes")
    if int(page.compression) not in CODECS or int(page.predictor) not in ((1, 2, 3) if dtype.kind == "f" else (1, 2)):
        raise Unusual(f"compression {int(page.compression)}, predictor {int(page.predictor)}")
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
        raise Unusual("its table of blocks is too short")
    return Table(
        shape=shape,
        offsets=offsets,
        lengths=lengths,
        compression=int(page.compression),
        predictor=int(page.predictor),
        dtype=dtype.newbyteorder("<" if order == "<" else ">"),
        samples=page.samplesperpixel if int(page.planarconfig) == 1 else 1,
        striped=striped,
    )


def _crs(keys: Mapping[str, object]) -> CRS:
    for key in ("ProjectedCSTypeGeoKey", "GeographicTypeGeoKey"):
        code = keys.get(key)
        if code is None:
            continue
        if int(cast(int, code)) == _USER_DEFINED:
            break
        try:
            return CRS.from_epsg(int(cast(int, code)))
        except CRSError:
            break
    raise Unusual("its CRS is not an EPSG code")


def _transform(page: TiffPage, keys: Mapping[str, object]) -> Affine:
    matrix = keys.get("ModelTransformation")
    if matrix is not None:
        (a, b, _, c), (d, e, _, f) = np.asarray(matrix, np.float64).reshape(4, 4)[:2].tolist()
        transform = Affine(a, b, c, d, e, f)
    else:
        scale, tie = keys.get("ModelPixelScale"), keys.get("ModelTiepoint")
        if scale is None or tie is None or np.size(cast("list[float]", tie)) != 6:
            raise Unusual("it is not georeferenced by a scale and one point")
        step_x, step_y = np.asarray(scale, np.float64)[:2].tolist()
        column, row, _, x, y, _ = np.asarray(tie, np.float64).ravel().tolist()
        transform = Affine(step_x, 0.0, x - column * step_x, 0.0, -step_y, y + row * step_y)
    if int(cast(int, keys.get("GTRasterTypeGeoKey", 1))) == _PIXEL_IS_POINT:
        transform = transform @ Affine.translation(-0.5, -0.5)
    return transform


def _no_data(page: TiffPage) -> float | None:
    tag = page.tags.get(42113)
    if tag is None:
        return None
    try:
        return float(str(tag.value).strip().rstrip("\x00").replace(",", "."))
    except ValueError:
        return None
