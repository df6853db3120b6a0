"""Catalog over a folder or a file of STAC items, kept in memory and re-read when files change."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import orjson
import shapely

from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.harmonization import Document
from arpent.adapters.catalogs.item import belongs, read_item
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.raster.antimeridian import boxes_of

RECHECK_SECONDS = 2.0
"""The folder's files are looked at no more often than this."""
_Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """The items of one collection."""

    items: tuple[Item, ...]
    """In the order of the tree."""
    tree: shapely.STRtree
    """Their footprints."""


class FolderCatalog:
    """Every `*.json` or `*.geojson` below the folder that is a STAC item or an item collection. Others are ignored.
    Thread-safe; picklable, a copy reads the files itself."""

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
        return newest(item for item in near if collection.timeless or interval.contains(item.instant))

    def _indexed(self, collection: Collection) -> _Index:
        found = (
            read_item(document, collection, name)
            for name, (_, documents) in sorted(self._files.items())
            for document in documents
            if belongs(document, collection, folder=True)
        )
        items = tuple(item for item in found if item is not None)
        return _Index(items=items, tree=shapely.STRtree([item.footprint for item in items]))

    def _refresh(self) -> None:
        """Re-read what is new or changed, forget what is gone."""
        now = time.monotonic()
        if now - self._checked < self._recheck_seconds:
            return
        stamps = dict(self._stamps())
        if not stamps:
            raise CatalogUnavailable(f"The catalogue {self._path} has no STAC items: set `catalog` to their folder.")
        changed = {name for name, stamp in stamps.items() if self._files.get(name, (None,))[0] != stamp}
        if changed or stamps.keys() != self._files.keys():
            self._files = {
                name: (stamp, _documents(name)) if name in changed else self._files[name]
                for name, stamp in stamps.items()
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
                    f"The catalogue {self._path} is not there: set `catalog` to a folder or file of STAC items."
                )
            yield from _walk(os.path.abspath(self._path))
        except OSError as error:
            raise CatalogUnavailable(f"The catalogue {self._path} cannot be read: {error.strerror}.") from error


def _walk(folder: str) -> Iterator[tuple[str, _Stamp]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
            elif entry.name.endswith((".json", ".geojson")):
                yield entry.path, _stamp(entry.stat())


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_mtime_ns, status.st_size


def _documents(name: str) -> tuple[Document, ...]:
    """The STAC items of a file; none if it holds something else."""
    try:
        content = orjson.loads(Path(name).read_bytes())
    except OSError as error:
        raise CatalogUnavailable(f"{name} cannot be read: {error.strerror}.", transient=True) from error
    except orjson.JSONDecodeError as error:
        # Somebody may just be writing it.
        raise CatalogUnavailable(f"{name} is not JSON: {error}.", transient=True) from error
    if not isinstance(content, dict):
        return ()
    members = content.get("features") if content.get("type") == "FeatureCollection" else [content]
    return tuple(member for member in members or () if _is_item(member))


def _is_item(member: object) -> bool:
    return isinstance(member, dict) and member.get("type") == "Feature" and "assets" in member and "id" in member
