"""Href: where the file lies that an href names, and what names it for good."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from arpent.domain.boundary.address_grammar import SAS
from arpent.domain.boundary.address_names import bare_address

_MOST_PATHS = 4096
"""Number of local files whose path is remembered."""
_SIGNATURE = re.compile(
    rf"(x-amz-|x-goog-)|({'|'.join(sorted(SAS))}|signature|expires|policy|token|access_token|key-pair-id|awsaccesskeyid"
    r"|googleaccessid)=", re.IGNORECASE,
)  # fmt: skip
"""How parameters of a URL begin that let somebody in, and choose no file."""


@lru_cache(maxsize=_MOST_PATHS)
def local_path(href: str) -> Path | None:
    """The local file that an href names; None if it lies elsewhere. Asked several times for every block."""
    parts = urlsplit(href)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):  # another host's file is out of reach
        return Path(unquote(parts.path))
    return Path(href) if "://" not in href else None


def unsigned_name(href: str) -> str:
    """The href without user and signature: another query is another file, whose ETag may be the same by chance."""
    parts = urlsplit(href)
    kept = [piece for piece in parts.query.split("&") if piece and not _SIGNATURE.match(piece)]
    return bare_address(href) + (f"?{'&'.join(kept)}" if kept else "")
