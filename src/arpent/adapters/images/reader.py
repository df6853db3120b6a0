"""Reader: AssetReader for (cloud-optimised) GeoTIFFs on disks, web servers and S3 (docs/adr/0004-reader.md)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import RLock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.byte_counter import Bytes, on_behalf
from arpent.adapters.images.byte_source import (
    ByteSources,
    HeaderBytes,
    Range,
    Replaced,
    Version,
    local_path,
    public_name,
)
from arpent.adapters.images.decode import Buffer, decode
from arpent.adapters.images.gdal_fallback import GdalImage, says_more
from arpent.adapters.images.header import Header, mask_beside, parse_header
from arpent.adapters.images.mask import masked
from arpent.adapters.images.served import check_served
from arpent.adapters.images.table import Unusual
from arpent.adapters.images.tiff_directories import Oversized
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.raster import Raster
from arpent.domain.ports.imagery import Block
from arpent.network.policy import EgressPolicy

Image = Header | GdalImage
Piece = tuple[str, Block, NDArray[np.generic]]

_MOST_IMAGES = 2048
"""Number of cached headers; one of an MGRS tile takes about 5 KiB, and all partitions of a process share it."""
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF."""
_LOAD_BYTES = 4 << 20
"""Maximum compressed bytes of one fetch, approximately."""
_LOAD_BLOCKS = 16
"""Maximum number of blocks of one fetch."""

A = TypeVar("A")
R = TypeVar("R")


_Payloads = dict[tuple[str, Range], Buffer]
"""(file, offset, length) → the bytes there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """Neighbouring blocks of one image that are fetched together."""

    href: str
    """Href of the image."""
    image: Image
    """Header of the image, or GDAL's handle."""
    blocks: tuple[Block, ...]
    """The blocks, in the order asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parcel:
    """One block that waits to be decoded."""

    href: str
    """Href of the image."""
    image: Image
    """Header of the image, or GDAL's handle."""
    block: Block
    """The block."""
    payloads: _Payloads = field(default_factory=dict)
    """Bytes of the block and of its masks; what is missing is read later (local files)."""


class CogReader:
    """An AssetReader that reads ahead, decodes on `threads` threads (1: in the caller's), and yields in the order
    asked. Thread-safe."""

    def __init__(
        self,
        threads: int = 1,
        requests: int = 12,
        s3_options: Mapping[str, str] | None = None,
        retry_seconds: float = 60.0,
        unusual: Callable[[str, ByteSources], GdalImage] = GdalImage,
        policy: EgressPolicy | None = None,
    ) -> None:
        """`requests`: number of concurrent fetches. `s3_options`: obstore's S3Store settings, which override the AWS_*
        variables. `retry_seconds`: how long a failing server is retried before AssetUnreadable (transient) is raised.
        `unusual` opens files that are not supported GeoTIFFs. `policy`: where images may lie; None: anywhere."""
        self._unusual = unusual
        self._origins = ByteSources(s3_options, retry_seconds, policy)
        self._threads = threads
        self._requests = requests
        self._images: OrderedDict[str, Future[Image]] = OrderedDict()
        self._lock = RLock()
        self._fetching: ThreadPoolExecutor | None = None
        self._decoding: ThreadPoolExecutor | None = None

    def counting(self) -> AbstractContextManager[Bytes]:
        """As in AssetReader; counts headers and what GDAL reads too."""
        return self._origins.meter.counting()

    def prepare(self, hrefs: Sequence[str]) -> None:
        for href in dict.fromkeys(hrefs):
            with self._lock:
                if href not in self._images and local_path(href) is None:
                    self._remember(href, self._fetchers().submit(on_behalf(self._open), href))

    def describe(self, href: str) -> Raster:
        return self._image(href).raster

    def read(self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0) -> Iterator[Piece]:
        parcels = self._parcels(requests, band)
        if self._threads < 2:
            return (self._decode(parcel, band) for parcel in parcels)
        return _ahead(self._decoders(), lambda parcel: self._decode(parcel, band), parcels, 2 * self._threads)

    def close(self) -> None:
        """End the threads and close all files. Call it before the Python process ends."""
        with self._lock:
            pools, self._fetching, self._decoding = (self._fetching, self._decoding), None, None
            images = list(self._images.values())
            self._images.clear()
        for pool in pools:
            if pool:
                pool.shutdown(cancel_futures=True)
        self._origins.close()
        for future in images:
            with suppress(Exception):
                if isinstance(image := future.result(timeout=0), GdalImage):
                    image.close()

    # ---- headers

    def _image(self, href: str) -> Image:
        with self._lock:
            future = self._images.get(href)
            mine = future is None
            if future is None:
                future = self._remember(href, Future())
            self._images.move_to_end(href)
        if mine:
            try:
                future.set_result(self._open(href))
            except BaseException as error:
                future.set_exception(error)
        try:
            return future.result()
        except BaseException:
            with self._lock:  # a failure is not remembered: it may pass
                if self._images.get(href) is future:
                    del self._images[href]
            raise

    def _remember(self, href: str, future: Future[Image]) -> Future[Image]:
        self._images[href] = future
        while len(self._images) > _MOST_IMAGES:
            self._images.popitem(last=False)
        return future

    def _open(self, href: str) -> Image:
        file = self._origins.head(href)
        try:
            image: Image = self._header(href, file)
        except Replaced:
            raise self._replaced(href) from None
        except Oversized as error:
            raise AssetUnreadable(f"image {public_name(href)} cannot be read: {error}", href=href) from None
        except AssetUnreadable:
            raise
        except Exception:  # a damaged header makes tifffile raise whatever it stumbles over
            image = self._unusual(href, self._origins)
        try:
            check_served(image.raster)
        except AssetUnreadable:
            if isinstance(image, GdalImage):
                image.close()
            raise
        return image

    def _header(self, href: str, file: HeaderBytes) -> Header:
        """The header with the masks in the file and beside it. A remote mask file is requested only if the image itself
        has no mask, since each look takes a request."""
        path = local_path(href)
        if path is not None and says_more(path):
            raise Unusual("a file beside it says more of its bands")
        header = parse_header(href, file)
        silent = header.raster.no_data is None and not header.masks
        beside = self._beside(mask_beside(href)) if silent or path is not None else None
        if beside is None:
            return header
        file.seek(0)
        return parse_header(href, file, beside)

    def _beside(self, href: str) -> HeaderBytes | None:
        """The image's mask file; None if there is none, or the server answers with something else."""
        try:
            file = self._origins.head(href)
        except AssetUnreadable as error:
            if error.transient:
                raise
            return None
        found = file.read(4) in TIFF
        file.seek(0)
        return file if found else None

    # ---- blocks

    def _parcels(self, requests: Sequence[tuple[str, Sequence[Block]]], band: int) -> Iterator[_Parcel]:
        """Every block; bytes of remote files are fetched ahead, many at once."""
        run: list[_Load] = []
        for load in self._loads(requests, band):
            if isinstance(load.image, GdalImage) or local_path(load.href):
                yield from self._fetched(run, band)
                run = []
                for block in load.blocks:
                    yield _Parcel(href=load.href, image=load.image, block=block)
            else:
                run.append(load)
        yield from self._fetched(run, band)

    def _loads(self, requests: Sequence[tuple[str, Sequence[Block]]], band: int) -> Iterator[_Load]:
        self.prepare([href for href, blocks in requests if blocks])
        for href, blocks in requests:
            image = self._image(href) if blocks else None
            if image is None:
                continue
            if not 0 <= band < image.raster.band_count:
                raise AssetUnreadable(
                    f"image {public_name(href)} has {image.raster.band_count} bands, but band {band + 1} is asked for",
                    href=href,
                )
            if not all(_holds(image.raster, block) for block in blocks):
                raise self._replaced(href)  # whoever asks knows another header than this one
            for part in _portions(blocks, image, band):
                yield _Load(href=href, image=image, blocks=part)

    def _fetched(self, loads: list[_Load], band: int) -> Iterator[_Parcel]:
        if not loads:
            return
        for load, payloads in _ahead(self._fetchers(), lambda load: self._fetch(load, band), loads, self._requests):
            for block in load.blocks:
                yield _Parcel(href=load.href, image=load.image, block=block, payloads=payloads)

    def _fetch(self, load: _Load, band: int) -> tuple[_Load, _Payloads]:
        """The bytes of the blocks and of the masks over them."""
        image = load.image
        assert isinstance(image, Header)
        shapes = image.raster.levels
        wanted = {load.href: {image.tables[block.level].entry(block.row, block.column, band) for block in load.blocks}}
        versions, most = {load.href: image.version}, {load.href: image.most_packed}
        for mask in image.masks:
            if mask.concerns(band) and not mask.shared:
                versions[mask.href] = mask.version
                most[mask.href] = max(most.get(mask.href, 0), mask.most_packed)
                parts = (mask.ranges(shapes[block.level], block, band) for block in load.blocks)
                wanted.setdefault(mask.href, set()).update(*parts)
        payloads: _Payloads = {}
        for href, entries in wanted.items():
            size = versions[href][2]
            there = sorted(
                entry for entry in entries if min(entry) > 0 and entry[1] <= most[href] and sum(entry) <= size
            )
            found = self._bytes(href, versions[href], there) if there else []
            payloads |= {(href, entry): piece for entry, piece in zip(there, found, strict=True)}
        return load, payloads

    def _bytes(self, href: str, version: Version, ranges: Sequence[Range]) -> list[Buffer]:
        try:
            return [*self._origins.ranges(href, ranges, version)]
        except Replaced:
            raise self._replaced(href) from None

    def _payload(self, parcel: _Parcel, place: tuple[str, Version, int], entry: Range) -> Buffer:
        """The bytes of one block, fetched ahead or read now. `place`: the file, its version, and the maximum length of
        a block there. Raises ValueError if the block is longer, or the file ends before it."""
        href, version, most = place
        if sum(entry) > version[2]:
            raise ValueError("the file ends before it does")
        if entry[1] > most:
            raise ValueError(f"it has {entry[1]:,} packed bytes, more than it could need")
        found = parcel.payloads.get((href, entry))
        return self._bytes(href, version, [entry])[0] if found is None else found

    def _replaced(self, href: str) -> AssetUnreadable:
        with self._lock:  # where one image is new, others are: what is known of them may be old, too
            self._images.clear()
        return AssetUnreadable(f"image {public_name(href)} was replaced while it was read", transient=True, href=href)

    def _decode(self, parcel: _Parcel, band: int) -> Piece:
        image, block = parcel.image, parcel.block
        if isinstance(image, GdalImage):
            return parcel.href, block, image.read(block, band)
        table = image.tables[block.level]
        shape = (table.rows(block.row), table.shape.block_width)
        rows = min(block.rows or shape[0], shape[0])
        full = (rows if block.rows else table.shape.block_height, shape[1])
        entry = table.entry(block.row, block.column, band)
        try:
            if min(entry) > 0:
                payload = self._payload(parcel, (parcel.href, image.version, image.most_packed), entry)
                pixels = decode(payload, table, shape, rows, band)
            else:
                pixels = np.full(full, _empty(image), image.raster.dtype)
            if pixels.shape != full:
                pixels = np.pad(pixels, ((0, full[0] - pixels.shape[0]), (0, 0)))
            return parcel.href, block, self._masked(parcel, image, pixels, band)
        except ValueError as error:
            place = f"block (row {block.row}, column {block.column}) of level {block.level}"
            raise AssetUnreadable(
                f"image {public_name(parcel.href)}: {place} cannot be decoded: {error}",
                href=parcel.href,
                block=(block.level, block.row, block.column),
            ) from None

    def _masked(self, parcel: _Parcel, image: Header, pixels: NDArray[np.generic], band: int) -> NDArray[np.generic]:
        """The pixels of a block with its masks applied. Raises ValueError if a mask is damaged."""
        block, masks = parcel.block, [mask for mask in image.masks if mask.concerns(band)]
        if not masks:
            return pixels
        shape, rows = image.raster.levels[block.level], pixels.shape[0]
        valid = []
        for mask in masks:
            payload = partial(self._payload, parcel, (mask.href, mask.version, mask.most_packed))
            valid.append(mask.valid(shape, block, band, rows, payload))
        return masked(pixels, valid)

    def _fetchers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._fetching is None:
                self._fetching = ThreadPoolExecutor(self._requests, thread_name_prefix="fetch")
            return self._fetching

    def _decoders(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._decoding is None:
                self._decoding = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
            return self._decoding


def _holds(raster: Raster, block: Block) -> bool:
    """Whether the image has this block."""
    if not 0 <= block.level < len(raster.levels):
        return False
    level = raster.levels[block.level]
    return 0 <= block.row < level.blocks_down and 0 <= block.column < level.blocks_across


def _empty(image: Header) -> float:
    """The value of a block that was never written: no data, as in GDAL."""
    no_data, dtype = image.raster.no_data, image.raster.dtype
    if no_data is None or dtype.kind == "f":
        return no_data or 0.0
    bounds = np.iinfo(dtype)  # type: ignore[type-var]
    return no_data if bounds.min <= no_data <= bounds.max else 0.0


def _portions(blocks: Sequence[Block], image: Image, band: int) -> Iterator[tuple[Block, ...]]:
    """The blocks in groups, each for one fetch."""
    part: list[Block] = []
    size = 0
    for block in blocks:
        length = 0
        if isinstance(image, Header):
            length = image.tables[block.level].entry(block.row, block.column, band)[1]
        if part and (len(part) >= _LOAD_BLOCKS or size + length > _LOAD_BYTES):
            yield tuple(part)
            part, size = [], 0
        part.append(block)
        size += length
    if part:
        yield tuple(part)


def _ahead(pool: ThreadPoolExecutor, function: Callable[[A], R], arguments: Iterable[A], depth: int) -> Iterator[R]:
    """As `map`, with up to `depth` calls running ahead."""
    waiting: deque[Future[R]] = deque()
    try:
        for argument in arguments:
            waiting.append(pool.submit(on_behalf(function), argument))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
