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
    """How the stored numbers of one image become physical values: linearly; radiances are then converted to
    temperatures by inverting Planck's law."""

    scale: float
    """Factor applied to the stored number."""
    offset: float
    """Number added after scaling."""
    planck: tuple[float, float] | None = None
    """K1 (in the unit of the radiance) and K2 (kelvin); None: the conversion is only linear."""

    def values(self, stored: NDArray[np.generic]) -> NDArray[np.float64]:
        """The physical values of stored numbers of any shape; NaN where a temperature is undefined."""
        linear = np.asarray(stored, np.float64) * self.scale + self.offset
        if self.planck is None:
            return linear
        first, second = self.planck
        with np.errstate(divide="ignore", invalid="ignore"):
            found = second / np.log(first / linear + 1.0)
        return np.where((linear > 0) & np.isfinite(found), found, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFile:
    """A file next to an image that holds its calibration, such as the MTL file of a Landsat scene."""

    rule: str
    """Name of the calibration rule (`Unit.calibration`)."""
    href: str
    """Absolute path, http(s) or s3 URL of the file."""
    image: str
    """File name of the image, without folders, by which its band is looked up in the calibration file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One image file of an item."""

    href: str
    """Absolute path, http(s) or s3 URL."""
    harmonization: float = 0.0
    """Number added to digital numbers so that DN = 10000 * reflectance: -1000 where the file has the baseline offset
    (sentinelhub.md 6)."""
    harmonization_told: bool = True
    """Whether the item states the harmonization number; False: it is assumed to be 0."""
    calibrations: Mapping[str, Calibration | CalibrationFile | str] = field(default_factory=dict)
    """Calibration rule (`Unit.calibration`) → the calibration, the file that holds it, or a sentence saying why there
    is none."""
    no_data: float | None = None
    """No-data number that the item states, for files that do not state one; None: the item does not state one either.
    """
    declared_scale: float | None = None
    """Factor that the item states for converting the file's floats to values; None: it does not say that they are
    floats."""
    georeference: Georeference | None = None
    """Position of the pixels as stated by the item, for files that do not state it; None: the item does not either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One acquisition over one tile."""

    id: str
    """STAC item id."""
    collection: str
    """Id of the arpent collection."""
    instant: datetime
    """Sensing time, aware, UTC; the start if the item has a time range."""
    created: datetime | None
    """Ingestion time; of items with equal sensing times, the later one has priority. None if unknown."""
    cloud_cover: float | None
    """Cloud cover of the tile in percent; None if unknown."""
    footprint: shapely.Geometry
    """Footprint in EPSG:4326, longitude first."""
    assets: Mapping[str, Asset]
    """Band name → asset, for the bands that the item has."""
    properties: Mapping[str, object] = field(default_factory=dict)
    """STAC properties, for provenance and for `scenes`."""
    href: str = ""
    """Address of the item (`dataPath` in scenes)."""
    likely: shapely.Geometry | None = None
    """The smaller of two interpretations of an ambiguous footprint, which may either cross the antimeridian or span the
    globe; `footprint` covers both. None: the footprint is unambiguous."""
    superseded: shapely.Geometry | None = None
    """Area covered by newer processings of the same acquisition, in EPSG:4326; the item is not used for features that
    they reach. None: there are no newer ones."""
    last: datetime | None = None
    """End of the time range; aware, UTC. None if the item has a single instant."""
    variant: str = ""
    """Name of the collection's variant that the item belongs to; empty: none."""
    joined: tuple[Item, ...] = ()
    """Further items from which this one has assets, such as cloud masks or surface temperature of its acquisition."""

    def within(self, interval: Interval) -> bool:
        """Whether the item belongs to the interval: its instant, or any part of its time range, lies inside."""
        if self.last is None:
            return interval.contains(self.instant)
        return self.instant < interval.end and self.last >= interval.start
