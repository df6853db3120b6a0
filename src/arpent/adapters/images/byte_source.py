"""Byte source: reads byte ranges of local files, http(s) files and s3 objects, as far as the egress policy allows."""

from __future__ import annotations

import io
import os
import stat
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from arpent.adapters.images.byte_counter import ByteMeter
from arpent.adapters.images.kept.ranges import KeptRanges
from arpent.adapters.images.origin.href import local_path
from arpent.adapters.images.origin.unreadable import FAULTS, unreadable
from arpent.domain.boundary.address_grammar import BUCKET
from arpent.domain.boundary.address_names import public_name, unsigned_name
from arpent.domain.boundary.wanted import wanted_here
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.file_version import (
    Version,
    is_settled,
    is_telling,
    same_version,
    version_on_disk,
)
from arpent.network.access import BucketAccess, OpenAccess, SourceAccess
from arpent.network.bucket_answers import answer_of, complete
from arpent.network.deadline import pause
from arpent.network.policy import EgressPolicy, EgressRefused
from arpent.network.web_files import NoAnswer, WebFiles, pause_seconds

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import RetryConfig

Range = tuple[int, int]
"""Offset and length."""

_HEAD = 65536
"""Bytes of the first read: enough for the header and block tables of a COG of one MGRS tile."""
_GAP = 262144
"""Ranges at most this many bytes apart are fetched as one; the bytes between are discarded."""
_TIMEOUTS: dict[str, object] = {"timeout": "120s", "connect_timeout": "5s"}
"""Time limits of one request to a bucket, including its whole response."""
_NO_RANGE = 416
"""HTTP status if the file ends before the requested range."""
BROKEN_TRIES = 3
"""Number of times that a range is requested if its response breaks off."""
_PARTS = 16
"""Number of remote ranges fetched at once, by all threads together."""
_MOST_STORES = 64
"""Number of buckets kept open."""
_MOST_PATHS = 4096
"""Number of local files that are remembered as allowed by the policy."""
_MOST_PAGES = 256
"""Number of cached 64 KiB pieces of a file whose header is parsed, or that GDAL reads."""


class Replaced(Exception):
    """The image has been replaced since its header was read."""


def replaced(href: str) -> AssetUnreadable:
    """The error that the reader raises for a replaced image; it is transient, since another try may help."""
    return AssetUnreadable(f"image {public_name(href)} was replaced while it was read", transient=True, href=href)


class ByteSources:
    """Reads the files that hrefs name, if the policy allows it. Thread-safe; counts the bytes it reads."""

    def __init__(
        self,
        s3_options: Mapping[str, str] | None = None,
        retry_seconds: float = 60.0,
        policy: EgressPolicy | None = None,
        access: SourceAccess | None = None,
        kept: KeptRanges | None = None,
    ) -> None:
        """`s3_options`: settings of obstore's S3Store (`endpoint`, `region` …), which override the AWS_* variables.
        `policy`: where files may lie; None: anywhere. `access`: credentials. `kept`: cache of remote ranges."""
        self.policy = policy
        self.access = access or OpenAccess()
        self._kept = kept
        self._web = WebFiles(policy, retry_seconds, self.access)
        self._allowed: dict[Path, Path] = {}
        self._retry: RetryConfig = {"retry_timeout": timedelta(seconds=retry_seconds)}
        self.meter = ByteMeter()
        self._s3_options = dict(s3_options or {})
        self._stores: dict[tuple[str, str, bool], S3Store] = {}
        self._parts: ThreadPoolExecutor | None = None
        self._lock = Lock()

    def close(self) -> None:
        """End the threads and connections."""
        with self._lock:
            parts, self._parts = self._parts, None
        if parts:
            parts.shutdown(cancel_futures=True)
        self._web.close()

    def ranges(self, href: str, ranges: Sequence[Range], version: Version) -> list[memoryview]:
        """The bytes of each range, in order; fewer at the end of the file. Raises AssetUnreadable, and Replaced if the
        file is no longer the given version."""
        path = local_path(href)
        try:
            if path is not None:
                found = _local(self._file(path), ranges, version)
                self.meter.add(sum(len(piece) for piece in found))
            elif self._kept is None or not is_settled(version):
                found = self._remote(href, version, ranges)
            else:
                place = (unsigned_name(href) if version[0] else href, *version)
                found = self._kept.complete(place, ranges, partial(self._remote, href, version))
        except FAULTS as error:
            raise unreadable(href, error, self.access) from None
        return found

    def is_still(self, href: str, version: Version) -> bool:
        """Whether the file is still that version; False if this cannot be determined. Requests one byte of a remote
        file."""
        path = local_path(href)
        try:
            found = version_on_disk(self._file(path).stat()) if path else self._piece(href, (0, 1))[1]
        except FAULTS:
            return False
        return is_telling(version) and same_version(found, version)

    def check_here(self, versions: Mapping[str, Version]) -> None:
        """Raise Replaced if one of these files is local and no longer the given version. Remote files are not
        checked."""
        if not all(self.is_still(href, version) for href, version in versions.items() if local_path(href) is not None):
            raise Replaced

    def head(self, href: str) -> HeaderBytes:
        """The file as a file object from which a header can be parsed. Raises AssetUnreadable."""
        try:
            piece, version = self._first(href, _HEAD)
        except FAULTS as error:
            raise unreadable(href, error, self.access) from None
        return HeaderBytes(self, href, bytes(piece), version)

    def beginning(self, href: str, length: int) -> tuple[memoryview, Version] | None:
        """The first bytes of a file, and its version; None if there is no such file. Raises AssetUnreadable."""
        try:
            return self._first(href, length)
        except FAULTS as error:
            if isinstance(error, FileNotFoundError | NotADirectoryError) and not answer_of(error).misplaced:
                return None
            raise unreadable(href, error, self.access) from None

    def _first(self, href: str, length: int) -> tuple[memoryview, Version]:
        """As `beginning`, but raises one of FAULTS, also if there is no such file."""
        path = local_path(href)
        if path is None:
            piece, version = self._piece(href, (0, length))
        else:
            file = self._file(path)
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe could block, and a device may never end
                raise EgressRefused("it is not a regular file")
            version = version_on_disk(status)
            (piece,) = _local(file, [(0, length)], version)
        self.meter.add(len(piece))
        return piece, version

    def whole(self, href: str, most: int) -> memoryview | None:
        """All bytes of a file; None if there is no such file. Raises AssetUnreadable, and ValueError if it has more
        than `most`."""
        found = self.whole_of_version(href, most)
        return None if found is None else found[0]

    def whole_of_version(self, href: str, most: int) -> tuple[memoryview, Version] | None:
        """As `whole`, together with the version of the file."""
        found = self.beginning(href, most)
        if found is None:
            return None
        content, version = found
        if version[2] > most:
            raise ValueError(f"it has {version[2]:,} bytes, more than it could need")
        if len(content) < version[2]:
            raise ValueError("the file ends before it does")
        return content, version

    def _remote(self, href: str, version: Version, ranges: Sequence[Range]) -> list[memoryview]:
        def fetch(span: tuple[int, int]) -> memoryview:
            try:
                piece, found = self._piece(href, span)
            except (NoAnswer, BaseError) as error:
                status = error.status if isinstance(error, NoAnswer) else answer_of(error).status
                if status == _NO_RANGE and span[0] < version[2]:  # it is shorter now
                    raise Replaced from None
                raise
            if not same_version(found, version):
                raise Replaced
            return piece

        spans, found = _spans(ranges), []
        pieces = [fetch(spans[0])] if len(spans) == 1 else list(self._pool().map(fetch, spans))
        starts = [start for start, _ in spans]
        for start, length in ranges:
            number = bisect_right(starts, start) - 1
            inside = start - starts[number]
            found.append(pieces[number][inside : inside + length])
        self.meter.add(sum(len(piece) for piece in found))
        return found

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._parts is None:
                self._parts = ThreadPoolExecutor(_PARTS, thread_name_prefix="range")
            return self._parts

    def _piece(self, href: str, span: tuple[int, int]) -> tuple[memoryview, Version]:
        """The bytes from `span[0]` up to `span[1]`, and the version of the file that they belong to."""
        parts = urlsplit(href)
        if parts.scheme in ("http", "https"):
            piece = self._web.piece(href, *span)
            return piece.content, piece.version
        if parts.scheme == "file":
            raise EgressRefused("its catalogue is an API, whose items may not name files of this machine")
        if parts.scheme != "s3" or not BUCKET.fits(parts.netloc):
            place = f"{parts.scheme[:20]}://{parts.netloc.rpartition('@')[2][:80]}"
            raise EgressRefused(f"images are not read from {place}; use a path, https or s3")
        return self._object(href, parts.netloc, unquote(parts.path).lstrip("/"), span)

    def _object(self, href: str, bucket: str, key: str, span: tuple[int, int]) -> tuple[memoryview, Version]:
        """A range of an object, read once more if its keys are refused and `access` now has others. It is also
        requested again if a response breaks off: the client itself resumes only if an ETag identifies the object."""
        tries, renewed = 0, False
        while True:
            tries += 1
            way = self.access.bucket(href)
            # Fetched here, since an error says why there are no keys; the client only reports that there are none.
            keys = {} if way.keys is None else way.keys()
            place, outages = f"s3://{bucket}", self._web.outages
            try:
                with self.access.connection_slot(href):
                    store = self._store(bucket, way, patient=not outages.is_long(place))
                    answer = obstore.get(store, key, options={"range": span})
                    content, version = answer.bytes(), _version(answer.meta)
                piece = memoryview(complete(content, min(span[1], version[2]) - span[0]))
                outages.answered(place)
                return piece, version
            except (BaseError, OSError) as error:
                said = answer_of(error)
                answered = isinstance(error, FileNotFoundError) or 0 < said.status < 500
                (outages.answered if answered else outages.failed)(place)
                if said.denied and not renewed and self.access.bucket_refused(href, keys):
                    renewed = True
                    with self._lock:
                        for patient in (False, True):  # the cached client still has the old keys
                            self._stores.pop((way.source, bucket, patient), None)
                    continue
                if not said.broke_off or tries >= BROKEN_TRIES or outages.is_long(place) or not wanted_here()():
                    raise
            pause(pause_seconds(tries))

    def _file(self, path: Path) -> Path:
        """Path of a local file with links resolved. Raises EgressRefused if it lies outside the allowed folders."""
        if self.policy is None:
            return path
        found = self._allowed.get(path)
        if found is None:
            found = Path(self.policy.file(str(path)))
            if len(self._allowed) >= _MOST_PATHS:
                self._allowed.clear()
            self._allowed[path] = found
        return found

    def _store(self, bucket: str, way: BucketAccess, *, patient: bool) -> S3Store:
        name = (way.source, bucket, patient)
        with self._lock:
            if name not in self._stores:
                if len(self._stores) >= _MOST_STORES:
                    self._stores.pop(next(iter(self._stores)))
                self._stores[name] = self._bucket(bucket, way, patient=patient)
            return self._stores[name]

    def _bucket(self, name: str, way: BucketAccess, *, patient: bool) -> S3Store:
        options = way.options(_TIMEOUTS, defaults=self._s3_options)
        retry: RetryConfig = self._retry if patient else {"max_retries": 0}
        return S3Store(name, retry_config=retry, **options)  # type: ignore[arg-type]


class HeaderBytes(io.RawIOBase):
    """A read-only file object whose beginning is already loaded; the rest is fetched in pieces of 64 KiB."""

    def __init__(self, origins: ByteSources, href: str, first: bytes, version: Version) -> None:
        super().__init__()
        self._origins = origins
        self.href = href
        self.version = version
        self.size = version[2]
        self._pages = {0: first}
        self._at = 0

    def again(self) -> HeaderBytes:
        """A second file object for the same file, at its beginning. Both share the pieces that they have read."""
        twin = HeaderBytes(self._origins, self.href, self._pages[0], self.version)
        twin._pages = self._pages
        return twin

    def readable(self) -> Literal[True]:
        return True

    def seekable(self) -> Literal[True]:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        wanted = memoryview(buffer).cast("B")
        end = min(self._at + len(wanted), self.size)
        done = 0
        while self._at < end:
            page, inside = divmod(self._at, _HEAD)
            piece = self._page(page)[inside : inside + end - self._at]
            if not piece:
                break
            wanted[done : done + len(piece)] = piece
            done += len(piece)
            self._at += len(piece)
        return done

    def _page(self, number: int) -> bytes:
        if number not in self._pages:
            if len(self._pages) >= _MOST_PAGES:
                self._pages = {0: self._pages[0]}
            length = min(_HEAD, self.size - number * _HEAD)
            self._pages[number] = bytes(self._origins.ranges(self.href, [(number * _HEAD, length)], self.version)[0])
        return self._pages[number]


def _local(path: Path, ranges: Sequence[Range], version: Version) -> list[memoryview]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if version_on_disk(os.fstat(descriptor)) != version:
            raise Replaced
        return [memoryview(os.pread(descriptor, length, offset)) for offset, length in ranges]
    finally:
        os.close(descriptor)


def _version(meta: ObjectMeta) -> Version:
    return meta["e_tag"], meta["last_modified"].timestamp(), meta["size"]


def _spans(ranges: Sequence[Range]) -> list[tuple[int, int]]:
    """Start and end of each fetch: ranges close together become one fetch, with the bytes between them."""
    spans: list[tuple[int, int]] = []
    for start, length in sorted(ranges):
        if spans and start - spans[-1][1] <= _GAP:
            spans[-1] = (spans[-1][0], max(spans[-1][1], start + length))
        else:
            spans.append((start, start + length))
    return spans
