"""Pydantic models of the request bodies, for parsing and for the API documentation at /docs (sentinelhub.md 2).

A model checks names, types and simple limits; rules about several fields are in the other modules of `wire.request`.
Fields unknown to the real service are ignored, as the service does (`misplaced` gives hints about those probably meant
elsewhere); fields of the real service that arpent does not support are in `unserved`.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from arpent.domain.calculation import MAXIMUM_BINS, MORE
from arpent.domain.grid import MAXIMUM_SIDE
from arpent.domain.interval import LastInterval
from arpent.domain.request import MosaickingOrder, Resampling, ResultForm

LARGEST = 1e300
"""Largest absolute value of a number: the difference of two larger ones could be infinite."""
NARROWEST = 1e-12
"""Minimum width of bins: the edges of narrower bins could be equal as doubles."""


def _number(value: object) -> object:
    """A JSON number that keeps the type of its literal: 1 stays an int, 1.0 a float (sentinelhub.md 2.4)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number", "must be a number, without quotes")
    try:
        finite = math.isfinite(float(value))
    except OverflowError:
        finite = False
    if not finite:
        raise PydanticCustomError("number", "must be a finite number")
    if abs(value) > LARGEST:
        raise PydanticCustomError("number", "must lie between -1e300 and 1e300")
    return value


Number = Annotated[int | float, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_number)]


Offer = Annotated[object | None, WithJsonSchema({"type": ["string", "boolean", "null"]})]
"""A processing option that `offers` checks against the collection."""


class BodyModel(BaseModel):
    """Base of all models: camelCase outside, snake_case inside; null means absent; errors never show a value."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore", hide_input_in_errors=True)


class S3Access(BodyModel):
    """An object or prefix in S3 (sentinelhub.md 2.1). Without keys, the server's own credentials are used."""

    url: str = Field(examples=["s3://my-bucket/parcels.gpkg"])
    access_key: str | None = None
    secret_access_key: SecretStr | None = Field(None, description="Never shown again")
    iam_role_arn: str | None = Field(None, alias="iamRoleARN")
    region: str | None = None


class GsAccess(BodyModel):
    """An object or prefix in Google Cloud Storage (sentinelhub.md 2.1)."""

    url: str = Field(examples=["gs://my-bucket/parcels.gpkg"])
    credentials: SecretStr | None = Field(None, description="Service account JSON, base64; never shown again")


class Access(BodyModel):
    """Exactly one of `s3` and `gs`."""

    model_config = ConfigDict(extra="forbid")

    s3: S3Access | None = None
    gs: GsAccess | None = None


Column = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class FeaturesAccess(Access):
    """The file of features; its ending gives its format: .gpkg, .fgb, .geojson, .json, .zip (a Shapefile), .parquet.
    `columns` is an extension of arpent."""

    columns: list[Column] | None = Field(
        None, max_length=1000, description='Columns kept in the features file; ["*"]: all', examples=[["crop"]]
    )
    identifier: Column | None = Field(None, description="Column of the identifiers; default: `identifier`")


class OutputAccess(Access):
    """Where results are written. `results` is an extension of arpent."""

    results: ResultForm | None = Field(None, description="Default: the server's setting")


class TimeRange(BodyModel):
    """Two instants, ISO 8601 with a time zone."""

    start: str = Field(alias="from", examples=["2020-06-01T00:00:00Z"])
    end: str = Field(alias="to", examples=["2020-07-31T00:00:00Z"])


class DataFilter(BodyModel):
    """Which acquisitions are considered, and which of them is on top (sentinelhub.md 2.2). `previewMode` is ignored."""

    time_range: TimeRange | None = Field(None, description="Intersected with each interval; both ends belong to it")
    mosaicking_order: MosaickingOrder | None = Field(None, description="Default: mostRecent")
    max_cloud_coverage: Number | None = Field(None, ge=0, le=100, description="Percent of the whole tile, inclusive")
    dem_instance: Offer = Field(None, description="COPERNICUS_30 or COPERNICUS_90 of `dem`")
    resolution: str | None = Field(None, description="Sentinel-1: HIGH, MEDIUM or FULL")
    acquisition_mode: str | None = Field(None, description="Sentinel-1: IW, EW, SM or WV")
    polarization: str | None = Field(None, description="Sentinel-1: DV, DH, SV, SH, VV, VH, HH or HV")
    orbit_direction: str | None = Field(None, description="Sentinel-1: ASCENDING or DESCENDING")
    timeliness: str | None = Field(None, description="Sentinel-1: NRT3h, Fast24h …")
    tiers: str | None = Field(None, description="Landsat: ALL_TIERS, TIER_1 or TIER_1_AND_RT")
    constellation: str | None = Field(None, description="HLS: LANDSAT or SENTINEL")


class Processing(BodyModel):
    """How source pixels become samples (sentinelhub.md 2.2)."""

    upsampling: Resampling | None = Field(None, description="Default: NEAREST")
    downsampling: Resampling | None = Field(None, description="Default: NEAREST")
    harmonize_values: bool | None = Field(None, description="Sentinel-2 only; default: true")
    back_coeff: Offer = Field(None, description="Only the collection's own value")
    orthorectify: Offer = Field(None, description="Only the collection's own value")
    dem_instance: Offer = Field(None, description="Only the collection's own value")


class SourceEntry(BodyModel):
    """One entry of `input.data`."""

    type: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", examples=["sentinel-2-l2a"])
    id: str | None = Field(None, description="Matched by `datasource` of the evalscript; default: ordinal")
    data_filter: DataFilter | None = None
    processing: Processing | None = None


class BatchInput(BodyModel):
    """Features and data of a batch request."""

    features: FeaturesAccess
    data: list[SourceEntry] = Field(min_length=1)


class BoundsProperties(BodyModel):
    """CRS of the bounds; x (longitude) always comes first (sentinelhub.md 2.1)."""

    crs: str | None = Field(None, examples=["http://www.opengis.net/def/crs/EPSG/0/32633"])


class BoundsEntry(BodyModel):
    """`bbox`, `geometry` or both. With both, the grid covers the box, and only samples inside the geometry count."""

    bbox: list[Number] | None = Field(None, examples=[[414315, 4958219, 414859, 4958819]])
    geometry: dict[str, object] | None = Field(None, description="GeoJSON Polygon or MultiPolygon")
    properties: BoundsProperties | None = None


class StatisticalInput(BodyModel):
    """Bounds and data of a synchronous request."""

    bounds: BoundsEntry
    data: list[SourceEntry] = Field(min_length=1)


class AggregationInterval(BodyModel):
    """How the time range is divided (sentinelhub.md 2.3)."""

    of: str = Field(examples=["P30D", "P1M"], description="ISO 8601 duration of at least one day")
    last_interval_behavior: LastInterval | None = Field(None, description="Default: SKIP")


class StatisticalAggregation(BodyModel):
    """Time range, sampling and script. Give either `resx` and `resy`, or `width` and `height`; a synchronous request
    with neither gets 256 x 256."""

    time_range: TimeRange
    aggregation_interval: AggregationInterval
    width: Number | None = Field(None, description=f"1 to {MAXIMUM_SIDE}; a fraction is cut off")
    height: Number | None = Field(None, description=f"1 to {MAXIMUM_SIDE}; a fraction is cut off")
    resx: Number | None = Field(None, gt=0, description="Units of the CRS")
    resy: Number | None = Field(None, gt=0, description="Units of the CRS")
    evalscript: str | None = None
    pixels: str | None = Field(
        None,
        description="Which samples belong to a polygon: service (default), centre, touched or weighted; and, after "
        "commas, inner:METRES, nearest and flagged. An extension of arpent",
        examples=["centre", "service,inner:10", "centre,nearest", "service,flagged"],
    )


class BatchAggregation(StatisticalAggregation):
    """Time range, sampling and script as in a synchronous request; the script may be in a bucket."""

    evalscript_reference: Access | None = None


class HistogramEntry(BodyModel):
    """Exactly one of `bins`, `nBins` and `binWidth`. Edges are integers or floats, as written in the request
    (sentinelhub.md 2.4)."""

    bins: list[Number] | None = Field(None, min_length=2, max_length=MAXIMUM_BINS + 1, description="Ascending edges")
    bin_count: Count | None = Field(None, alias="nBins", gt=0, le=MAXIMUM_BINS)
    bin_width: Annotated[Number, Field(ge=NARROWEST)] | None = Field(None, gt=0)
    low_edge: Number | None = None
    high_edge: Number | None = None


def _list(value: object) -> object:
    """Turn a single number into a list of one, since one client sends it that way (sentinelhub.md 11)."""
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


Percentiles = Annotated[list[Annotated[Number, Field(ge=0, le=100)]], BeforeValidator(_list)]


class PercentilesEntry(BodyModel):
    """Percentiles to compute: k from 0 to 100 (sentinelhub.md 2.4). An empty list asks for none (sentinelhub.md 11)."""

    k: Percentiles | None = Field(None, max_length=1000, examples=[[33, 50, 75, 90]])


class StatisticsEntry(BodyModel):
    """What to compute besides min, max, mean, stDev and counts."""

    percentiles: PercentilesEntry | None = None
    more: list[str] | None = Field(
        None, max_length=len(MORE), description=f"Extension of arpent: {', '.join(MORE)}", examples=[["sum", "median"]]
    )
    shares: dict[Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")], Count] | None = Field(
        None,
        max_length=1000,
        description="An extension of arpent: name of a class → its value in an integer band",
        examples=[{"vegetation": 4, "soil": 5}],
    )


class CalculationsEntry(BodyModel):
    """Calculations of one output, by band name or `default`."""

    histograms: dict[str, HistogramEntry | None] | None = None
    statistics: dict[str, StatisticsEntry | None] | None = None


class BatchBody(BodyModel):
    """Body of `POST /api/v1/statistics/batch`."""

    input: BatchInput
    aggregation: BatchAggregation
    calculations: dict[str, CalculationsEntry | None] | None = Field(None, description="By output id, or `default`")
    output: OutputAccess = Field(description="A prefix, or a template with <REQUEST_ID>, <ID> and <IDENTIFIER>")
    update: str | None = Field(
        None,
        pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        description="Id of an earlier request with the same output: only what is new or changed is computed. An "
        "extension of arpent",
    )


class StatisticalBody(BodyModel):
    """Body of `POST /api/v1/statistics`."""

    input: StatisticalInput
    aggregation: StatisticalAggregation
    calculations: dict[str, CalculationsEntry | None] | None = Field(None, description="By output id, or `default`")
