"""Unserved fields: fields of the real service that arpent does not support yet; they are rejected, never ignored
silently (sentinelhub.md 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

UNSERVED: dict[str, dict[str, tuple[object, ...]]] = {
    "processing": {
        "radiometricTerrainOversampling": (),
        "speckleFilter": ({"type": "NONE"},),
        "egm": (False,),
        "clampNegative": (False,),
        "minQa": (),
        "view": (),
    },
}
"""Section of an entry of `input.data` → field → values that have no effect and are therefore accepted. Options that
depend on the collection are in `offers`."""

_SWATH = "its archives hold NetCDF in the geometry of the satellite's swath, which arpent cannot yet put on a map"
COLLECTIONS: Mapping[str, str] = {
    "sentinel-3-olci": _SWATH,
    "sentinel-3-olci-l2": _SWATH,
    "sentinel-3-slstr": _SWATH,
    "sentinel-5p-l2": _SWATH,
}
"""Collections of the real service that no open archive offers in a form that arpent can read → the reason."""
INSTANCES: Mapping[str, str] = {"MAPZEN": "no open archive has it as cloud-optimised GeoTIFF; COPERNICUS_30 does"}
"""Instances of the collection `dem` that no open archive offers in a form that arpent can read → the reason."""


def unserved(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Violations (parameter, violation) for the fields of this body that arpent does not support."""
    source_list = body.get("input", {}).get("data") if isinstance(body.get("input"), dict) else None
    for position, entry in enumerate(source_list if isinstance(source_list, list) else ()):
        for section, fields in UNSERVED.items():
            values = entry.get(section) if isinstance(entry, dict) else None
            for name, value in values.items() if isinstance(values, dict) else ():
                if name in fields and value is not None and value not in fields[name]:
                    yield f"input->data->{position}->{section}->{name}", "is not supported yet; leave it out"
