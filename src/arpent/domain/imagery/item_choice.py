"""Item choice: which items of a collection a request uses, by the fields of its `dataFilter` (sentinelhub.md 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arpent.domain.imagery.item import Item
from arpent.domain.imagery.item_filter import ItemFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChoice:
    """What the items that a request uses have in common."""

    clouds: float = 100.0
    """Maximum cloud cover of the tile, percent, inclusive; 100: any, also unknown."""
    fields: tuple[tuple[str, str], ...] = ()
    """Further fields of `dataFilter` (name, value): `("orbitDirection", "ASCENDING")`."""


EVERY_ITEM = ItemChoice()
"""Leaves nothing out."""


def refusing_field(
    item: Item, fields: Sequence[tuple[str, str]], known: Mapping[str, ItemFilter]
) -> tuple[str, bool] | None:
    """The first of the fields that excludes the item, and whether because the item does not say; None: none does.
    `known`: the collection's filters by field."""
    for name, value in fields:
        answer = known[name].takes(value, item.properties, item.id, item.variant) if name in known else True
        if not answer:
            return name, answer is None
    return None


def is_clear(item: Item, most: float, told_by: str | None) -> bool:
    """Whether the item's cloud cover is at most this percentage. An item without cloud cover passes only where there is
    no limit. `told_by`: the property that the collection has for it; None: no item is left out."""
    if told_by is None or most >= 100:
        return True
    return item.cloud_cover is not None and item.cloud_cover <= most
