"""Item filter: a field of a request's `dataFilter`, and what a STAC item says of it (sentinelhub.md 2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

VARIANT = "variant"
"""In place of a property: the variant of the collection that an item is of."""
TOGETHER = "+"
"""Joins words that an item says all, and none else: VV+VH."""
EVERYTHING = "*"
"""The word of a value that asks for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """How items answer to one field: orbitDirection, polarization, tiers …"""

    properties: tuple[str, ...]
    """STAC properties that state it, the first that is there counts; `variant` stands for the collection's own."""
    values: Mapping[str, tuple[str, ...]]
    """Value of the request → words of an item, any of which will do; words joined by `+` are a set."""
    id_pattern: str = ""
    """Regular expression whose group is the word, in the id of an item without the property; empty: none."""

    def asks(self, value: str) -> bool:
        """Whether this value leaves anything out."""
        return self.values[value] != (EVERYTHING,)

    def takes(self, value: str, properties: Mapping[str, object], identity: str, variant: str) -> bool | None:
        """Whether an item is what the value wishes; None: it does not say. Upper case, lower case and hyphens are
        alike."""
        if not self.asks(value):
            return True
        declared = self._declared(properties, identity, variant)
        return None if declared is None else declared in {_words(each.split(TOGETHER)) for each in self.values[value]}

    def _declared(self, properties: Mapping[str, object], identity: str, variant: str) -> frozenset[str] | None:
        for name in self.properties:
            found = variant if name == VARIANT else properties.get(name)
            if isinstance(found, str) and found:
                return _words([found])
            if isinstance(found, list | tuple) and found and all(isinstance(each, str) for each in found):
                return _words(found)
        match = re.search(self.id_pattern, identity) if self.id_pattern else None
        return _words([match[1]]) if match else None


def _words(words: list[str] | tuple[str, ...]) -> frozenset[str]:
    return frozenset(word.strip().lower().replace("-", "").replace("_", "") for word in words)
