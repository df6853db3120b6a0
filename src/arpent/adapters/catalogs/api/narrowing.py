"""Narrowing: a collection's choice of items written as the `filter` (CQL2 as JSON) or `query` of a search, for APIs
that support these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arpent.adapters.catalogs.api.landing import Landing
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item_filter import TOGETHER, VARIANT, ItemFilter

Parameters = dict[str, object]
_Operation = dict[str, object]


def narrowings(collection: Collection, landing: Landing) -> list[Parameters]:
    """Search parameters with which the API filters out items that the collection's choice rejects, best first: if the
    API refuses one of them, try the next. Each may let through more items than the choice does. Empty if all items are
    chosen, or the API supports no filters."""
    if not (landing.posts and landing.fields):
        return []
    asked = list(_asked(collection))
    found: list[Parameters] = []
    if landing.filters:
        for lists in (True, False):
            parts = [part for each in (_clouds(collection), *(_field(*one, lists) for one in asked)) for part in each]
            if parts:
                whole = parts[0] if len(parts) == 1 else {"op": "and", "args": parts}
                found.append({"filter-lang": "cql2-json", "filter": whole})
    if landing.queries and (query := dict(_queried(collection, asked))):
        found.append({"query": query})
    return [each for row, each in enumerate(found) if each not in found[:row]]


def _asked(collection: Collection) -> Iterator[tuple[ItemFilter, str]]:
    """The filters, with their values, that the choice uses and that can be checked by properties of items."""
    for name, value in collection.choice.fields:
        known = collection.filters.get(name)
        if known is not None and known.asks(value) and known.properties and known.properties != (VARIANT,):
            yield known, value


def _limit(collection: Collection) -> float | None:
    """The maximum cloud cover in percent; None if there is no limit."""
    return collection.choice.clouds if collection.cloud_cover and collection.choice.clouds < 100 else None


def _clouds(collection: Collection) -> list[_Operation]:
    limit = _limit(collection)
    return [] if limit is None else [_operation("<=", str(collection.cloud_cover), limit)]


def _field(known: ItemFilter, value: str, lists: bool) -> list[_Operation]:
    """One `or` over all spellings of the value; empty if the property is a list and `lists` is false. Items without the
    property pass if the value may be in their id."""
    names = [name for name in known.properties if name != VARIANT]
    if _is_list(known):
        if not lists:
            return []
        ways = [_operation("a_contains", names[0], each.split(TOGETHER)) for each in known.values[value]]
        ways += [_operation("isNull", names[0])]
    else:
        ways = [_operation("=", name, word) for name in names for word in _spellings(known.values[value])]
        ways += [_operation("isNull", names[0])] if known.id_pattern else []
    return [ways[0] if len(ways) == 1 else {"op": "or", "args": ways}]


def _queried(collection: Collection, asked: Sequence[tuple[ItemFilter, str]]) -> Iterator[tuple[str, object]]:
    """Yield (property, test) for the `query` extension, which tests single properties and does not support lists."""
    limit = _limit(collection)
    if limit is not None:
        yield str(collection.cloud_cover), {"lte": limit}
    for known, value in asked:
        if not _is_list(known) and known.properties[0] != VARIANT:
            yield known.properties[0], {"in": _spellings(known.values[value])}


def _is_list(known: ItemFilter) -> bool:
    """Whether the filter's first property is a list, such as `sar:polarizations`."""
    return any(TOGETHER in each for words in known.values.values() for each in words)


def _spellings(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(spelt for word in words for spelt in (word, word.lower(), word.upper())))


def _operation(name: str, property_: str, *values: object) -> _Operation:
    return {"op": name, "args": [{"property": property_}, *values]}
