"""Item: one acquisition over one tile, as a STAC catalogue describes it. Sentinel Hub calls it a tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import shapely

from arpent.domain.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One image file of an item."""

    href: str
    """Absolute path, http(s) or s3 URL."""
    harmonization: float = 0.0
    """Number added to digital numbers so that DN = 10000 * reflectance: -1000 where the file has the baseline offset
    (sentinelhub.md 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One acquisition over one tile."""

    id: str
    """STAC item id."""
    collection: str
    """Id of arpent's collection."""
    instant: datetime
    """Sensing time, aware, UTC; for a time range, its start."""
    created: datetime | None
    """Ingestion time; of items with equal sensing times the later one wins. None if unknown."""
    cloud_cover: float | None
    """Cloud cover of the tile in percent; None if unknown."""
    footprint: shapely.Geometry
    """In EPSG:4326, longitude first."""
    assets: Mapping[str, Asset]
    """Band name → asset, for the bands that the item has."""
    properties: Mapping[str, object] = field(default_factory=dict)
    """STAC properties, for provenance and for `scenes`."""
    href: str = ""
    """Where the item came from (`dataPath` in scenes)."""
    likely: shapely.Geometry | None = None
    """The smaller of two readings of a footprint that may cross the antimeridian or go round the globe; `footprint`
    covers both. None: there is one reading only."""
    last: datetime | None = None
    """End of a time range; aware, UTC. None if the item has one instant."""

    def within(self, interval: Interval) -> bool:
        """Whether the item belongs to the interval: its instant, or any part of its time range, lies inside."""
        if self.last is None:
            return interval.contains(self.instant)
        return self.instant < interval.end and self.last >= interval.start
