"""STAC folder: the Catalog port over a folder or file of STAC items, kept in memory and re-read when files change."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import shapely

from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.harmonization import Document
from arpent.adapters.catalogs.item import read_items
from arpent.adapters.catalogs.lenient_json import loads
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.raster.footprints.antimeridian import boxes_of

log = logging.getLogger(__name__)

RECHECK_SECONDS = 2.0
"""Minimum pause between two checks of the folder."""
NEW_SECONDS = 2.0
"""A file changed this recently may still be being written …"""
MOMENT_SECONDS = 0.3
"""… and is read again after this pause."""
_Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """The items of one collection, with a spatial index."""

    items: tuple[Item, ...]
    """Items in the order of the tree."""
    tree: shapely.STRtree
    """Index of their footprints."""


class FolderCatalog:
    """Serves the STAC items and item collections in all `*.json` and `*.geojson` below the folder; other files are
    ignored. Thread-safe. Picklable: a copy reads the files itself."""

    def __init__(self, path: Path, *, recheck_seconds: float = RECHECK_SECONDS) -> None:
        self._path = path
        self._recheck_seconds = recheck_seconds
        self._files: dict[str, tuple[_Stamp, tuple[Document, ...]]] = {}
        self._indexes: dict[str, _Index] = {}
        self._checked = -float("inf")
        self._lock = Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return (FolderCatalog, (self._path,))

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        with self._lock:
            self._refresh()
            index = self._indexes.get(collection.id)
            if index is None:
                index = self._indexes[collection.id] = self._indexed(collection)
        boxes = [shapely.box(*part) for part in boxes_of(box)]
        rows = sorted({int(row) for row in index.tree.query(boxes, predicate="intersects")[1]})
        near = (index.items[row] for row in rows)
        return newest(item for item in near if collection.timeless or item.within(interval))

    def _indexed(self, collection: Collection) -> _Index:
        documents = ((document, name) for name, (_, documents) in sorted(self._files.items()) for document in documents)
        items = tuple(read_items(documents, collection, folder=True))
        return _Index(items=items, tree=shapely.STRtree([item.footprint for item in items]))

    def _refresh(self) -> None:
        """Read new and changed files again, and forget deleted ones."""
        now = time.monotonic()
        if now - self._checked < self._recheck_seconds:
            return
        stamps = dict(self._stamps())
        if not stamps:
            raise CatalogUnavailable(f"The catalogue {self._path} has no STAC items: set `catalog` to their folder.")
        changed = {name for name, stamp in stamps.items() if self._files.get(name, (None,))[0] != stamp}
        if changed or stamps.keys() != self._files.keys():
            read = _read(changed)
            self._files = {
                name: (stamp, read[name]) if name in changed else self._files[name] for name, stamp in stamps.items()
            }
            self._indexes = {}
        if not any(documents for _, documents in self._files.values()):
            raise CatalogUnavailable(f"The catalogue {self._path} has no STAC items: set `catalog` to their folder.")
        self._checked = now

    def _stamps(self) -> Iterator[tuple[str, _Stamp]]:
        try:
            if self._path.is_file():
                yield os.path.abspath(self._path), _stamp(self._path.stat())
                return
            if not self._path.is_dir():
                raise CatalogUnavailable(
                    f"The catalogue {self._path} does not exist: set `catalog` to a folder or file of STAC items."
                )
            yield from _walk(os.path.abspath(self._path))
        except OSError as error:
            raise CatalogUnavailable(f"The catalogue {self._path} cannot be read: {error.strerror}.") from error


def _walk(folder: str, *, whole: bool = True) -> Iterator[tuple[str, _Stamp]]:
    """Files that may hold items. What cannot be read (a broken link, another user's sub-folder) is skipped; `whole`:
    the folder itself must exist."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(entry.path, whole=False)
                elif entry.name.endswith((".json", ".geojson")) and _is_file(entry):
                    yield entry.path, _stamp(entry.stat())
    except (PermissionError, FileNotFoundError) as error:
        if whole:
            raise
        log.warning("The folder %s of the catalogue is left out: %s", folder, error.strerror)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is a readable file; not a broken or circular link."""
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_mtime_ns, status.st_size


def _read(names: Iterable[str]) -> dict[str, tuple[Document, ...]]:
    """The items of each file. A file that is not JSON may still be being written: it is tried again a moment later, and
    then skipped with a line in the log."""
    read: dict[str, tuple[Document, ...]] = {}
    waiting = sorted(names)
    for last in (False, True):
        broken = []
        for name in waiting:
            try:
                read[name] = _documents(name)
            except (ValueError, RecursionError) as error:
                read[name] = ()
                broken.append(name)
                if last or not _is_new(name):
                    log.warning("%s is no JSON (%s) and is left out of the catalogue", name, error)
                    broken.pop()
        waiting = broken
        if waiting:
            time.sleep(MOMENT_SECONDS)
    return read


def _is_new(name: str) -> bool:
    try:
        return time.time() - os.stat(name).st_mtime < NEW_SECONDS
    except OSError:
        return False


def _documents(name: str) -> tuple[Document, ...]:
    """The STAC items of a file; empty if it holds something else. Raises ValueError if it is not JSON."""
    try:
        payload = Path(name).read_bytes()
    except (PermissionError, FileNotFoundError) as error:
        log.warning("%s is left out of the catalogue: %s", name, error.strerror)
        return ()
    except OSError as error:
        raise CatalogUnavailable(f"{name} cannot be read: {error.strerror}.", transient=True) from error
    content = loads(payload)
    if not isinstance(content, dict):
        return ()
    members = content.get("features") if content.get("type") == "FeatureCollection" else [content]
    return tuple(member for member in members if _is_item(member)) if isinstance(members, list) else ()


def _is_item(member: object) -> bool:
    return isinstance(member, dict) and member.get("type") == "Feature" and "assets" in member
