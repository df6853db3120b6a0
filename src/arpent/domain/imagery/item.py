"""Item: one acquisition over one tile, as a STAC catalogue describes it. Sentinel Hub calls it a tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import shapely
from numpy.typing import NDArray

from arpent.domain.imagery.raster import Georeference
from arpent.domain.interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the stored numbers of one image become physical values: linear, then, for a radiance that is to be a
    temperature, Planck's law backwards."""

    scale: float
    """Factor applied to the stored number."""
    offset: float
    """Number added after scaling."""
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
class CalibrationFile:
    """A file beside an image that holds its calibration: the MTL file of a Landsat scene."""

    rule: str
    """Rule of a unit (`Unit.calibration`)."""
    href: str
    """Absolute path, http(s) or s3 URL of the file."""
    image: str
    """Name of the image's file, without folders: by it the file states which band it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One image file of an item."""

    href: str
    """Absolute path, http(s) or s3 URL."""
    harmonization: float = 0.0
    """Number added to digital numbers so that DN = 10000 * reflectance: -1000 where the file has the baseline offset
    (sentinelhub.md 6)."""
    harmonization_told: bool = True
    """Whether the item states that number; False: it is taken for 0."""
    calibrations: Mapping[str, Calibration | CalibrationFile | str] = field(default_factory=dict)
    """Rule of a unit (`Unit.calibration`) → the calibration, where to find it, or a sentence why there is none."""
    no_data: float | None = None
    """What the item says is no data, for a file that does not say; None: it does not, either."""
    declared_scale: float | None = None
    """Factor by which the item says that the file's floats become values; None: it does not say that they are floats.
    """
    georeference: Georeference | None = None
    """Where the item says that the file's pixels lie, for a file that does not say; None: it does not, either."""


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
    superseded: shapely.Geometry | None = None
    """Ground of newer processings of the same acquisition, in EPSG:4326: what they reach, they have to themselves.
    None: there are none."""
    last: datetime | None = None
    """End of a time range; aware, UTC. None if the item has one instant."""
    variant: str = ""
    """Which of the collection's variants it is of; empty: it has none."""
    joined: tuple[Item, ...] = ()
    """Further items, some of whose assets it has: cloud masks of its acquisition, its surface temperature."""

    def within(self, interval: Interval) -> bool:
        """Whether the item belongs to the interval: its instant, or any part of its time range, lies inside."""
        if self.last is None:
            return interval.contains(self.instant)
        return self.instant < interval.end and self.last >= interval.start
