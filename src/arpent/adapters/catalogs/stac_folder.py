"""STAC folder: the Catalog port for a folder or file of STAC items, with an index that is kept up to date."""

from __future__ import annotations

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Lock

import shapely

from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.folder.files import being_written, check_there, documents, stamps
from arpent.adapters.catalogs.folder.index import Entry, Index, document_of, named, open_index
from arpent.adapters.catalogs.item import declared_times, read_items
from arpent.domain.boundary.address_names import public_name
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.network.access import SourceAccess
from arpent.raster.footprints.antimeridian import boxes_of

RECHECK_SECONDS = 2.0
"""Minimum pause between two checks of the folder."""
RECHECK_SHARE = 20
"""If a check takes longer than LONG_SECONDS, the pause is at least this many times its duration."""
LONG_SECONDS = 0.5
MOMENT_SECONDS, PATIENCE_SECONDS = 0.3, 3.0
"""Pause between checks while a file in the folder is just being written, and for how long to repeat them."""
MOST_KEPT = 5_000
"""Maximum number of items kept in memory."""


class FolderCatalog:
    """Serves the STAC items and item collections in all `*.json` and `*.geojson` below the folder; other files are
    ignored. Thread-safe. Picklable: a copy opens the index itself."""

    def __init__(
        self, path: Path, *, recheck_seconds: float = RECHECK_SECONDS, access: SourceAccess | None = None
    ) -> None:
        """`recheck_seconds`: minimum pause between two checks; `access`: decides which alternate of an asset is
        read."""
        self._path = path
        self._name = public_name(str(path))
        self._access = access
        self._recheck_seconds = recheck_seconds
        self._index: Index | None = None
        self._kept: OrderedDict[tuple[int, str], Item | None] = OrderedDict()
        self._checked = -float("inf")
        self._held = False
        """Whether there have been items before; then it may be temporary that there are none."""
        self._lock = Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return (partial(FolderCatalog, access=self._access), (self._path,))

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        boxes = boxes_of(box)
        times = declared_times(collection, interval)
        with self._lock:
            try:
                index = self._refreshed()
                names = named(collection)
                entries = index.find(boxes, times, names)
                if not entries and not index.has(names):
                    raise self._lacks(collection, index)
            except sqlite3.Error as error:
                raise CatalogUnavailable(
                    f"The index of the catalogue {self._name} cannot be used ({error}): is there room on its disk?",
                    transient=True,
                ) from error
            items = list(self._items(entries, collection))
        area = shapely.union_all([shapely.box(*part) for part in boxes])
        return newest(
            item for item in items
            if (collection.timeless or item.within(interval)) and shapely.intersects(item.footprint, area)
        )  # fmt: skip

    def _items(self, entries: list[Entry], collection: Collection) -> Iterator[Item]:
        for again in (False, True):
            if again:
                time.sleep(MOMENT_SECONDS)  # for files that are just being replaced
            gone: list[Entry] = []
            for entry in entries:
                try:
                    item = self._item(entry, collection)
                except FileNotFoundError:
                    gone.append(entry)
                else:
                    if item is not None:
                        yield item
            if not gone:
                return
            entries = gone
        check_there(self._path)  # otherwise the files were deleted, which the next check will notice

    def _item(self, entry: Entry, collection: Collection) -> Item | None:
        """As `_read_entry`, but cached."""
        key = (entry.id, collection.id)
        if key not in self._kept:
            self._kept[key] = _read_entry(entry, collection, self._access)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _refreshed(self) -> Index:
        """The index, brought up to date if the last check was long ago. Raises CatalogUnavailable."""
        now = time.monotonic()
        if self._index is not None and now - self._checked < self._recheck_seconds:
            return self._index
        while self._index is None or self._index.age() >= self._recheck_seconds:
            begun, found = time.monotonic(), stamps(self._path, known=self._index is not None)
            if self._index is None:
                self._index, found = open_index(self._path, found)
            try:
                self._index.refresh(found)
            except CatalogUnavailable as error:  # usually because a file is just being written
                if not error.transient or time.monotonic() - now > PATIENCE_SECONDS:
                    raise
                time.sleep(MOMENT_SECONDS)
                continue
            took = time.monotonic() - begun
            if took > LONG_SECONDS:
                self._recheck_seconds = max(self._recheck_seconds, RECHECK_SHARE * took)
            break
        if not len(self._index):
            told = f"The catalogue {self._name} has no STAC items: set `catalog` to their folder."
            raise CatalogUnavailable(told, transient=self._held)
        self._held = True
        self._checked = time.monotonic()
        return self._index

    def _lacks(self, collection: Collection, index: Index) -> CatalogUnavailable:
        held = index.collections()
        has = f" It has: {', '.join(held[:12])}." if held else ""
        return CatalogUnavailable(
            f"The catalogue {self._name} has no items of {collection.id} ({', '.join(collection.stac_collections)})."
            f"{has} To use one of them, name it in `stac_collections` of a TOML file of your own (ARPENT_COLLECTIONS)."
        )


def _read_entry(entry: Entry, collection: Collection, access: SourceAccess | None) -> Item | None:
    """The item of an entry; None if it is invalid, or does not belong to the collection. Raises CatalogUnavailable,
    transient, if its file has changed since it was indexed, or may no longer be read, because the item would then be
    missing from the search; and FileNotFoundError if the file is missing."""
    try:
        own = documents(entry.path) if entry.document is None else ()
    except (ValueError, RecursionError):  # the file is just being rewritten
        raise being_written(entry.path) from None
    except PermissionError as error:
        name = public_name(entry.path)
        raise CatalogUnavailable(f"{name} of the catalogue can no longer be read.", transient=True) from error
    document = document_of(entry, own)
    if document is None and own:
        raise being_written(entry.path)
    if document is None:
        return None
    return next(read_items([(document, entry.path)], collection, folder=True, access=access), None)
