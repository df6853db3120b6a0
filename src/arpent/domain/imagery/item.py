"""Item: one acquisition over one tile, as a STAC catalogue tells it. Sentinel Hub calls it a tile."""

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
    """Added to digital numbers so that DN = 10000 * reflectance: -1000 where the baseline offset is in
    (sentinelhub.md 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One acquisition."""

    id: str
    """STAC item id."""
    collection: str
    """Our collection id."""
    instant: datetime
    """Sensing time, aware, UTC; the first of a range."""
    created: datetime | None
    """Ingestion time: later wins among equal sensing times."""
    cloud_cover: float | None
    """Percent of the tile; None if unknown."""
    footprint: shapely.Geometry
    """In EPSG:4326, longitude first."""
    assets: Mapping[str, Asset]
    """Band name → asset; bands that the item lacks are not there."""
    properties: Mapping[str, object] = field(default_factory=dict)
    """STAC properties, for provenance and for `scenes`."""
    href: str = ""
    """Where the item came from (scenes: dataPath)."""
    likely: shapely.Geometry | None = None
    """The shorter of two ways to read a footprint that may be meant either way round the globe; `footprint` is both.
    None: there is one way only."""
    last: datetime | None = None
    """Last instant of an item that tells a range of time instead of an instant; aware, UTC."""

    def within(self, interval: Interval) -> bool:
        """Whether it belongs to the interval: its instant lies in it; of a range, any part."""
        if self.last is None:
            return interval.contains(self.instant)
        return self.instant < interval.end and self.last >= interval.start
