"""Request: what the caller wishes, immutable; the parsed body of a (batch) statistical request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import shapely
from pyproj import CRS

from arpent.domain.calculation import Calculations
from arpent.domain.grid import Resolution, Size
from arpent.domain.interval import Interval, LastInterval, Period, split
from arpent.domain.location import FeatureFile, Location


class MosaickingOrder(StrEnum):
    """Which acquisition wins a pixel (sentinelhub.md 2.2)."""

    MOST_RECENT = "mostRecent"
    LEAST_RECENT = "leastRecent"
    LEAST_CC = "leastCC"


class Resampling(StrEnum):
    """How source pixels become samples."""

    NEAREST = "NEAREST"
    BILINEAR = "BILINEAR"
    BICUBIC = "BICUBIC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One entry of `input.data`."""

    id: str
    """`id` of the entry, or its ordinal as text (sentinelhub.md 2.2)."""
    collection: str
    """Collection id, `sentinel-2-l2a`."""
    time_range: Interval | None = None
    """`dataFilter.timeRange`, intersected with each interval."""
    mosaicking_order: MosaickingOrder = MosaickingOrder.MOST_RECENT
    """Order of the acquisitions."""
    max_cloud_coverage: float = 100.0
    """Percent, inclusive, of the whole tile."""
    upsampling: Resampling = Resampling.NEAREST
    """When a sample is finer than the source."""
    downsampling: Resampling = Resampling.NEAREST
    """When a sample is coarser than the source."""
    wishes: tuple[tuple[str, str], ...] = ()
    """What the pixels are wished to be: (place, value), `("processing->backCoeff", "GAMMA0_TERRAIN")`."""
    harmonize_values: bool = True
    """Shift processing baseline 04.00 and later to the old scale, clamp negatives (sentinelhub.md 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`input.bounds` of the synchronous request; at least one of box and geometry."""

    crs: CRS
    """CRS of both; x (longitude) first."""
    box: tuple[float, float, float, float] | None
    """minx, miny, maxx, maxy: the grid, if given."""
    geometry: shapely.Geometry | None
    """Polygon or MultiPolygon: the mask, if given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A statistical request, batch (features and output are locations) or synchronous (bounds, no output)."""

    features: FeatureFile | Bounds
    """Where the polygons are."""
    sources: tuple[Source, ...]
    """At least one."""
    time_range: Interval
    """The whole range."""
    period: Period
    """Length of an interval."""
    last_interval: LastInterval
    """What becomes of the rest."""
    sampling: Resolution | Size
    """Sample size, or number of samples per side."""
    script: str | Location
    """The evalscript's text, or where it lies."""
    calculations: Calculations
    """What to report."""
    output: Location | None
    """A prefix, or a template with <REQUEST_ID>, <ID>, <IDENTIFIER>; None when synchronous."""
    shown: str = ""
    """The body's JSON text without its secrets, for the metadata of what is written."""

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The slices of time, ascending."""
        return split(self.time_range, self.period, self.last_interval)
