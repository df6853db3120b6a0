"""Routing: which catalogue answers for which collection, and how its address is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from arpent.adapters.catalogs.join import with_bands, with_slack
from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Catalog
from arpent.network.policy import EgressPolicy

ALIASES = {"earth-search": "https://earth-search.aws.element84.com/v1"}
"""Short names of public catalogues."""


def open_catalog(
    address: str | None, others: Mapping[str, str] | None = None, policy: EgressPolicy | None = None
) -> Catalog:
    """The catalogue at `address` (setting `catalog`), and others for some collections (setting `catalogs`: id →
    address).

    An address is an alias, an http(s) URL of a STAC API, a folder, or a file. `policy`: where links and redirects of an
    API may lead; None: anywhere. Nothing is read yet.
    """
    return RoutedCatalog(
        default=_opened(address, policy) if address else None,
        others={identity: _opened(other, policy) for identity, other in (others or {}).items()},
    )


def catalog_path(address: str) -> Path | None:
    """The folder or file of an address; None if it is an alias or a URL."""
    if address in ALIASES or address.startswith(("http://", "https://")):
        return None
    return Path(address.removeprefix("file://"))


def catalog_url(address: str) -> str:
    """The URL of an address that is not a folder or file."""
    return ALIASES.get(address, address)


def _opened(address: str, policy: EgressPolicy | None) -> Catalog:
    path = catalog_path(address)
    return ApiCatalog(catalog_url(address), policy=policy) if path is None else FolderCatalog(path)


class RoutedCatalog:
    """A Catalog that searches the collection's own catalogue, or else the default one."""

    def __init__(self, *, default: Catalog | None, others: Mapping[str, Catalog]) -> None:
        self._default = default
        self._others = dict(others)

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        catalog = self._of(collection)
        if catalog is None:
            raise CatalogUnavailable(
                f"No catalogue is set for {collection.id}: set `catalog` (ARPENT_CATALOG) to a folder of STAC items, "
                "a STAC API, or earth-search."
            )
        found = catalog.search(collection, interval, box)
        for join in collection.joins if found else ():
            others = self._others.get(join.catalog) if join.catalog else catalog
            if others is None:
                raise CatalogUnavailable(
                    f"The catalogue {join.catalog} of {join.collection.id} is not set: set ARPENT_CATALOGS to "
                    f'{{"{join.catalog}": "…"}}, a folder of STAC items or a STAC API.'
                )
            found = with_bands(found, others.search(join.collection, with_slack(interval, join), box), join)
        return found

    def _of(self, collection: Collection) -> Catalog | None:
        names = (collection.id, *collection.aliases, collection.instance_of)
        return next((self._others[name] for name in names if name in self._others), self._default)
