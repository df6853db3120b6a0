"""Answers: shapes of the bodies that the server sends, for the OpenAPI document (sentinelhub.md 1.3, 1.5, 3.2).

`wire` writes the answers; these models only describe them, and tests compare the two. A field without a default is
always present.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from arpent.domain.finding import Verdict
from arpent.domain.job import Status, StopReason, UserAction
from arpent.domain.result import ErrorType

Fields = dict[str, object]
Box = Annotated[list[float], Field(min_length=4, max_length=4)]
Value = float | Literal["NaN", "Infinity", "-Infinity"]


class AnswerModel(BaseModel):
    """Base of all answers: JSON names are in camelCase, and fields may be added later."""

    model_config = ConfigDict(alias_generator=to_camel, extra="allow")


class ViolationAnswer(AnswerModel):
    """One thing that is wrong with a request."""

    parameter: str = Field(examples=["aggregation->resy"])
    violation: str


class ErrorFields(AnswerModel):
    """Why a request was refused, or what went wrong."""

    status: int
    reason: str = Field(examples=["Bad Request"])
    message: str
    code: str = Field(examples=["COMMON_BAD_PAYLOAD"])
    errors: list[ViolationAnswer] = []


class ErrorAnswer(AnswerModel):
    """The body of every error except 429."""

    error: ErrorFields


class OAuthErrorAnswer(AnswerModel):
    """A refused request for a token."""

    model_config = ConfigDict(alias_generator=None)

    error: str = Field(examples=["invalid_client"])
    error_description: str


class TokenAnswer(AnswerModel):
    """An access token."""

    model_config = ConfigDict(alias_generator=None)

    access_token: str
    expires_in: int = Field(description="Seconds")
    token_type: Literal["Bearer"]


class ReasonAnswer(AnswerModel):
    """Why rows of a job failed."""

    reason: str
    count: int


class RowsAnswer(AnswerModel):
    """The outcomes of a job's rows, each of which is a feature in an interval; an extension of arpent."""

    with_numbers: int
    all_masked: int
    without_imagery: int
    failed: int
    kept: int
    reasons: list[ReasonAnswer]


class ProgressAnswer(AnswerModel):
    """Progress of a job; an extension of arpent."""

    features: int
    done: int
    failed: int
    incomplete: int
    partitions: int
    open: int
    rows: RowsAnswer | None = None
    features_per_second: float | None
    seconds_left: float | None
    estimated_end: datetime | None


class WaitingAnswer(AnswerModel):
    """What a job is waiting for; an extension of arpent."""

    what: str = Field(alias="for")
    since: datetime


class TaskStatusAnswer(AnswerModel):
    """A batch request without its body."""

    id: UUID
    status: Status
    completion_percentage: float = Field(ge=0, le=100)
    last_updated: datetime | None = None
    cost_pu: float = Field(alias="costPU", description="Processing units; the real service sends this spelling")
    created: datetime
    cost_pu_again: float = Field(alias="costPu", description="The same, as the service's OpenAPI document spells it")
    error: str | None = Field(None, description="Of a request that is FAILED")
    waiting: WaitingAnswer | None = None
    stopped_status_reason: StopReason | None = None
    estimate: dict[str, float] | None = Field(None, description="What the analysis expects; an extension of arpent")
    hint: str | None = Field(None, description="What is probably a mistake; an extension of arpent")
    progress: ProgressAnswer | None = None
    owner: str | None = Field(None, description="Client id, for operators; an extension of arpent")


class TaskAnswer(TaskStatusAnswer):
    """A batch request."""

    request: Fields = Field(description="The body that was sent, without its secrets")
    user_action: UserAction
    user_action_updated: datetime | None = None


class LinksAnswer(AnswerModel):
    """Links to the neighbours of a page."""

    current_token: str
    next_token: str | None = None
    previous_token: str | None = None
    own: str = Field(alias="@id")
    next: str | None = None
    previous: str | None = None


class TaskPage(AnswerModel):
    """A page of batch requests."""

    data: list[TaskAnswer]
    links: LinksAnswer


class FindingAnswer(AnswerModel):
    """What the analysis or the processing found about a feature."""

    id: int
    identifier: str | None
    verdict: Verdict
    kind: str
    message: str


class FindingPage(AnswerModel):
    """A page of findings."""

    data: list[FindingAnswer]
    links: LinksAnswer


class IntervalAnswer(AnswerModel):
    """A time interval, from one instant to another."""

    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")


class IntervalError(AnswerModel):
    """Why an interval or a feature has no numbers."""

    type: ErrorType
    message: str


class BandStatsAnswer(AnswerModel):
    """Statistics of a band; numbers are the text NaN if no sample is valid. Those below `percentiles` are extensions of
    ours, and present if `more` or `shares` asked for them."""

    min: Value
    max: Value
    mean: Value
    st_dev: Value
    sample_count: int
    no_data_count: int
    percentiles: dict[str, Value] | None = None
    sum: Value | None = None
    count: Value | None = None
    variance: Value | None = None
    median: Value | None = None
    mode: Value | None = None
    weighted_mean: Value | None = None
    cloudy_share: Value | None = None
    shares: dict[str, Value] | None = None


class BinAnswer(AnswerModel):
    """A bin of a histogram; it includes its lower edge, and its upper edge only if it is the last bin."""

    low_edge: float
    high_edge: float
    count: int


class HistogramAnswer(AnswerModel):
    """A histogram of a band."""

    bins: list[BinAnswer]
    overflow_count: int
    underflow_count: int


class BandAnswer(AnswerModel):
    """One band of an output."""

    stats: BandStatsAnswer
    histogram: HistogramAnswer | None = None


class OutputAnswer(AnswerModel):
    """One output of the evalscript, by band."""

    bands: dict[str, BandAnswer]


class DatumAnswer(AnswerModel):
    """One interval: its outputs, or its error."""

    interval: IntervalAnswer
    outputs: dict[str, OutputAnswer] | None = None
    error: IntervalError | None = None


class StatisticalAnswer(AnswerModel):
    """Statistics of one polygon, by interval; `error` if the polygon itself cannot be computed."""

    data: list[DatumAnswer] | None = None
    status: Literal["OK", "PARTIAL", "FAILED"]
    geometry_pixel_count: int | None = None
    tiny: bool | None = Field(None, description="An extension of arpent: where `pixels` has `flagged`")
    error: IntervalError | None = None


class FileAnswer(AnswerModel):
    """The location of an uploaded file."""

    url: str = Field(examples=["s3://fields/uploads/1f/fields.gpkg"])


class EvalscriptAnswer(AnswerModel):
    """The evalscript made from indices."""

    evalscript: str


class HealthAnswer(AnswerModel):
    """The server is working."""

    status: Literal["ok"]


class LinkAnswer(AnswerModel):
    """A link of a catalogue."""

    rel: str
    href: str


class FeatureAnswer(AnswerModel):
    """One acquisition as GeoJSON; `fields` may leave out parts of it."""

    type: Literal["Feature"] | None = None
    id: str | None = None
    collection: str | None = None
    geometry: Fields | None = None
    bbox: Box | None = None
    properties: Fields | None = None
    links: list[LinkAnswer] | None = None


class FeaturePage(AnswerModel):
    """A page of acquisitions or, with `distinct`, of texts."""

    type: Literal["FeatureCollection"]
    features: list[FeatureAnswer | str | float | None]
    links: list[LinkAnswer]
    context: Fields


class CollectionAnswer(AnswerModel):
    """A data collection."""

    id: str
    type: Literal["Collection"]
    title: str
    description: str
    license: str
    links: list[LinkAnswer]


class CollectionList(AnswerModel):
    """All data collections."""

    collections: list[CollectionAnswer]
    links: list[LinkAnswer]


class ConformanceAnswer(AnswerModel):
    """Specifications to which the catalogue conforms."""

    conforms_to: list[str]


class OverviewAnswer(AnswerModel):
    """What can be shown of a job's results."""

    features: int
    bbox: Box | None
    outputs: list[Fields]
    statistics: list[str]
    intervals: list[Fields]
    failed: int
    verdicts: dict[str, int]


class ScaleAnswer(AnswerModel):
    """The range of a statistic; null if there is no number."""

    min: float | None
    low: float | None
    high: float | None
    max: float | None


class ValueAnswer(AnswerModel):
    """One number of a feature."""

    id: int
    identifier: str | None
    value: float | None
    verdict: Verdict | None


class ValuePage(AnswerModel):
    """A page of features with one number each."""

    total: int
    data: list[ValueAnswer]


class SeriesAnswer(AnswerModel):
    """All numbers of a feature."""

    id: int
    identifier: str | None
    properties: Fields
    bbox: Box | None
    findings: list[FindingAnswer]
    data: list[Fields]


class ExplanationAnswer(AnswerModel):
    """How the numbers of a feature in an interval were computed."""

    id: int
    identifier: str | None
    interval: IntervalAnswer
    response: StatisticalAnswer
