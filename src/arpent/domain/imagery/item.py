"""Item: one acquisition over one tile, as a STAC catalogue tells it. Sentinel Hub calls it a tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import shapely
from numpy.typing import NDArray

from arpent.domain.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the stored numbers of one image become physical values: linear, then, for a radiance that is to be a
    temperature, Planck's law backwards."""

    scale: float
    """Factor."""
    offset: float
    """Summand."""
    planck: tuple[float, float] | None = None
    """K1 (in the unit of the radiance) and K2 (kelvin); None: linear is all."""

    def values(self, stored: NDArray[np.generic]) -> NDArray[np.float64]:
        """Of stored numbers of any shape; NaN where there is no temperature."""
        linear = np.asarray(stored, np.float64) * self.scale + self.offset
        if self.planck is None:
            return linear
        first, second = self.planck
        with np.errstate(divide="ignore", invalid="ignore"):
            found = second / np.log(first / linear + 1.0)
        return np.where((linear > 0) & np.isfinite(found), found, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One image file of an item."""

    href: str
    """Absolute path, http(s) or s3 URL."""
    harmonization: float = 0.0
    """Added to digital numbers so that DN = 10000 * reflectance: -1000 where the baseline offset is in
    (sentinelhub.md 6)."""
    calibrations: Mapping[str, Calibration | str] = field(default_factory=dict)
    """Rule of a unit (`Unit.calibration`) → the calibration, or a sentence why there is none."""
    no_data: float | None = None
    """What the item says is no data, for a file that does not say; None: it does not, either."""


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
    variant: str = ""
    """Which of the collection's variants it is of; empty: it has none."""

    def within(self, interval: Interval) -> bool:
        """Whether it belongs to the interval: its instant lies in it; of a range, any part."""
        if self.last is None:
            return interval.contains(self.instant)
        return self.instant < interval.end and self.last >= interval.start
