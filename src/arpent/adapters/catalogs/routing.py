"""Routing: opens catalogues by their addresses, and directs each search to the catalogue of its collection. Only the
modules of the catalogue kinds in use are imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from arpent.adapters.catalogs.geoparquet import SUFFIXES
from arpent.adapters.catalogs.join import ground_of, with_bands
from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Catalog
from arpent.network.access import SourceAccess
from arpent.network.policy import EgressPolicy

APART = timedelta(hours=1)
"""Upper limit for how far apart the sensing times of two processings of one acquisition may be."""

Box = tuple[float, float, float, float]


def open_catalog(
    address: str | None,
    others: Mapping[str, str] | None = None,
    policy: EgressPolicy | None = None,
    access: SourceAccess | None = None,
) -> Catalog:
    """The catalogue at `address` (setting `catalog`), together with those of single collections in `others` (setting
    `catalogs`: id → address).

    An address is the http(s) URL of a STAC API, a folder or file of items, or stac-geoparquet: a file, its URL, a
    folder of files, or an s3 prefix. `policy`: where links and redirects may lead; None: anywhere. `access`: provides
    the keys of each host and bucket, and decides which alternate of an asset is read. Does not read the catalogues yet.
    """
    return RoutedCatalog(
        default=_opened(address, policy, access) if address else None,
        others={identity: _opened(other, policy, access) for identity, other in (others or {}).items()},
    )


def catalog_path(address: str) -> Path | None:
    """The folder or file of an address; None if it is a URL."""
    return None if address.startswith(("http://", "https://", "s3://")) else Path(address.removeprefix("file://"))


def reads_parquet(address: str) -> bool:
    """Whether the catalogue at this address is stac-geoparquet."""
    path = catalog_path(address)
    if path is not None:
        return _is_parquet(path)
    return address.startswith("s3://") or urlsplit(address).path.endswith(SUFFIXES)


def _opened(address: str, policy: EgressPolicy | None, access: SourceAccess | None) -> Catalog:
    path = catalog_path(address)
    if path is not None and not _is_parquet(path):
        return FolderCatalog(path, access=access)
    if reads_parquet(address):
        from arpent.adapters.catalogs.geoparquet.catalog import GeoParquetCatalog

        return GeoParquetCatalog(str(path or address), policy, access=access)
    from arpent.adapters.catalogs.stac_api import ApiCatalog

    return ApiCatalog(address, policy=policy, access=access)


def _is_parquet(path: Path) -> bool:
    """Whether the path is a Parquet file, or a folder without JSON files that contains Parquet files or partitions
    (sub-folders such as `year=2024`)."""
    if not path.is_dir():
        return path.name.endswith(SUFFIXES)
    found = False
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.endswith((".json", ".geojson")):
                    return False
                found |= entry.name.endswith(SUFFIXES) or "=" in entry.name
    except OSError:
        return False
    return found


class RoutedCatalog:
    """A Catalog that searches the collection's own catalogue, or else the default one."""

    def __init__(self, *, default: Catalog | None, others: Mapping[str, Catalog]) -> None:
        self._default = default
        self._others = dict(others)

    def search(self, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
        catalog = self._of(collection)
        if catalog is None:
            raise CatalogUnavailable(
                f"No catalogue is set for {collection.id}: set `catalog` (ARPENT_CATALOG) to a folder of STAC items, "
                "a STAC API, or an archive's name (docs/archives.md)."
            )
        found = _search(catalog, collection, interval, box)
        for join in collection.joins if found else ():
            others = self._others.get(join.catalog) if join.catalog else catalog
            if others is None:
                raise CatalogUnavailable(
                    f"The catalogue {join.catalog} of {join.collection.id} is not set: set ARPENT_CATALOGS to "
                    f'{{"{join.catalog}": "…"}}, a folder of STAC items or a STAC API.'
                )
            near = interval.widened(timedelta(minutes=join.minutes))
            masks = _search(others, join.collection, near, ground_of(found))
            found = with_bands(found, masks, join)
        return found

    def _of(self, collection: Collection) -> Catalog | None:
        names = (collection.id, *collection.aliases, collection.instance_of)
        return next((self._others[name] for name in names if name in self._others), self._default)


def _search(catalog: Catalog, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
    """The items of the interval. Of several processings of an acquisition a catalogue gives the newest that it finds,
    so the search also covers `APART` before and after: otherwise an older one would count where the newer one lies just
    outside, as around midnight."""
    found = catalog.search(collection, interval.widened(APART), box)
    return found if collection.timeless else tuple(item for item in found if item.within(interval))
