"""Origin: the address of an item, which is the base of its relative hrefs."""

from __future__ import annotations

from arpent.adapters.catalogs.harmonization import Document

_SCHEMES = ("http://", "https://", "s3://")


def own_address(document: Document, otherwise: str) -> str:
    """The item's `self` link if it is an http(s) or s3 URL; else `otherwise`."""
    links = document.get("links") if isinstance(document, dict) else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link.get("href"), str):
            return str(link["href"]) if str(link["href"]).startswith(_SCHEMES) else otherwise
    return otherwise
