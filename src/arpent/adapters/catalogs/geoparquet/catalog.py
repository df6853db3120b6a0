"""Catalog: the Catalog port for stac-geoparquet files, which may be very large; only matching parts are read."""

from __future__ import annotations

import io
import math
import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from obstore.exceptions import BaseError

from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.folder.files import still_gone
from arpent.adapters.catalogs.geoparquet.files import BeingReplaced, Files, FoundFile, partition_of
from arpent.adapters.catalogs.geoparquet.footers import TOGETHER, NotTried, alone, damaged, footer_of
from arpent.adapters.catalogs.geoparquet.row_groups import (
    Box,
    FilterColumns,
    RowGroupBounds,
    read_filter_columns,
    row_group_bounds,
    whole_rows,
)
from arpent.adapters.catalogs.geoparquet.rows import item_of
from arpent.adapters.catalogs.harmonization import Document
from arpent.adapters.catalogs.item import declared_times, read_items
from arpent.adapters.catalogs.level import plain_word, product_of, words
from arpent.adapters.catalogs.origin import own_address
from arpent.domain.boundary.address_names import public_name
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.network.access import AccessFailed, OpenAccess, SourceAccess
from arpent.network.bucket_answers import answer_of
from arpent.network.deadline import current, within
from arpent.network.policy import EgressPolicy, EgressRefused
from arpent.network.web_files import Denied, NoAnswer, NoRanges
from arpent.raster.footprints.antimeridian import boxes_of

LOOK_SECONDS, LOOK_SECONDS_AWAY = 2.0, 60.0
"""Minimum pause between two checks of the files: on this machine, and on servers."""
SECONDS = 100.0
"""Time limit of one check of the files, and of one search in them, tested before each footer, row group and LOOK_ROWS
rows."""
LOOK_ROWS = 1_000
MOST_FILTER_BYTES = 64 << 20
"""Maximum size of the filter columns kept in memory."""
MOST_DOCUMENTS = 5_000
"""Maximum number of items kept in memory."""
MOST_OPEN = 4
"""Maximum number of files kept open, with their footers."""
WRITTEN_SECONDS = 60.0
"""An invalid file that was changed within this time may still be being written, as in folders of items."""
ROUNDED = 1e-5
"""Maximum rounding error, in degrees, of a coordinate stored as a 32-bit float."""
TRIES = 3
"""Number of attempts at a search if files are replaced meanwhile; then it fails with a transient error."""
_FAULTS = (OSError, pa.ArrowException, BaseError, EgressRefused, AccessFailed, NoRanges, NoAnswer)
_NEVER = -math.inf
_Place = tuple[FoundFile, int]
"""A row group: its file, and its number in the file."""


class GeoParquetCatalog:
    """Serves the STAC items in the rows of stac-geoparquet files. Thread-safe. Picklable: a copy reads the files again
    by itself."""

    def __init__(
        self, address: str, policy: EgressPolicy | None = None, *, look_seconds: float | None = None,
        access: SourceAccess | None = None,
    ) -> None:  # fmt: skip
        """`address`: a file or folder, the http(s) URL of a file, or the s3 URL of a file or a prefix. `policy`: where
        requests and redirects may go; None: anywhere. `access`: provides the keys of each host and bucket."""
        self._address = address
        self._policy = policy
        self._access = access or OpenAccess()
        self._files = Files(address, policy, self._access)
        away = LOOK_SECONDS_AWAY if self._files.is_remote else LOOK_SECONDS
        self._look_seconds = away if look_seconds is None else look_seconds
        self._looked = _NEVER
        self._listed: frozenset[FoundFile] = frozenset()
        """The files found by the last check."""
        self._open: OrderedDict[FoundFile, pq.ParquetFile] = OrderedDict()
        self._row_group_bounds: dict[FoundFile, tuple[RowGroupBounds, ...]] = {}
        """Always replaced, never modified, because other threads may iterate over it."""
        self._filter_columns: OrderedDict[_Place, FilterColumns] = OrderedDict()
        self._documents: OrderedDict[tuple[_Place, int], Document] = OrderedDict()
        self._looking = Lock()
        """Held by the thread that checks the files."""
        self._lock = Lock()
        """Held while a search reads from files, and while cached parts of them are changed."""

    def __reduce__(self) -> tuple[object, ...]:
        return (partial(GeoParquetCatalog, policy=self._policy, access=self._access), (self._address,))

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        boxes = boxes_of(box)
        first, last = declared_times(collection, interval)
        for _ in range(TRIES):
            with self._faults():
                self._look()
            with self._lock, within(SECONDS), self._faults():
                self._check_known(collection)
                read: set[FoundFile] = set()
                documents = list(self._matching(collection, [_wider(part) for part in boxes], first, last, read))
                if self._is_unchanged(read):
                    break
                self._looked = _NEVER
        else:
            raise CatalogUnavailable(f"{self._name} is being replaced while it is read.", transient=True)
        areas = shapely.union_all([shapely.box(*part) for part in boxes])
        items = read_items(documents, collection, folder=True, access=self._access)
        return newest(
            item for item in items
            if (collection.timeless or item.within(interval)) and shapely.intersects(item.footprint, areas)
        )  # fmt: skip

    def _matching(
        self, collection: Collection, boxes: Sequence[Box], first: float, last: float, read: set[FoundFile]
    ) -> Iterator[tuple[Document, str]]:
        """Yield the matching documents with their addresses, and add their files to `read`."""
        for file, groups in self._row_group_bounds.items():
            for number, group in enumerate(groups):
                if not (_may_hold(group, collection) and group.may_meet(boxes, first, last)):
                    continue
                self._check_time()
                read.add(file)
                columns = self._columns((file, number))
                wanted = [_is_wanted(pair, collection) for pair in columns.pairs]
                rows = columns.rows(boxes, first, last, wanted)
                if products := words(collection, "products"):
                    others = columns.rows(boxes, first, last, [not each for each in wanted])
                    rows = np.union1d(rows, self._of_products((file, number), others, products))
                for document in self._rows((file, number), rows):
                    yield document, own_address(document, file.href)

    def _of_products(self, place: _Place, rows: NDArray[np.intp], products: frozenset[str]) -> NDArray[np.intp]:
        """Those of the rows whose item id begins with one of the products."""
        if not len(rows):
            return rows
        ids = self._opened(place[0]).read_row_group(place[1], columns=["id"]).column("id").take(pa.array(rows))
        fits = [product_of({"id": each}) in products for each in ids.to_pylist()]
        found: NDArray[np.intp] = rows[np.array(fits, bool)]
        return found

    def _rows(self, place: _Place, rows: NDArray[np.intp]) -> list[Document]:
        """The items of these rows, in order."""
        missing = [row for row in rows.tolist() if (place, row) not in self._documents]
        fresh: dict[int, Document] = {}
        if missing:
            told = partition_of(place[0].href)
            for row, values in whole_rows(self._opened(place[0]), place[1], np.array(missing)):
                if not len(fresh) % LOOK_ROWS:
                    self._check_time()
                fresh[row] = item_of({**told, **values})
        found = [fresh[row] if row in fresh else self._documents[place, row] for row in rows.tolist()]
        self._documents.update({(place, row): document for row, document in fresh.items()})
        while len(self._documents) > MOST_DOCUMENTS:
            self._documents.popitem(last=False)
        return found

    def _columns(self, place: _Place) -> FilterColumns:
        """The filter columns of a row group."""
        if place not in self._filter_columns:
            self._filter_columns[place] = read_filter_columns(
                self._opened(place[0]), place[1], partition_of(place[0].href)
            )
            while (
                len(self._filter_columns) > 1
                and sum(each.bytes for each in self._filter_columns.values()) > MOST_FILTER_BYTES
            ):
                self._filter_columns.popitem(last=False)
        self._filter_columns.move_to_end(place)
        return self._filter_columns[place]

    def _look(self) -> None:
        """Check the files if that is due. If another thread is doing so, wait for it only if the files have never been
        checked; otherwise the result of the previous check is used."""
        if self._is_fresh() or not self._looking.acquire(blocking=self._looked == _NEVER):
            return
        try:
            if not self._is_fresh():  # another thread may have checked them in the meantime
                with within(SECONDS):
                    self._read_footers()
        finally:
            self._looking.release()

    def _is_unchanged(self, read: Iterable[FoundFile]) -> bool:
        """Whether these files are unchanged. Files on servers need no check here: each answer shows their version."""
        return self._files.is_remote or all(self._files.is_still(file) for file in read)

    def _is_changing(self) -> bool:
        """Whether files have been replaced since the last check, or may still be being written, so that errors may be
        temporary. Also makes the next search check all files again."""
        self._looked = _NEVER
        try:
            now = self._files.list()
        except _FAULTS:
            return True
        oldest = time.time() - WRITTEN_SECONDS
        return frozenset(now) != self._listed or any(file.changed is not None and file.changed > oldest for file in now)

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._looked < self._look_seconds

    def _read_footers(self) -> None:
        """Read the footers of new and changed files, and forget deleted ones."""
        now = time.monotonic()
        found = self._files.list()
        missed = {file.href for file in self._listed} - {file.href for file in found}
        if missed and not self._files.is_remote and len(still_gone(list(missed))) < len(missed):
            found = self._files.list()
        if not found:
            told = f"{self._name} has no Parquet files: set `catalog` to theirs."
            raise CatalogUnavailable(told, transient=bool(self._listed))
        self._listed = frozenset(found)
        fresh = [file for file in found if file not in self._row_group_bounds]
        for start in range(0, len(fresh), TOGETHER):  # in parts, which are kept for the next search if time runs out
            self._read_row_group_bounds(fresh[start : start + TOGETHER])
        with self._lock:
            self._row_group_bounds = {file: self._row_group_bounds[file] for file in found}
            self._filter_columns = OrderedDict(
                (place, each) for place, each in self._filter_columns.items() if place[0] in self._row_group_bounds
            )
            self._documents = OrderedDict(
                (row, each) for row, each in self._documents.items() if row[0][0] in self._row_group_bounds
            )
            self._open = OrderedDict(
                (file, each) for file, each in self._open.items() if file in self._row_group_bounds
            )
        self._looked = now

    def _read_row_group_bounds(self, files: Sequence[FoundFile]) -> None:
        """Read the footers of as many files as time allows, and keep their row group bounds. Raises CatalogUnavailable
        if a file is invalid, or if time runs out."""
        footers: list[pq.FileMetaData] = []
        raw: list[bytes] = []
        for file in files:
            if footers and (deadline := current()) is not None and deadline.passed:
                break
            self._check_time()
            opened, footer = self._parquet(file)
            raw.append(footer)
            with self._lock:
                self._keep_open(file, opened)
            missing = [name for name in ("id", "geometry", "assets") if name not in opened.schema_arrow.names]
            if missing:
                lacks = " and no column ".join(missing)
                raise CatalogUnavailable(
                    f"{public_name(file.href)} is not a stac-geoparquet file: it has no column {lacks}.",
                    transient=self._is_changing(),
                )
            if pa.types.is_list(opened.schema_arrow.field("geometry").type):  # lists of coordinates, as in GeoArrow
                raise CatalogUnavailable(
                    f"The geometry of {public_name(file.href)} is not WKB: write the file with rustac or "
                    "stac-geoparquet.", transient=self._is_changing(),
                )  # fmt: skip
            footers.append(opened.metadata)
        try:
            wrong = damaged(raw)
        except NotTried as error:
            raise CatalogUnavailable(f"{self._name} cannot be read: {error}.", transient=error.transient) from error
        if wrong:
            told = f"{public_name(files[wrong[0]].href)} is damaged or encrypted: its footer cannot be read."
            raise CatalogUnavailable(told, transient=self._is_changing())
        read = {file: row_group_bounds(one) for file, one in zip(files, footers, strict=False)}
        self._row_group_bounds = {**self._row_group_bounds, **read}
        if len(footers) < len(files):
            self._check_time()

    def _opened(self, file: FoundFile) -> pq.ParquetFile:
        if file not in self._open:
            self._keep_open(file, self._parquet(file)[0])
        self._open.move_to_end(file)
        return self._open[file]

    def _parquet(self, file: FoundFile) -> tuple[pq.ParquetFile, bytes]:
        """Open a file. Returns it with its footer, which is read only once."""
        source = self._files.open(file)
        footer = footer_of(source, public_name(file.href))
        metadata = pq.read_metadata(io.BytesIO(alone(footer)))
        return pq.ParquetFile(source, metadata=metadata, pre_buffer=self._files.is_remote), footer

    def _keep_open(self, file: FoundFile, opened: pq.ParquetFile) -> None:
        while len(self._open) >= MOST_OPEN:
            self._open.popitem(last=False)
        self._open[file] = opened

    def _check_known(self, collection: Collection) -> None:
        """Raise CatalogUnavailable if no file can contain items of the collection."""
        groups = [group for each in self._row_group_bounds.values() for group in each]
        if groups and not any(_may_hold(group, collection) for group in groups) and not _related(collection):
            held = sorted({name for group in groups for name in group.collections or ()})
            raise CatalogUnavailable(
                f"{self._name} has no items of {collection.id} "
                f"({', '.join(collection.stac_collections)}). It has: {', '.join(held[:12])}. To use one of them, name "
                "it in `stac_collections` of a TOML file of your own (ARPENT_COLLECTIONS)."
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn errors into CatalogUnavailable, without the texts of HTTP clients, which quote URLs."""
        name = self._name
        try:
            yield
        except EgressRefused as error:
            raise CatalogUnavailable(f"{name} leads to an address that is not allowed: {error}.") from error
        except BeingReplaced as error:
            self._looked = _NEVER
            raise CatalogUnavailable(f"{name} is being replaced while it is read.", transient=True) from error
        except FileNotFoundError as error:
            there = bool(self._listed) or os.path.isdir(self._address)  # then a file is probably being replaced
            told = f"{name} does not exist: set `catalog` to a stac-geoparquet file or a folder of them."
            raise CatalogUnavailable(told, transient=there) from error
        except AccessFailed as error:
            raise CatalogUnavailable(f"{name} cannot be queried: {error}.", transient=error.transient) from error
        except PermissionError as error:
            raise CatalogUnavailable(f"{name} may not be read{self._advice(error)}.") from error
        except NoRanges as error:
            told = f"{name} cannot be read in parts: its server does not support range requests."
            raise CatalogUnavailable(told) from error
        except NoAnswer as error:
            raise CatalogUnavailable(f"{name} does not answer ({error}).", transient=error.passing) from error
        except pa.ArrowException as error:
            told = f"{name} cannot be read: {str(error).splitlines()[0][:200]}."
            raise CatalogUnavailable(told, transient=self._is_changing()) from error
        except _FAULTS as error:
            if answer_of(error).denied or answer_of(error).misplaced:
                raise CatalogUnavailable(f"{name} may not be read{self._advice(error)}.") from error
            self._looked = _NEVER  # a file may have been replaced
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise CatalogUnavailable(f"{name} cannot be read ({reason}).", transient=True) from error

    @property
    def _name(self) -> str:
        """The catalogue's name in messages."""
        return f"The catalogue {public_name(self._address)}"

    def _check_time(self) -> None:
        """Raise CatalogUnavailable if the time limit has passed."""
        deadline = current()
        if deadline is not None and deadline.passed:
            reason = f"no complete answer within {deadline.seconds:g} s"
            raise CatalogUnavailable(f"{self._name} does not answer ({reason}).", transient=True)

    def _advice(self, error: Exception) -> str:
        answer = error.answer if isinstance(error, Denied) else answer_of(error).code
        advice = self._access.advice(self._address, answer) if self._files.is_remote else ""
        return f": {advice}" if advice else ""


def _wider(box: Box) -> Box:
    """The box, enlarged by the rounding error of coordinates stored as 32-bit floats."""
    west, south, east, north = box
    return west - ROUNDED, south - ROUNDED, east + ROUNDED, north + ROUNDED


def _may_hold(group: RowGroupBounds, collection: Collection) -> bool:
    """Whether a row group may contain items of the collection, by name, constellation or product."""
    if group.collections is None or not collection.stac_collections or _related(collection):
        return True
    least, most = group.collections
    return any(least <= name <= most for name in collection.stac_collections)


def _related(collection: Collection) -> frozenset[str]:
    return words(collection, "constellations") | words(collection, "products")


def _is_wanted(pair: tuple[str | None, str | None], collection: Collection) -> bool:
    """Whether an item with this (collection, constellation) may belong to the collection."""
    name, constellation = pair
    named = not collection.stac_collections or name in collection.stac_collections
    return named or (constellation is not None and plain_word(constellation) in words(collection, "constellations"))
