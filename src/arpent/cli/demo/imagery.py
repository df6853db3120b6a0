"""Imagery: the images and parcels of a demonstration, either generated or the user's own."""

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
"""Sample size in metres."""
SEED_RANGE = ("2020-06-01T00:00:00Z", "2020-07-31T00:00:00Z")
"""Time range of the example in the documentation; the generated landscape has scenes in this range."""
PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoImagery:
    """Imagery, parcels and time range of a demonstration."""

    catalog: str
    """Folder of STAC items, or URL of a STAC API."""
    features: Path
    """Path of a GeoPackage."""
    start: str
    """Start of the time range, ISO 8601."""
    end: str
    """End of the time range, ISO 8601."""
    resolution: float
    """Sample size of 10 m, in units of the features' CRS."""
    planted: Mapping[str, str] = field(default_factory=dict)
    """Identifier → crop, for the generated landscape."""


def made(folder: Path) -> DemoImagery:
    """A small generated landscape, identical on every run."""
    landscape = make_landscape(folder)
    return DemoImagery(
        catalog=str(landscape.catalog),
        features=landscape.features,
        start=SEED_RANGE[0],
        end=SEED_RANGE[1],
        resolution=RESOLUTION,
        planted=dict(zip(landscape.identifiers, landscape.crops, strict=True)),
    )


def brought(catalog: str, features: Path, start: str | None, end: str | None) -> DemoImagery:
    """Imagery and parcels that the user provides."""
    crs = CRS.from_user_input(pyogrio.read_info(features)["crs"])
    first, last = (start, end) if start and end else _range_of(catalog)
    return DemoImagery(
        catalog=catalog,
        features=features,
        start=start or first or SEED_RANGE[0],
        end=end or last or SEED_RANGE[1],
        resolution=RESOLUTION * (DEGREES_PER_METRE if crs.is_geographic else 1.0),
    )


def _range_of(catalog: str) -> tuple[str | None, str | None]:
    """A time range of whole periods that covers every item in a folder; (None, None) for a STAC API."""
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
