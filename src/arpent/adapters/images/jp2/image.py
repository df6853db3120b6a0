"""Jp2Image: reads a JPEG 2000 file tile by tile. For each tile, GDAL (OpenJPEG) decodes a file in memory with only this
tile."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from arpent.adapters.images.beside.georeference import crs_of_dataset
from arpent.adapters.images.bounds import fault_of
from arpent.adapters.images.byte_source import ByteSources, HeaderBytes, Range
from arpent.adapters.images.gdal_fallback import QUIET
from arpent.adapters.images.header import mask_beside
from arpent.adapters.images.image import NeedsGdal
from arpent.adapters.images.jp2.layout import Layout, listed_parts, read_layout
from arpent.adapters.images.jp2.one_tile import check_parts, one_tile, window_of
from arpent.adapters.images.jp2.tile_parts import HEAD, TilePart, TileParts, parsed_part
from arpent.adapters.images.mask import has_auxiliary_metadata
from arpent.adapters.images.origin.href import local_path
from arpent.domain.boundary.address_names import public_name
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.file_version import Version
from arpent.domain.imagery.raster import Level, Raster
from arpent.domain.ports.imagery import Block

DRIVER = "JP2OpenJPEG"
_INKS = {ColorInterp.gray, ColorInterp.undefined, ColorInterp.red, ColorInterp.green, ColorInterp.blue}
"""Colour interpretations of bands that imply neither a mask nor a conversion of colours."""
Tile = Sequence[memoryview]
"""The bytes of each part of a tile."""


class Jp2Image:
    """A JPEG 2000 image that is read tile by tile. Tiles are located when they are first needed."""

    def __init__(self, href: str, origins: ByteSources, file: HeaderBytes) -> None:
        """Read the header. Raises NeedsGdal if GDAL has to read the file itself, AssetUnreadable, and Replaced."""
        path = local_path(href)
        self._href = href
        self._origins = origins
        self._version = file.version
        try:
            self._layout = read_layout(file, file.size)  # type: ignore[arg-type]
            try:
                if path is not None and (has_auxiliary_metadata(path) or os.path.lexists(mask_beside(str(path)))):
                    raise NeedsGdal("a file next to it describes its bands")
                if self._layout.unusual is not None:
                    raise NeedsGdal(self._layout.unusual)
                raster = _raster(href, self._layout)
            except NeedsGdal:  # GDAL would decode tiles unchecked
                check_parts(self._layout, file)  # type: ignore[arg-type]
                raise
        except ValueError as error:
            raise AssetUnreadable(f"image {public_name(href)} cannot be read: {error}", href=href) from None
        layout = self._layout
        if (fault := fault_of(raster, layout.components)) is not None:
            raise AssetUnreadable(f"image {public_name(href)} cannot be read: {fault}", href=href)
        self._mean = (layout.end - layout.first) // (layout.across * layout.down)
        self.raster = replace(raster, block_bytes=float(self._mean))
        self._parts = TileParts(
            partial(origins.ranges, href, version=file.version), (layout.first, layout.end),
            layout.across * layout.down, listed=listed_parts(layout), far=path is None,
        )  # fmt: skip
        file.seek(layout.first)
        self._parts.begin_with(file.read(min(HEAD, layout.end - layout.first)))

    @property
    def versions(self) -> Mapping[str, Version]:
        """The file that its pixels come from, and its version."""
        return {self._href: self._version}

    def packed_bytes(self, block: Block, band: int) -> int:
        return self._mean

    def fetch(self, blocks: Sequence[Block], band: int) -> Mapping[int, Tile]:
        """Number of a tile → the bytes of its parts, without tiles that are missing, incomplete or too long."""
        found: dict[int, Tile] = {}
        try:
            tiles = self._parts.find({self._number(block) for block in blocks})
        except ValueError:  # `read` reports it
            return found
        whole = {tile: parts for tile, parts in tiles.items() if self._fault(parts) is None}
        ranges = [(part.position, part.length) for parts in whole.values() for part in parts]
        pieces = iter(self._ranges(ranges) if ranges else ())
        for tile, parts in whole.items():
            bytes_of_parts = [next(pieces) for _ in parts]
            if self._fits(parts, bytes_of_parts):
                found[tile] = bytes_of_parts
        return found

    def read(self, block: Block, band: int, fetched: Mapping[int, Tile] | None) -> NDArray[np.generic]:
        tile = self._number(block)
        parts = (fetched or {}).get(tile)
        if parts is None:
            parts = self._tile(tile)
        layout, level = self._layout, self.raster.levels[block.level]
        kept = window_of(layout, len(self.raster.levels) - 1, block.row, block.column)
        content = one_tile(layout, kept, (block.row, block.column), parts)
        size = (level.block_width, level.block_height)
        window = Window(
            (block.column - kept.left) * size[0], (block.row - kept.top) * size[1],
            min(size[0], level.width - block.column * size[0]), min(size[1], level.height - block.row * size[1]),
        )  # fmt: skip
        try:
            pixels = _decoded(content, block.level, band, window)
        except (RasterioError, MemoryError, IndexError):
            raise ValueError("its bytes are damaged") from None
        if pixels.shape != (window.height, window.width) or pixels.dtype != self.raster.dtype:
            raise ValueError("its size or type is not what its file says")
        missing = ((0, size[1] - window.height), (0, size[0] - window.width))
        return pixels if not any(after for _, after in missing) else np.pad(pixels, missing)

    def close(self) -> None:
        """Do nothing: no file is open."""

    def _number(self, block: Block) -> int:
        return block.row * self._layout.across + block.column

    def _ranges(self, ranges: Sequence[Range]) -> list[memoryview]:
        return self._origins.ranges(self._href, ranges, self._version)

    def _tile(self, tile: int) -> Tile:
        """The bytes of the parts of one tile. Raises ValueError if the file does not hold all of them."""
        while True:
            parts = self._parts.find([tile]).get(tile, ())
            fault = self._fault(parts) if parts else "the file does not hold it"
            if fault is None:
                found = self._ranges([(part.position, part.length) for part in parts])
                if self._fits(parts, found):
                    return found
                fault = "it is not where its file says"
            if not self._parts.distrust():
                raise ValueError(fault)

    def _fault(self, parts: Sequence[TilePart]) -> str | None:
        """Why the parts of a tile must not be read, in words; None if they may be."""
        if parts[-1].end > self._layout.end:
            return "the file ends before it does"
        if any(part.count not in (0, len(parts)) for part in parts):
            return "the file does not hold all of it"
        packed = sum(part.length for part in parts)
        if packed > self._layout.most_packed:
            return f"it has {packed:,} packed bytes, more than it could need"
        return None

    def _fits(self, parts: Sequence[TilePart], found: Tile) -> bool:
        """Whether the bytes that were read begin with the heads of the expected parts."""
        for part, piece in zip(parts, found, strict=True):
            there = parsed_part(bytes(piece[:HEAD]), part.position, self._layout.end)
            if there is None or (there.tile, there.length, len(piece)) != (part.tile, part.length, part.length):
                return False
            if there.count not in (0, len(parts)):
                return False
        return True


def _decoded(content: bytes, level: int, band: int, window: Window) -> NDArray[np.generic]:
    options = {"overview_level": level - 1} if level else {}
    with rasterio.Env(**QUIET), MemoryFile(content) as memory, memory.open(driver=DRIVER, **options) as image:
        pixels: NDArray[np.generic] = image.read(band + 1, window=window)
    return pixels


def _raster(href: str, layout: Layout) -> Raster:
    """The header, as GDAL reads it from a file without tiles. Raises ValueError, NeedsGdal and AssetUnreadable."""
    try:
        with rasterio.Env(**QUIET), MemoryFile(layout.header()) as memory, memory.open(driver=DRIVER) as image:
            return _described(href, image, (layout.tile_width, layout.tile_height))
    except (AssetUnreadable, NeedsGdal):
        raise
    except Exception:  # a damaged header makes GDAL raise errors of many types
        raise ValueError("its header is damaged") from None


def _described(href: str, image: DatasetReader, tile: tuple[int, int]) -> Raster:
    crs = crs_of_dataset(href, image)
    if set(image.block_shapes) != {tile[::-1]} or not set(image.colorinterp) <= _INKS or len(set(image.dtypes)) > 1:
        raise NeedsGdal("it is one tile, or its bands are not alike")
    levels = [Level(width=image.width, height=image.height, block_width=tile[0], block_height=tile[1])]
    for number, _ in enumerate(image.overviews(1), 1):
        factor = 1 << number  # GDAL reports rounded factors
        if tile[0] % factor or tile[1] % factor:
            break
        levels.append(
            Level(
                width=-(-image.width // factor),
                height=-(-image.height // factor),
                block_width=tile[0] // factor,
                block_height=tile[1] // factor,
            )
        )
    return Raster(
        href=href, crs=crs, transform=image.transform,
        dtype=np.dtype(image.dtypes[0]), band_count=image.count, no_data=image.nodatavals[0],
        levels=tuple(levels),
    )  # fmt: skip
