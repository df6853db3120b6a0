"""GeoTiff: reads and decodes the blocks of a GeoTIFF, with its masks applied, without GDAL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.byte_source import ByteSources, HeaderBytes, Range
from arpent.adapters.images.decode import Buffer, decode
from arpent.adapters.images.header import Header, mask_beside, parse_header
from arpent.adapters.images.image import NeedsGdal
from arpent.adapters.images.mask import has_auxiliary_metadata, masked
from arpent.adapters.images.origin.href import local_path
from arpent.adapters.images.table import Table
from arpent.adapters.images.tiff_directories import TIFF
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.file_version import Version
from arpent.domain.imagery.raster import Raster
from arpent.domain.ports.imagery import Block

Payloads = dict[tuple[str, Range], Buffer]
"""(href, (offset, length)) → the bytes there."""


class GeoTiff:
    """A GeoTIFF that is read without GDAL."""

    def __init__(self, href: str, origins: ByteSources, file: HeaderBytes) -> None:
        """Raises NeedsGdal if GDAL is needed, Oversized if GDAL should not read it either, AssetUnreadable, and
        whatever tifffile raises."""
        self._href = href
        self._origins = origins
        self.header = _header(href, origins, file)

    @property
    def raster(self) -> Raster:
        return self.header.raster

    @property
    def tables(self) -> tuple[Table, ...]:
        """Tables of where the blocks lie, one per level."""
        return self.header.tables

    @property
    def versions(self) -> Mapping[str, Version]:
        """The files that its pixels and masks come from, and their versions."""
        return {self._href: self.header.version, **{mask.href: mask.version for mask in self.header.masks}}

    def packed_bytes(self, block: Block, band: int) -> int:
        return self.tables[block.level].entry(block.row, block.column, band)[1]

    def fetch(self, blocks: Sequence[Block], band: int) -> Payloads:
        """The bytes of these blocks and of the blocks of the masks that apply to them."""
        header, shapes = self.header, self.raster.levels
        wanted = {self._href: {self.tables[block.level].entry(block.row, block.column, band) for block in blocks}}
        versions, most = {self._href: header.version}, {self._href: header.most_packed}
        for mask in header.masks:
            if mask.concerns(band) and not mask.shared:
                versions[mask.href] = mask.version
                most[mask.href] = max(most.get(mask.href, 0), mask.most_packed)
                parts = (mask.ranges(shapes[block.level], block, band) for block in blocks)
                wanted.setdefault(mask.href, set()).update(*parts)
        payloads: Payloads = {}
        for href, entries in wanted.items():
            size = versions[href][2]
            there = sorted(
                entry for entry in entries if min(entry) > 0 and entry[1] <= most[href] and sum(entry) <= size
            )
            found = self._origins.ranges(href, there, versions[href]) if there else []
            payloads |= {(href, entry): piece for entry, piece in zip(there, found, strict=True)}
        return payloads

    def read(self, block: Block, band: int, fetched: Payloads | None) -> NDArray[np.generic]:
        header, payloads = self.header, fetched or {}
        table = self.tables[block.level]
        shape = (table.rows(block.row), table.shape.block_width)
        rows = min(block.rows or shape[0], shape[0])
        full = (rows if block.rows else table.shape.block_height, shape[1])
        entry = table.entry(block.row, block.column, band)
        if min(entry) > 0:
            payload = self._payload(payloads, (self._href, header.version, header.most_packed), entry)
            pixels = decode(payload, table, shape, rows, band)
        else:
            pixels = np.full(full, _empty(self.raster), self.raster.dtype)
        if pixels.shape != full:
            pixels = np.pad(pixels, ((0, full[0] - pixels.shape[0]), (0, 0)))
        return self._masked(block, payloads, pixels, band)

    def close(self) -> None:
        """Do nothing: no file is open."""

    def _payload(self, payloads: Payloads, place: tuple[str, Version, int], entry: Range) -> Buffer:
        """The bytes of one block, fetched ahead or read now. `place`: the file, its version, and the maximum length of
        a block in it. Raises ValueError if the block is longer, or reaches beyond the end of the file."""
        href, version, most = place
        if sum(entry) > version[2]:
            raise ValueError("the file ends before it does")
        if entry[1] > most:
            raise ValueError(f"it has {entry[1]:,} packed bytes, more than it could need")
        found = payloads.get((href, entry))
        return self._origins.ranges(href, [entry], version)[0] if found is None else found

    def _masked(self, block: Block, payloads: Payloads, pixels: NDArray[np.generic], band: int) -> NDArray[np.generic]:
        """The pixels of a block with its masks applied. Raises ValueError if a mask is damaged."""
        masks = [mask for mask in self.header.masks if mask.concerns(band)]
        if not masks:
            return pixels
        shape, rows = self.raster.levels[block.level], pixels.shape[0]
        valid = []
        for mask in masks:
            payload = partial(self._payload, payloads, (mask.href, mask.version, mask.most_packed))
            valid.append(mask.valid(shape, block, band, rows, payload))
        return masked(pixels, valid)


def _header(href: str, origins: ByteSources, file: HeaderBytes) -> Header:
    """The header, with the masks in the file and in its `.msk`. A remote `.msk` is requested only if the image has
    neither a mask nor a no-data number, since it costs a request. Raises NeedsGdal."""
    path = local_path(href)
    if path is not None and has_auxiliary_metadata(path):
        raise NeedsGdal("a file next to it describes its bands")
    header = parse_header(href, file)
    silent = header.raster.no_data is None and not header.masks
    beside = mask_file(origins, href) if silent or path is not None else None
    if beside is None:
        return header
    file.seek(0)
    return parse_header(href, file, beside)


def mask_file(origins: ByteSources, href: str) -> HeaderBytes | None:
    """The `.msk` of an image; None if there is none, or what is there is not a TIFF. Raises AssetUnreadable if a
    transient error leaves open whether there is one."""
    beside = mask_beside(href)
    path = local_path(beside)
    with suppress(OSError):  # reading it below reports what is wrong
        if path is not None and not path.exists():  # the usual case
            return None
    try:
        file = origins.head(beside)
    except AssetUnreadable as error:
        if error.transient:
            raise
        return None
    found = file.read(4) in TIFF
    file.seek(0)
    return file if found else None


def _empty(raster: Raster) -> float:
    """The value of a block that was never written: no data, as in GDAL; 0 if there is none that a pixel can have."""
    no_data, dtype = raster.no_data, raster.dtype
    if no_data is None or dtype.kind == "f":
        return no_data or 0.0
    bounds = np.iinfo(dtype)  # type: ignore[type-var]
    return no_data if bounds.min <= no_data <= bounds.max else 0.0
