"""Request: the parsed body of a (batch) statistical request; immutable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import shapely
from pyproj import CRS

from arpent.domain.calculation import Calculations
from arpent.domain.grid import AS_THE_SERVICE, PixelRule, Resolution, Size
from arpent.domain.imagery.collection import Collection, instance
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
    """`id` of the entry, or its position as text (sentinelhub.md 2.2)."""
    collection: str
    """Collection id, such as `sentinel-2-l2a`."""
    time_range: Interval | None = None
    """`dataFilter.timeRange`, intersected with each interval; None: the whole range."""
    mosaicking_order: MosaickingOrder = MosaickingOrder.MOST_RECENT
    """Which acquisition is on top."""
    max_cloud_coverage: float = 100.0
    """Maximum cloud cover of the tile in percent, inclusive."""
    upsampling: Resampling = Resampling.NEAREST
    """Resampling where samples are finer than source pixels."""
    downsampling: Resampling = Resampling.NEAREST
    """Resampling where samples are coarser than source pixels."""
    options: tuple[tuple[str, str], ...] = ()
    """Processing options of the request, as (path, value): `("processing->backCoeff", "GAMMA0_TERRAIN")`."""
    filters: tuple[tuple[str, str], ...] = ()
    """Further fields of `dataFilter`, as (name, value): `("orbitDirection", "ASCENDING")`; see `Collection.filters`."""
    harmonize_values: bool = True
    """Whether to convert processing baseline 04.00 and later to the old scale and clamp negative values
    (sentinelhub.md 6)."""


def chosen(source: Source, find: Callable[[str], Collection | None]) -> Collection | None:
    """The collection that a source refers to: `dataFilter.demInstance` may select another one than `type` alone. `find`
    returns a collection by id, alias or `instance` key. None: there is no such collection."""
    wish = dict(source.options).get("dataFilter->demInstance")
    own = find(instance(source.collection, wish)) if wish else None
    return own or find(source.collection)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`input.bounds` of a synchronous request: a box, a geometry or both."""

    crs: CRS
    """CRS of box and geometry; x (longitude) first."""
    box: tuple[float, float, float, float] | None
    """(minx, miny, maxx, maxy) that the grid covers; None: the bounding box of the geometry."""
    geometry: shapely.Geometry | None
    """Polygon or MultiPolygon that samples must lie in; None: the whole box."""


class ResultForm(StrEnum):
    """What a job writes."""

    FILES_AND_TABLE = "files,table"
    """A JSON file for each feature, and a table of all."""
    TABLE = "table"
    """The table; the files folded into one object for each partition."""
    FILES = "files"
    """The JSON files without a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A statistical request, either batch (features and output are locations) or synchronous (bounds, no output)."""

    features: FeatureFile | Bounds
    """The polygons: a file in a bucket, or bounds."""
    sources: tuple[Source, ...]
    """Entries of `input.data`, at least one."""
    time_range: Interval
    """The whole time range."""
    period: Period
    """Length of an interval."""
    last_interval: LastInterval
    """What happens to a last interval that extends past the end of the range."""
    sampling: Resolution | Size
    """Sample size, or number of samples per side."""
    script: str | Location
    """Text of the evalscript, or its location."""
    calculations: Calculations
    """Which statistics to report."""
    output: Location | None
    """Prefix, or template with <REQUEST_ID>, <ID>, <IDENTIFIER>; None for a synchronous request."""
    pixels: PixelRule = AS_THE_SERVICE
    """Which samples belong to a polygon."""
    results: ResultForm | None = None
    """Which results to write; None: the server's default."""
    update: str | None = None
    """Id of an earlier request with the same output, whose numbers are kept where they are still valid; None: all
    numbers are computed."""
    shown: str = ""
    """The body's JSON text without secrets, for the metadata of the results."""

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The intervals of the time range, ascending."""
        return split(self.time_range, self.period, self.last_interval)
