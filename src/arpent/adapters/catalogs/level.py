"""Level: whether a STAC item is of the collection's processing level, by what it says of itself: product type, level,
id, names of assets. An item that says nothing is of no level."""

from __future__ import annotations

import re
from collections.abc import Mapping

from arpent.adapters.catalogs.harmonization import Document, properties
from arpent.domain.imagery.collection import Collection

PRODUCT_TYPES = ("s2:product_type", "product:type")
"""Properties that name the product type."""
LEVEL = "processing:level"
"""Property with the level: L2A, Level-2A, L2."""
_TOKEN = re.compile(r"(?:^|[_.-])(?:MSI)?(L\d[A-Z]+)(?=[_.-]|$)", re.IGNORECASE)
"""A level in an id: S2A_MSIL2A_2023…, S2B_33TWM_20230813_0_L2A, LC08_L2SP_…"""


def is_of_level(document: Document, collection: Collection) -> bool | None:
    """The first of four that says something decides; None: none does. True where the collection has no rule at all."""
    if not any(collection.metadata.get(rule) for rule in ("product_types", "levels", "level_assets")):
        return True
    answers = (rule(document, collection) for rule in (_by_type, _by_property, _by_id, _by_assets))
    return next((answer for answer in answers if answer is not None), None)


def words(collection: Collection, rule: str) -> frozenset[str]:
    """The words of a rule of `[match]`, plain."""
    return frozenset(plain_word(word) for word in collection.metadata.get(rule, "").split(",") if word)


def plain_word(word: str) -> str:
    """`Sentinel 2`, `Sentinel-2` and `sentinel-2` are the same."""
    return word.strip().lower().replace(" ", "-").replace("_", "-")


def _by_type(document: Document, collection: Collection) -> bool | None:
    own, wanted = properties(document), words(collection, "product_types")
    product = next((own[name] for name in PRODUCT_TYPES if isinstance(own.get(name), str)), None)
    return plain_word(str(product)) in wanted if product is not None and wanted else None


def _by_property(document: Document, collection: Collection) -> bool | None:
    """`L2` says only that it is not L1C."""
    text, wanted = properties(document).get(LEVEL), words(collection, "levels")
    if not isinstance(text, str) or not wanted:
        return None
    level = plain_word(text).replace("level-", "l")
    if level in wanted:
        return True
    return None if any(each.startswith(level) for each in wanted) else False


def _by_id(document: Document, collection: Collection) -> bool | None:
    found = {plain_word(token) for token in _TOKEN.findall(str(document.get("id")))}
    wanted = words(collection, "levels")
    return bool(found & wanted) if found and wanted else None


def _by_assets(document: Document, collection: Collection) -> bool | None:
    """Assets that only this level has, and those that it never has."""
    assets = document.get("assets")
    names = {plain_word(str(name)) for name in assets} if isinstance(assets, Mapping) else set()
    if names & words(collection, "level_assets"):
        return True
    return False if names & words(collection, "foreign_assets") else None
