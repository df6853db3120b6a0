"""Scenery: the imagery and parcels of a demonstration, made here or brought by the user."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyogrio
from pyproj import CRS

from arpent.landscape.make import make_landscape

DEGREES_PER_METRE = 1 / 111_320
RESOLUTION = 10.0
"""Metres."""
SEED_RANGE = ("2020-06-01T00:00:00Z", "2020-07-31T00:00:00Z")
"""Time range of the documentation's example; the made landscape has scenes for it."""
PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """What the demonstration works on."""

    catalog: str
    """Folder of STAC items, or a STAC API."""
    features: Path
    """A GeoPackage."""
    start: str
    """ISO instant."""
    end: str
    """ISO instant."""
    resolution: float
    """10 m, in units of the features' CRS."""
    planted: Mapping[str, str] = field(default_factory=dict)
    """Identifier → crop, where we know."""


def made(folder: Path) -> Scenery:
    """A small landscape of our own: seeded, so that everybody sees the same."""
    landscape = make_landscape(folder)
    return Scenery(
        catalog=str(landscape.catalog),
        features=landscape.features,
        start=SEED_RANGE[0],
        end=SEED_RANGE[1],
        resolution=RESOLUTION,
        planted=dict(zip(landscape.identifiers, landscape.crops, strict=True)),
    )


def brought(catalog: str, features: Path, start: str | None, end: str | None) -> Scenery:
    """Imagery and parcels of the user's."""
    crs = CRS.from_user_input(pyogrio.read_info(features)["crs"])
    first, last = (start, end) if start and end else _range_of(catalog)
    return Scenery(
        catalog=catalog,
        features=features,
        start=start or first or SEED_RANGE[0],
        end=end or last or SEED_RANGE[1],
        resolution=RESOLUTION * (DEGREES_PER_METRE if crs.is_geographic else 1.0),
    )


def _range_of(catalog: str) -> tuple[str | None, str | None]:
    """Whole periods that hold every item of a folder; nothing for a STAC API."""
    instants = []
    for path in Path(catalog).rglob("*.json") if Path(catalog).is_dir() else ():
        properties = json.loads(path.read_bytes()).get("properties") or {}
        if properties.get("datetime"):
            instants.append(datetime.fromisoformat(properties["datetime"]).astimezone(UTC))
    if not instants:
        return None, None
    start = min(instants).replace(hour=0, minute=0, second=0, microsecond=0)
    periods = (max(instants) - start) // PERIOD + 1
    return f"{start:%Y-%m-%dT%H:%M:%SZ}", f"{start + periods * PERIOD:%Y-%m-%dT%H:%M:%SZ}"
