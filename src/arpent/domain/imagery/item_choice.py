"""Item choice: which items of a collection a request uses, by the fields of its `dataFilter` (sentinelhub.md 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arpent.domain.imagery.item import Item
from arpent.domain.imagery.item_filter import ItemFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChoice:
    """The conditions that an item must meet to be used by a request."""

    clouds: float = 100.0
    """Maximum cloud cover of the tile in percent, inclusive; 100: any cloud cover, even unknown."""
    fields: tuple[tuple[str, str], ...] = ()
    """Further fields of `dataFilter`, as (name, value): `("orbitDirection", "ASCENDING")`."""


EVERY_ITEM = ItemChoice()
"""The choice that excludes no item."""


def refusing_field(
    item: Item, fields: Sequence[tuple[str, str]], known: Mapping[str, ItemFilter]
) -> tuple[str, bool] | None:
    """The first field that excludes the item, and whether it does so because the item does not state a value; None: no
    field excludes it. `known`: the collection's filters by field."""
    for name, value in fields:
        answer = known[name].takes(value, item.properties, item.id, item.variant) if name in known else True
        if not answer:
            return name, answer is None
    return None


def is_clear(item: Item, most: float, told_by: str | None) -> bool:
    """Whether the item's cloud cover is at most `most` percent. An item without cloud cover passes only if `most` is
    100. `told_by`: the collection's property for cloud cover; None: it has none, and every item passes."""
    if told_by is None or most >= 100:
        return True
    return item.cloud_cover is not None and item.cloud_cover <= most
