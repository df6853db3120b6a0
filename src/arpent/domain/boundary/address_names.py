"""Address names: how messages name a file, an image or a catalogue, and what identifies a file permanently."""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, quote, urlsplit

from arpent.domain.boundary.address_grammar import SAS

_SIGNATURE = re.compile(
    rf"(x-amz-|x-goog-)|({'|'.join(sorted(SAS))}|signature|expires|policy|token|access_token|key-pair-id|awsaccesskeyid"
    r"|googleaccessid)=", re.IGNORECASE,
)  # fmt: skip
"""How parameters of a URL begin that let somebody in, and choose no file."""


def bare_address(address: str) -> str:
    """A URL without user, password and query (signatures); a path as it is."""
    if "://" not in address:
        return address
    parts = _parts(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def public_name(address: str) -> str:
    """As clients read it in errors of their jobs: of a file only its name, since where it lies on this machine is none
    of their business."""
    local = "://" not in address or address.startswith("file:")
    return os.path.basename(os.path.abspath(address)) if local else bare_address(address)


def unsigned_name(href: str) -> str:
    """The href without user and signature: another query is another file, whose ETag may be the same by chance."""
    parts = _parts(href)
    kept = [piece for piece in parts.query.split("&") if piece and not _SIGNATURE.match(piece)]
    return bare_address(href) + (f"?{'&'.join(kept)}" if kept else "")


def _parts(address: str) -> SplitResult:
    """Also of what is not an address, such as `https://[a`: whoever opens it says so, its name must not fail."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit(quote(address, safe="/:?&=@#%", errors="replace"))
