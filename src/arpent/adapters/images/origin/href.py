"""Href: whether an href names a local file, and which."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

_MOST_PATHS = 4096
"""Number of hrefs whose path is cached."""


@lru_cache(maxsize=_MOST_PATHS)
def local_path(href: str) -> Path | None:
    """The local file that an href names; None if it is not local. Cached, as it is called several times per block."""
    parts = urlsplit(href)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):  # a file of another host cannot be read
        return Path(unquote(parts.path))
    return Path(href) if "://" not in href else None
