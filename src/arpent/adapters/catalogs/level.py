"""Level: whether a STAC item has the collection's processing level, by its product type, level, id or names of assets.
An item that says nothing has no level."""

from __future__ import annotations

import re
from collections.abc import Mapping

from arpent.adapters.catalogs.harmonization import Document, properties
from arpent.domain.imagery.collection import Collection

PRODUCT_TYPES = ("s2:product_type", "product:type")
"""Properties that name the product type."""
LEVEL = "processing:level"
"""Property that names the level: L2A, Level-2A, L2."""
_TOKEN = re.compile(r"(?:^|[_.-])(?:MSI)?(L\d[A-Z]+)(?=[_.-]|$)", re.IGNORECASE)
"""A level in an item id: S2A_MSIL2A_2023…, S2B_33TWM_20230813_0_L2A, LC08_L2SP_…"""


def is_of_level(document: Document, collection: Collection) -> bool | None:
    """What the first of four sources that says something decides; None if none does. True if the collection has no
    rule."""
    if not any(collection.metadata.get(rule) for rule in ("product_types", "levels", "level_assets")):
        return True
    answers = (rule(document, collection) for rule in (_by_type, _by_property, _by_id, _by_assets))
    return next((answer for answer in answers if answer is not None), None)


def words(collection: Collection, rule: str) -> frozenset[str]:
    """The values of a rule of `[match]`, each as `plain_word`."""
    return frozenset(plain_word(word) for word in collection.metadata.get(rule, "").split(",") if word)


def plain_word(word: str) -> str:
    """The word in lower case without separators: `Sentinel 2`, `Sentinel-2` and `sentinel-2` are equal."""
    return word.strip().lower().replace(" ", "-").replace("_", "-")


def _by_type(document: Document, collection: Collection) -> bool | None:
    own, wanted = properties(document), words(collection, "product_types")
    product = next((own[name] for name in PRODUCT_TYPES if isinstance(own.get(name), str)), None)
    return plain_word(str(product)) in wanted if product is not None and wanted else None


def _by_property(document: Document, collection: Collection) -> bool | None:
    """Whether the level property matches; `L2` only excludes L1C."""
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
    """Whether the item has assets that only this level has (True), or that it never has (False)."""
    assets = document.get("assets")
    names = {plain_word(str(name)) for name in assets} if isinstance(assets, Mapping) else set()
    if names & words(collection, "level_assets"):
        return True
    return False if names & words(collection, "foreign_assets") else None
