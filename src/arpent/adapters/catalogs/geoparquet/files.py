"""Files: lists the Parquet files of a catalogue on this machine, on a web server or in s3, and reads byte ranges of
them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import obstore
import pyarrow as pa
from obstore.exceptions import BaseError
from obstore.store import S3Store

from arpent.adapters.catalogs.folder.files import is_utf8
from arpent.adapters.catalogs.folder.links import WalkedFolders
from arpent.adapters.catalogs.geoparquet import SUFFIXES
from arpent.domain.boundary.address_names import public_name
from arpent.domain.boundary.text import clean
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.file_version import Version, same_version, version_on_disk
from arpent.network.access import BucketAccess, SourceAccess
from arpent.network.bucket_answers import answer_of
from arpent.network.policy import EgressPolicy
from arpent.network.web_files import WebFiles

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import RetryConfig

RETRY_SECONDS = 60.0
"""How long to retry a failing server, in seconds."""
MOST_FILES = 20_000
"""Maximum number of files of one catalogue."""
_TAIL = 1 << 16
"""Number of bytes at the end of a file that are fetched in one request; most footers fit."""
_TIMEOUTS: dict[str, object] = {"timeout": "120s", "connect_timeout": "5s"}
"""Time limits of one request to a bucket, including its whole answer."""
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """One version of one file."""

    href: str
    """Path, http(s) or s3 URL."""
    version: Version
    """What its server or disk says of its content."""

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.version[2]

    @property
    def changed(self) -> float | None:
        """Time of the last change, in seconds since 1970; None if the file is not on this machine."""
        return None if "://" in self.href else self.version[1]


class BeingReplaced(OSError):
    """A file is no longer the version that was listed."""


def partition_of(href: str) -> dict[str, str]:
    """Column values given by the folders in a path, such as `collection=sentinel-2-l2a`. They hold for all rows of the
    file, where writers may leave out such columns."""
    pairs = (part.partition("=") for part in href.split("?", maxsplit=1)[0].split("/")[:-1])
    return {unquote(name): unquote(value) for name, sign, value in pairs if name and sign and value != _NO_VALUE}


class Files:
    """Lists and opens the files. Thread-safe. Raises the errors of the file system, obstore and `WebFiles`."""

    def __init__(self, address: str, policy: EgressPolicy | None, access: SourceAccess) -> None:
        """`policy`: where requests and redirects may go; None: anywhere. `access`: provides the keys of each host and
        bucket."""
        self._address = address
        self._access = access
        self._web = WebFiles(policy, RETRY_SECONDS, access)
        self._stores: dict[tuple[str, str], S3Store] = {}
        """Open buckets by name and source, each with its connections and keys."""
        self._last: Version | None = None
        """The version that the web server returned last."""

    @property
    def is_remote(self) -> bool:
        """Whether the files are on a server, not on this machine."""
        return "://" in self._address

    def list(self) -> list[FoundFile]:
        """All files, sorted by name. Raises CatalogUnavailable if there are too many."""
        found = sorted(self._found(), key=lambda file: file.href)
        if len(found) > MOST_FILES:
            name = public_name(self._address)
            raise CatalogUnavailable(
                f"The catalogue {name} has more than {MOST_FILES} Parquet files: write larger ones."
            )
        return found

    def open(self, file: FoundFile) -> pa.NativeFile:
        """Open the file for random access."""
        scheme = urlsplit(file.href).scheme if "://" in file.href else ""
        if not scheme:
            return pa.OSFile(file.href)
        fetch = self._fetch_object if scheme == "s3" else self._fetch_web
        return pa.PythonFile(Ranges(file.size, lambda start, end: fetch(file, start, end)), mode="r")

    def is_still(self, file: FoundFile) -> bool:
        """Whether a file on this machine is still the same version."""
        try:
            return _local(file.href) == file
        except OSError:
            return False

    def _found(self) -> Iterator[FoundFile]:
        scheme = urlsplit(self._address).scheme if "://" in self._address else ""
        if scheme == "s3":
            return self._found_objects()
        if scheme:
            version = self._web.piece(self._address, 0, 1).version
            if self._last is None or not same_version(version, self._last):
                self._last = version
            return iter([FoundFile(href=self._address, version=self._last)])
        path = Path(self._address)
        return _found_below(str(path), WalkedFolders(str(path))) if path.is_dir() else iter([_local(str(path))])

    def _found_objects(self) -> Iterator[FoundFile]:
        split = urlsplit(self._address)
        key = unquote(split.path).lstrip("/")

        def found(store: S3Store) -> list[ObjectMeta]:
            if key.endswith(SUFFIXES):
                return [obstore.head(store, key)]
            pages = obstore.list(store, key.rstrip("/") or None)
            listed = [entry for page in pages for entry in page]
            # empty objects are folder markers, as created by Hadoop and Spark
            return [entry for entry in listed if entry["path"].endswith(SUFFIXES) and entry["size"]]

        for entry in self._asked(self._address, found):
            href = f"s3://{split.netloc}/{entry['path']}"
            yield FoundFile(href=href, version=_version(entry))

    def _fetch_web(self, file: FoundFile, start: int, end: int) -> bytes:
        piece = self._web.piece(file.href, start, end)
        if not same_version(piece.version, file.version):
            raise BeingReplaced
        return bytes(piece.content)

    def _fetch_object(self, file: FoundFile, start: int, end: int) -> bytes:
        key, span = file.href.split("/", 3)[3], (start, end)  # the key as listed, which may contain `?` and `#`
        answer = self._asked(file.href, lambda store: obstore.get(store, key, options={"range": span}))
        if not same_version(_version(answer.meta), file.version):
            raise BeingReplaced
        return bytes(answer.bytes())

    def _asked(self, url: str, call: Callable[[S3Store], R]) -> R:
        """The result of `call` for the bucket of this URL; if its keys are refused, it is tried again with new ones."""
        for again in (False, True):
            way = self._access.bucket(url)
            keys = {} if way.keys is None else way.keys()
            name = (urlsplit(url).netloc, way.source)
            try:
                with self._access.connection_slot(url):
                    store = self._stores.get(name)
                    if store is None:
                        store = self._stores[name] = _bucket(name[0], way)
                    return call(store)
            except (BaseError, OSError) as error:
                if again or not answer_of(error).denied or not self._access.bucket_refused(url, keys):
                    raise
                self._stores.pop(name, None)  # its client keeps the old keys
        raise AssertionError("the last try returns or raises")


class Ranges(io.RawIOBase):
    """A file of `size` bytes. Each read is one request, except within the last bytes, which are cached."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size = size
        self._fetch = fetch
        self._from = max(0, size - _TAIL)
        self._tail: bytes | None = None
        self._at = 0

    def readable(self) -> Literal[True]:
        return True

    def seekable(self) -> Literal[True]:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def read(self, length: int = -1) -> bytes:
        end = self._size if length < 0 else min(self._at + length, self._size)
        start, self._at = self._at, max(self._at, end)
        if start >= end:
            return b""
        if start < self._from:
            return self._fetch(start, end)
        if self._tail is None:
            self._tail = self._fetch(self._from, self._size)
        return self._tail[start - self._from : end - self._from]


def _found_below(folder: str, walked: WalkedFolders) -> Iterator[FoundFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_utf8(entry.name):
                if entry.name.endswith(SUFFIXES) or entry.is_dir():
                    name = public_name(clean(entry.path))
                    raise CatalogUnavailable(f"The name of {name} in the catalogue is not UTF-8: rename it.")
            elif walked.leads_on(entry):
                yield from _found_below(entry.path, walked)
            elif entry.name.endswith(SUFFIXES) and entry.is_file():
                yield _local(entry.path)


def _local(path: str) -> FoundFile:
    status = os.stat(path)
    return FoundFile(href=os.path.abspath(path), version=version_on_disk(status))


def _bucket(name: str, way: BucketAccess) -> S3Store:
    retry: RetryConfig = {"retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    return S3Store(name, retry_config=retry, **way.options(_TIMEOUTS))  # type: ignore[arg-type]


def _version(meta: ObjectMeta) -> Version:
    """The ETag without quotes, which some listings omit; without an ETag the time of change in whole seconds, as in
    headers."""
    tag = (meta["e_tag"] or "").strip('"') or None
    return tag, 0.0 if tag else meta["last_modified"].timestamp() // 1, meta["size"]
