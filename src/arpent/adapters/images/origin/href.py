"""Href: the location of the file that an href names."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

_MOST_PATHS = 4096
"""Number of local files whose path is remembered."""


@lru_cache(maxsize=_MOST_PATHS)
def local_path(href: str) -> Path | None:
    """The local file that an href names; None if it lies elsewhere. Asked several times for every block."""
    parts = urlsplit(href)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):  # another host's file is out of reach
        return Path(unquote(parts.path))
    return Path(href) if "://" not in href else None
