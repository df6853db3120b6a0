"""Catalogue search: answers searches of the Catalog API, from the same catalogues that the statistics use."""

from __future__ import annotations

import shapely

from arpent.domain.imagery.item import Item
from arpent.engine.guards import guarded
from arpent.engine.services import Services
from arpent.wire.catalog.documents import feature, render_page
from arpent.wire.catalog.names import properties_of
from arpent.wire.catalog.predicate import holds
from arpent.wire.catalog.query import SearchQuery, parse_search


def search_page(text: str, address: str, services: Services) -> bytes:
    """The JSON of one page of results, newest first; `address`: base address of the API, for links. Raises
    InvalidRequest, CatalogUnavailable."""
    query = parse_search(text, services.collections.get)
    plain = query.collection.with_joins_of(())  # joined bands are not part of the answer
    found = guarded(services).catalog.search(plain, query.interval, query.box)
    items = sorted(
        (item for item in found if _is_wanted(item, query)), key=lambda item: (item.instant, item.id), reverse=True
    )
    end = query.start + query.limit
    if query.distinct is not None:
        values = _different(items, query)
        return render_page(values[query.start : end], query, address, more=len(values) > end)
    entries = [feature(item, query, address) for item in items[query.start : end]]
    return render_page(entries, query, address, more=len(items) > end)


def _is_wanted(item: Item, query: SearchQuery) -> bool:
    if item.superseded is not None:
        return False
    if query.ids is not None and item.id not in query.ids:
        return False
    if query.area is not None and not shapely.intersects(item.footprint, query.area):
        return False
    return query.predicate is None or holds(query.predicate, properties_of(item, query.collection))


def _different(items: list[Item], query: SearchQuery) -> list[object]:
    """The distinct values of the query's property, or the distinct days, in the order of the items."""
    if query.distinct == "date":
        return list(dict.fromkeys(item.instant.date().isoformat() for item in items))
    values = (properties_of(item, query.collection).get(str(query.distinct)) for item in items)
    return list(dict.fromkeys(value for value in values if isinstance(value, str | int | float)))
