"""Level: determines whether a STAC item has the processing level and product of a collection, by its product type,
level, id or asset names, and to which variant of the collection it belongs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from arpent.adapters.catalogs.harmonization import Document, properties
from arpent.domain.imagery.collection import Collection

PRODUCT_TYPES = ("s2:product_type", "product:type")
"""Properties that name the product type."""
LEVEL = ("landsat:correction", "processing:level")
"""Properties that name the level, such as L2SP, L2A, Level-2A or L2."""
INSTRUMENTS = ("instruments", "eo:instrument")
"""Properties that name the instruments."""
_TOKEN = re.compile(r"(?:^|[_.-])(?:MSI)?(L\d[A-Z]+)(?=[_.-]|$)", re.IGNORECASE)
"""The level within an item id: S2A_MSIL2A_2023…, S2B_33TWM_20230813_0_L2A, LC08_L2SP_…"""


def is_of_level(document: Document, collection: Collection) -> bool | None:
    """Whether the item has the collection's level, by the first of four tests with a result: product type, level
    property, id, asset names. None if none has a result; True if the collection has no rules for this."""
    if not any(collection.metadata.get(rule) for rule in ("product_types", "levels", "level_assets")):
        return True
    answers = (rule(document, collection) for rule in (_by_type, _by_property, _by_id, _by_assets))
    return next((answer for answer in answers if answer is not None), None)


def is_of_product(document: Document, collection: Collection) -> bool:
    """Whether the item's instrument and the first word of its id, if given, are those of the collection. The first word
    is compared only if it has the same pattern of letters and digits as one of the collection's (LT05, LM05)."""
    own, instruments = properties(document), words(collection, "instruments")
    instrument = next((own[name] for name in INSTRUMENTS if own.get(name)), None)
    found = {
        plain_word(str(each))
        for each in (instrument if isinstance(instrument, list) else str(instrument or "").split("_"))
        if each
    }
    if instruments and found and not found & instruments:
        return False
    products, first = words(collection, "products"), product_of(document)
    return first in products or not any(_form(first) == _form(product) for product in products)


def variant_of(document: Document, collection: Collection) -> str:
    """Name of the collection's variant (a part with asset names of its own) to which the item belongs, by its
    `collection`, else by its id; empty if there is none."""
    for name, variant in collection.variants.items():
        if document.get("collection") in variant.stac_collections:
            return name
    identity = str(document.get("id"))
    matching = (
        name for name, variant in collection.variants.items()
        if variant.id_pattern and re.search(variant.id_pattern, identity)
    )  # fmt: skip
    return next(matching, "")


def product_of(document: Document) -> str:
    """The first word of the id, in lower case: lc08 for LC08_L2SP_…"""
    return plain_word(str(document.get("id")).split("_")[0])


def _form(word: str) -> str:
    return re.sub(r"\d", "0", re.sub(r"[a-z]", "a", word))


def words(collection: Collection, rule: str) -> frozenset[str]:
    """The values of a rule in `[match]`, each converted by `plain_word`."""
    return frozenset(plain_word(word) for word in collection.metadata.get(rule, "").split(",") if word)


def plain_word(word: str) -> str:
    """The word in lower case without separators: `Sentinel 2`, `Sentinel-2` and `sentinel-2` are equal."""
    return word.strip().lower().replace(" ", "-").replace("_", "-")


def _by_type(document: Document, collection: Collection) -> bool | None:
    own, wanted = properties(document), words(collection, "product_types")
    product = next((own[name] for name in PRODUCT_TYPES if isinstance(own.get(name), str)), None)
    return plain_word(str(product)) in wanted if product is not None and wanted else None


def _by_property(document: Document, collection: Collection) -> bool | None:
    """Whether the level property matches; None if it is too general, such as `L2`, which only rules out L1C."""
    own, wanted = properties(document), words(collection, "levels")
    text = next((own[name] for name in LEVEL if isinstance(own.get(name), str)), None)
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
    """True if the item has assets that only this level has, False if it has assets that this level never has, else
    None."""
    assets = document.get("assets")
    names = {plain_word(str(name)) for name in assets} if isinstance(assets, Mapping) else set()
    if names & words(collection, "level_assets"):
        return True
    return False if names & words(collection, "foreign_assets") else None
