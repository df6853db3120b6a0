"""Item filter: how a field of a request's `dataFilter` selects STAC items (sentinelhub.md 2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

VARIANT = "variant"
"""Used instead of a property name: the collection variant that an item belongs to."""
TOGETHER = "+"
"""Joins words into a set that an item must state exactly: VV+VH."""
EVERYTHING = "*"
"""Word for a request value that excludes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """How items are matched against one field: orbitDirection, polarization, tiers …"""

    properties: tuple[str, ...]
    """STAC properties that may hold the value, of which the first present one is used; `variant` stands for the
    collection variant of the item."""
    values: Mapping[str, tuple[str, ...]]
    """Value in the request → words, any one of which an item must have; words joined by `+` are a set."""
    id_pattern: str = ""
    """Regular expression whose group finds the word in the id of an item that lacks the properties; empty: none."""

    def asks(self, value: str) -> bool:
        """Whether this value excludes anything."""
        return self.values[value] != (EVERYTHING,)

    def takes(self, value: str, properties: Mapping[str, object], identity: str, variant: str) -> bool | None:
        """Whether an item matches the value; None: the item does not state it. Case, hyphens and underscores are
        ignored."""
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
