"""Address names: how messages name a file, an image or a catalogue."""

from __future__ import annotations

import os
from urllib.parse import urlsplit


def bare_address(address: str) -> str:
    """A URL without user, password and query (signatures); a path as it is."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def public_name(address: str) -> str:
    """As clients read it in errors of their jobs: of a file only its name, since where it lies on this machine is none
    of their business."""
    local = "://" not in address or address.startswith("file:")
    return os.path.basename(os.path.abspath(address)) if local else bare_address(address)
