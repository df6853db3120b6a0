"""Address names: how messages name a file, image or catalogue, and the name of a file without its signature."""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, quote, urlsplit

from arpent.domain.boundary.address_grammar import SAS

_SIGNATURE = re.compile(
    rf"(x-amz-|x-goog-)|({'|'.join(sorted(SAS))}|signature|expires|policy|token|access_token|key-pair-id|awsaccesskeyid"
    r"|googleaccessid)=", re.IGNORECASE,
)  # fmt: skip
"""Beginnings of the URL parameters that grant access and do not select a file."""


def bare_address(address: str) -> str:
    """A URL without user, password and query (which may hold a signature); a path is returned unchanged."""
    if "://" not in address:
        return address
    parts = _parts(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def public_name(address: str) -> str:
    """The address as shown to clients in errors of their jobs: of a local file only its name, so that folders of this
    machine are not disclosed."""
    local = "://" not in address or address.startswith("file:")
    return os.path.basename(os.path.abspath(address)) if local else bare_address(address)


def unsigned_name(href: str) -> str:
    """The href without user and signature. Other query parameters are kept: they select another file, whose ETag may be
    the same by chance."""
    parts = _parts(href)
    kept = [piece for piece in parts.query.split("&") if piece and not _SIGNATURE.match(piece)]
    return bare_address(href) + (f"?{'&'.join(kept)}" if kept else "")


def _parts(address: str) -> SplitResult:
    """Split a URL, even an invalid one such as `https://[a`: opening it will fail, but naming it must not."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit(quote(address, safe="/:?&=@#%", errors="replace"))
