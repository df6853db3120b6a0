"""Fields the real service knows and we do not serve yet: refused, never ignored silently (sentinelhub.md 2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

UNSERVED: dict[str, dict[str, tuple[object, ...]]] = {
    "dataFilter": {
        "resolution": (),
        "acquisitionMode": (),
        "polarization": (),
        "orbitDirection": (),
        "timeliness": (),
        "tiers": ("ALL_TIERS",),
        "constellation": (),
    },
    "processing": {
        "radiometricTerrainOversampling": (),
        "speckleFilter": ({"type": "NONE"},),
        "egm": (False,),
        "clampNegative": (False,),
        "minQa": (),
        "view": (),
    },
}
"""Section of an entry of `input.data` → field → values that ask for nothing and are therefore accepted. Options that a
collection may offer are in `offers`."""


def unserved(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Violations (parameter, violation) for the fields of this body that arpent does not serve."""
    source_list = body.get("input", {}).get("data") if isinstance(body.get("input"), dict) else None
    for position, entry in enumerate(source_list if isinstance(source_list, list) else ()):
        for section, fields in UNSERVED.items():
            values = entry.get(section) if isinstance(entry, dict) else None
            for name, value in values.items() if isinstance(values, dict) else ():
                if name in fields and value is not None and value not in fields[name]:
                    yield f"input->data->{position}->{section}->{name}", _refusal(fields[name])


def _refusal(harmless: tuple[object, ...]) -> str:
    words = "is not served yet; leave it out"
    return f"{words}, or write {harmless[0]}" if harmless and isinstance(harmless[0], str) else words
