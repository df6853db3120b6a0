"""Listing: the order in which JavaScript names an object's properties."""

from __future__ import annotations

from collections.abc import Mapping

from arpent.evalscript.compile.tree import Unsupported
from arpent.evalscript.compile.values import Value


def plain_names(properties: Mapping[str, Value]) -> list[str]:
    """Names as they were made; numbers would come first."""
    if any(name.isdigit() for name in properties):
        raise Unsupported("listing an object whose names are numbers")
    return list(properties)
