"""Origin: the address of an item, to which its relative hrefs are relative; and how addresses stand in messages."""

from __future__ import annotations

from urllib.parse import urlsplit

from arpent.adapters.catalogs.harmonization import Document

_SCHEMES = ("http://", "https://", "s3://")


def own_address(document: Document, otherwise: str) -> str:
    """The item's `self` link if it leads to the web or a bucket; else `otherwise`."""
    links = document.get("links") if isinstance(document, dict) else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link.get("href"), str):
            return str(link["href"]) if str(link["href"]).startswith(_SCHEMES) else otherwise
    return otherwise


def shown(address: str) -> str:
    """The address without what may be secret: user, password and query (signatures)."""
    if "://" not in address:
        return address
    split = urlsplit(address)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}"


def bare_name(address: str) -> str:
    """As `shown`, but clients need not know where a file lies on this machine: they get its name."""
    return shown(address) if "://" in address else address.rstrip("/").rpartition("/")[2]
