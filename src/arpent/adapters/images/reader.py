"""Reader: the AssetReader for images on disk, web servers and S3 (docs/adr/0004-reader.md)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock, local
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.images.beside.georeference import georeferenced
from arpent.adapters.images.beside.landsat import Metadata, calibration_by, read_metadata
from arpent.adapters.images.byte_counter import Bytes, on_behalf
from arpent.adapters.images.byte_source import ByteSources, HeaderBytes, Replaced, replaced
from arpent.adapters.images.geotiff import GeoTiff
from arpent.adapters.images.image import Image
from arpent.adapters.images.kept.ranges import KeptRanges
from arpent.adapters.images.origin.href import local_path
from arpent.adapters.images.other_formats import Opener, open_other_format
from arpent.adapters.images.served import check_served
from arpent.adapters.images.tiff_directories import Oversized
from arpent.adapters.images.zarr.store import forget_hierarchies, store_location
from arpent.domain.boundary.address_names import public_name
from arpent.domain.boundary.pulse import pulse
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.file_version import Version, is_settled, is_telling, same_version
from arpent.domain.imagery.item import Calibration, CalibrationFile
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.ports.imagery import Block
from arpent.network.access import SourceAccess
from arpent.network.memo import Memo
from arpent.network.policy import EgressPolicy

Piece = tuple[str, Block, NDArray[np.generic]]

_MOST_IMAGES = 2048
"""Number of cached headers, shared by all partitions of a process; that of an MGRS tile takes about 5 KiB."""
_KEPT_SECONDS = 600.0
"""How long a cached header or metadata file is used: not every read of a block would notice that the image has been
replaced."""
_LOAD_BYTES = 4 << 20
"""Maximum compressed bytes of one fetch, approximately."""
_LOAD_BLOCKS = 16
"""Maximum number of blocks of one fetch."""

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class _BlockFetch:
    """Neighbouring blocks of one image that are fetched together."""

    href: str
    """Href of the image."""
    image: Image
    """The image, whose header has been read."""
    blocks: tuple[Block, ...]
    """The blocks, in the order in which they were requested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FetchedBlock:
    """One block that is ready to be decoded."""

    href: str
    """Href of the image."""
    image: Image
    """The image, whose header has been read."""
    block: Block
    """Position of the block in the image."""
    fetched: Any = None
    """What `Image.fetch` returned for this block and its neighbours; unset for a local file, which is read later."""


class CogReader:
    """An AssetReader that reads ahead, decodes in `threads` threads (1: in the caller's), and yields blocks in the
    order requested. Thread-safe."""

    def __init__(  # noqa: PLR0913
        self,
        threads: int = 1,
        requests: int = 12,
        s3_options: Mapping[str, str] | None = None,
        retry_seconds: float = 60.0,
        other_formats: Opener = open_other_format,
        policy: EgressPolicy | None = None,
        access: SourceAccess | None = None,
        *,
        kept: KeptRanges | None = None,
    ) -> None:
        """`requests`: number of concurrent fetches. `s3_options`: obstore's S3Store settings, which override the AWS_*
        variables. `retry_seconds`: how long a failing server is retried before AssetUnreadable (transient) is raised.
        `other_formats` opens files that our own GeoTIFF reader does not support. `policy`: where images may lie;
        `access`: credentials. `kept`: cache of remote ranges."""
        self._other_formats = other_formats
        self._origins = ByteSources(s3_options, retry_seconds, policy, access, kept)
        self._threads = threads
        self._requests = requests
        self._images: Memo[str, Image] = Memo(_MOST_IMAGES, seconds=_KEPT_SECONDS)
        self._metadata: Memo[str, Metadata] = Memo(_MOST_IMAGES, seconds=_KEPT_SECONDS)
        self._told = _Told()
        self._lock = Lock()
        self._fetching: ThreadPoolExecutor | None = None
        self._decoding: ThreadPoolExecutor | None = None

    def counting(self) -> AbstractContextManager[Bytes]:
        """As in AssetReader; also counts headers and what GDAL reads."""
        return self._origins.meter.counting()

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        for href in dict.fromkeys(hrefs):
            if self._threads > 1 or local_path(href) is None:  # headers are parsed while other threads decode
                self._images.begin(href, partial(self._fetchers().submit, on_behalf(self._open), href))
        for href in dict.fromkeys(file.href for file in files):
            if local_path(href) is None:
                read = on_behalf(partial(read_metadata, href, self._origins))
                self._metadata.begin(href, partial(self._fetchers().submit, read))

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        image = self._image(href)
        self._told.note(href, _versions(image))
        return georeferenced(image.raster, place)

    def calibration(self, file: CalibrationFile) -> Calibration:
        metadata = self._metadata.get(file.href, lambda: read_metadata(file.href, self._origins))
        return calibration_by(file, metadata)

    def versions(self, href: str) -> Mapping[str, Version]:
        """The files that the image's pixels come from, and their versions; empty if `forget_changed` could not notice
        a change. Raises AssetUnreadable, also if `describe` gave this thread the header of other versions."""
        image = self._image_as_told(href)
        versions = _versions(image)
        self._told.note(href, versions)
        telling = not getattr(image, "pixels_elsewhere", False) and all(map(_tells, versions, versions.values()))
        return versions if telling else {}

    def forget_changed(self, hrefs: Sequence[str]) -> None:
        """Forget the cached headers of images whose files have changed, so that they are opened again."""
        images = {href: image for href in hrefs if (image := self._images.known(href)) is not None}
        near = [href for href in images if local_path(href) is not None]
        far = [href for href in images if local_path(href) is None]
        still = [*map(self._is_still, map(_versions, map(images.__getitem__, near)))]
        still += self._fetchers().map(self._is_still, [_versions(images[href]) for href in far]) if far else ()
        for href, same in zip((*near, *far), still, strict=True):
            if not same:
                self._images.forget(href)
        if not all(still):
            forget_hierarchies(self._origins)

    def _is_still(self, versions: Mapping[str, Version]) -> bool:
        return all(self._origins.is_still(href, version) for href, version in versions.items())

    def read(self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0) -> Iterator[Piece]:
        blocks = self._fetched_blocks(requests, band)
        if self._threads < 2:
            return (self._decode(one_block, band) for one_block in blocks)
        return _ahead(self._decoders(), lambda one_block: self._decode(one_block, band), blocks, 2 * self._threads)

    def close(self) -> None:
        """End the threads and close all files. Call it before the Python process ends."""
        with self._lock:
            pools, self._fetching, self._decoding = (self._fetching, self._decoding), None, None
        images = self._images.clear()
        for pool in pools:
            if pool:
                pool.shutdown(cancel_futures=True)
        self._origins.close()
        for future in images:
            with suppress(Exception):
                future.result(timeout=0).close()

    # ---- headers

    def _image(self, href: str) -> Image:
        return self._images.get(href, lambda: self._open(href))

    def _image_as_told(self, href: str) -> Image:
        """The image. Raises AssetUnreadable if `describe` gave this thread the header of another version of it."""
        image = self._image(href)
        if not self._told.agrees(href, _versions(image)):
            raise self._replaced(href)
        return image

    def _open(self, href: str) -> Image:
        try:
            if store_location(href) is not None:
                image = self._other_formats(href, self._origins, None)
            else:
                image = self._opened(href, self._origins.head(href))
        except Replaced:
            raise self._replaced(href) from None
        try:
            check_served(image.raster)
        except AssetUnreadable:
            image.close()
            raise
        return image

    def _opened(self, href: str, file: HeaderBytes) -> Image:
        try:
            return GeoTiff(href, self._origins, file)
        except Oversized as error:
            raise AssetUnreadable(f"image {public_name(href)} cannot be read: {error}", href=href) from None
        except (AssetUnreadable, Replaced):
            raise
        except Exception:  # a damaged header can make tifffile raise anything
            return self._other_formats(href, self._origins, file.again())

    # ---- blocks

    def _fetched_blocks(self, requests: Sequence[tuple[str, Sequence[Block]]], band: int) -> Iterator[_FetchedBlock]:
        """Every block; the bytes of remote files are fetched ahead, several requests at once."""
        run: list[_BlockFetch] = []
        for load in self._block_fetches(requests, band):
            if local_path(load.href):
                yield from self._fetched(run, band)
                run = []
                for block in load.blocks:
                    yield _FetchedBlock(href=load.href, image=load.image, block=block)
            else:
                run.append(load)
        yield from self._fetched(run, band)

    def _block_fetches(self, requests: Sequence[tuple[str, Sequence[Block]]], band: int) -> Iterator[_BlockFetch]:
        self.prepare([href for href, blocks in requests if blocks])
        for href, blocks in requests:
            image = self._image_as_told(href) if blocks else None
            if image is None:
                continue
            if not 0 <= band < image.raster.band_count:
                bands = "1 band" if image.raster.band_count == 1 else f"{image.raster.band_count} bands"
                raise AssetUnreadable(f"image {public_name(href)} has {bands}; band {band + 1} is requested", href=href)
            if not all(_holds(image.raster, block) for block in blocks):
                raise self._replaced(href)  # the caller's header is of another version
            for part in _portions(blocks, image, band):
                yield _BlockFetch(href=href, image=image, blocks=part)

    def _fetched(self, loads: list[_BlockFetch], band: int) -> Iterator[_FetchedBlock]:
        if not loads:
            return
        for load, fetched in _ahead(self._fetchers(), lambda load: self._fetch(load, band), loads, self._requests):
            for block in load.blocks:
                yield _FetchedBlock(href=load.href, image=load.image, block=block, fetched=fetched)

    def _fetch(self, load: _BlockFetch, band: int) -> tuple[_BlockFetch, Any]:
        try:
            return load, load.image.fetch(load.blocks, band)
        except Replaced:
            raise self._replaced(load.href) from None

    def _replaced(self, href: str) -> AssetUnreadable:
        self._images.clear()  # images are often replaced together: other cached headers may be outdated, too
        forget_hierarchies(self._origins)
        return replaced(href)

    def _decode(self, one_block: _FetchedBlock, band: int) -> Piece:
        block = one_block.block
        pulse()  # decoding may take long even if all bytes are already here
        try:
            return one_block.href, block, one_block.image.read(block, band, one_block.fetched)
        except Replaced:
            raise self._replaced(one_block.href) from None
        except ValueError as error:
            place = f"block (row {block.row}, column {block.column}) of level {block.level}"
            raise AssetUnreadable(
                f"image {public_name(one_block.href)}: {place} cannot be decoded: {error}",
                href=one_block.href,
                block=(block.level, block.row, block.column),
            ) from None

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


class _Told(local):
    """The file versions whose headers each thread was last given. It reads pixels of these versions only, even if
    another thread has opened a newer one."""

    def __init__(self) -> None:
        self._versions: OrderedDict[str, Mapping[str, Version]] = OrderedDict()

    def note(self, href: str, versions: Mapping[str, Version]) -> None:
        self._versions[href] = versions
        self._versions.move_to_end(href)
        if len(self._versions) > _MOST_IMAGES:
            self._versions.popitem(last=False)

    def agrees(self, href: str, versions: Mapping[str, Version]) -> bool:
        told = self._versions.get(href, versions)
        return told.keys() == versions.keys() and all(same_version(told[name], versions[name]) for name in told)


def _versions(image: Image) -> Mapping[str, Version]:
    """The files that the image's pixels come from, and their versions; empty for images that do not record them."""
    found: Mapping[str, Version] = getattr(image, "versions", {})
    return found


def _tells(href: str, version: Version) -> bool:
    """Whether changed content would surely have another version: local timestamps are finer than those of servers."""
    return is_telling(version) if local_path(href) else is_settled(version)


def _holds(raster: Raster, block: Block) -> bool:
    """Whether the image has this block."""
    if not 0 <= block.level < len(raster.levels):
        return False
    level = raster.levels[block.level]
    return 0 <= block.row < level.blocks_down and 0 <= block.column < level.blocks_across


def _portions(blocks: Sequence[Block], image: Image, band: int) -> Iterator[tuple[Block, ...]]:
    """The blocks in groups, each for one fetch."""
    part: list[Block] = []
    size = 0
    for block in blocks:
        length = image.packed_bytes(block, band)
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
