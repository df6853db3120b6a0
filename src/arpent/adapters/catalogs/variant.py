"""Variant: which part of a collection a STAC item is of, where the parts name their assets differently."""

from __future__ import annotations

import re

from arpent.adapters.catalogs.harmonization import Document
from arpent.domain.imagery.collection import Collection


def variant_of(document: Document, collection: Collection) -> str:
    """By the item's `collection`, else by its id; empty: of none, or there are none."""
    for name, variant in collection.variants.items():
        if document.get("collection") in variant.stac_collections:
            return name
    identity = str(document.get("id"))
    matching = (
        name for name, variant in collection.variants.items()
        if variant.id_pattern and re.search(variant.id_pattern, identity)
    )  # fmt: skip
    return next(matching, "")
