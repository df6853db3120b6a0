"""Parse: a body's JSON text → Request, with the real service's defaults and mutually exclusive fields
(sentinelhub.md 2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import shapely
from pydantic import ValidationError

from arpent.domain.errors import InvalidRequest
from arpent.domain.grid import MAXIMUM_SIDE, Grids, Resolution, Size
from arpent.domain.imagery.collection import Collection
from arpent.domain.interval import LastInterval
from arpent.domain.location import FeatureFile, Location
from arpent.domain.request import Bounds, MosaickingOrder, Request, Resampling, Source, chosen
from arpent.wire.iso import check_count, parse_duration, parse_time_range
from arpent.wire.request.access import read_features_file, read_object, write_prefix
from arpent.wire.request.body import read_json
from arpent.wire.request.bounds import bounds
from arpent.wire.request.calculations import calculations
from arpent.wire.request.filters import filters_of, unfiltered
from arpent.wire.request.offers import requested_options, unoffered
from arpent.wire.request.pixels import pixel_rule, weighed
from arpent.wire.request.schema import (
    BatchAggregation,
    BatchBody,
    BodyModel,
    DataFilter,
    Processing,
    SourceEntry,
    StatisticalAggregation,
    StatisticalBody,
)
from arpent.wire.request.unknown_keys import unknown_keys
from arpent.wire.request.unserved import COLLECTIONS, unserved
from arpent.wire.request.violations import ViolationCollector, refusal, translate
from arpent.wire.secrets import without_secrets

MAXIMUM_SCRIPT = 32 * 1024
"""Size in bytes at which an inline evalscript is refused (sentinelhub.md 2.3)."""
DEFAULT_SIDE = 256
"""Samples per side if the request gives neither resolution nor size (sentinelhub.md 2.3)."""
BOTH_PAIRS = "Only width and height or resx and resy can be set at the same time."
"""Error message in the wording of the real service (sentinelhub.md 1.5)."""
NEITHER_PAIR = "is missing: give resx and resy, in units of the features' CRS, or width and height"

ShapeT = TypeVar("ShapeT", bound=BodyModel)


def parse_batch(text: str, client: str | None = None) -> Request:
    """The Request of a batch body (JSON text), with the real service's defaults (sentinelhub.md 2). `client`: id of the
    client that sent it. Raises InvalidRequest, listing all violations, and EmptyBody."""
    body = read_json(text)
    _refuse_key(body, "bounds", "belongs to the synchronous API; a batch request has input->features")
    shape = _validate(BatchBody, body)
    gathering = ViolationCollector()
    features = gathering.attempt(read_features_file, shape.input.features, "input->features", client)
    output = gathering.attempt(write_prefix, shape.output, "output", client)
    script = gathering.attempt(_batch_script, shape.aggregation, client)
    request = _request(shape, gathering, features, script, output)
    return replace(
        request,
        results=shape.output.results,
        update=None if shape.update is None else shape.update.lower(),
        shown=json.dumps(without_secrets(text), ensure_ascii=False),
    )


def parse_statistical(text: str) -> Request:
    """The Request of a synchronous body (JSON text), with the real service's defaults (sentinelhub.md 2). Raises
    InvalidRequest, listing all violations, and EmptyBody."""
    body = read_json(text)
    _refuse_key(body, "features", "belongs to the batch API; a synchronous request has input->bounds")
    shape = _validate(StatisticalBody, body)
    gathering = ViolationCollector()
    area = gathering.attempt(bounds, shape.input.bounds)
    script = gathering.attempt(_statistical_script, shape.aggregation, body)
    request = _request(shape, gathering, area, script, None)
    _check_sides(area, request.sampling)
    return request


def check_collections(request: Request, find: Callable[[str], Collection | None]) -> None:
    """Reject sources whose collection is unknown, or lacks the cloud cover, filters or processing options requested.

    `find` returns the collection with an id or alias, or None. Raises InvalidRequest.
    """
    violations: list[tuple[str, str]] = []
    for position, source in enumerate(request.sources):
        at = f"input->data->{position}"
        collection = chosen(source, find)
        if collection is None:
            reason = COLLECTIONS.get(source.collection)
            words = f": {reason}" if reason else ""
            violations.append((f"{at}->type", f"'{source.collection}' is not a collection of this server{words}"))
            continue
        unfit = (*unoffered(source, collection), *unfiltered(source, collection))
        violations.extend((f"{at}->{place}", violation) for place, violation in unfit)
        if collection.cloud_cover is None:
            if source.mosaicking_order is MosaickingOrder.LEAST_CC:
                wish = "leastCC needs a cloud cover, which this collection lacks; use mostRecent or leastRecent"
                violations.append((f"{at}->dataFilter->mosaickingOrder", wish))
            if source.max_cloud_coverage < 100:
                wish = "needs a cloud cover, which this collection lacks; leave it out"
                violations.append((f"{at}->dataFilter->maxCloudCoverage", wish))
    if violations:
        raise refusal(violations)


def _validate(kind: type[ShapeT], body: dict[str, Any]) -> ShapeT:
    try:
        shape = kind.model_validate(body)
    except ValidationError as error:
        # `from None`: pydantic's error holds the input, including secrets
        raise refusal((*translate(error), *unserved(body), *unknown_keys(body))) from None
    if violations := (*unserved(body), *unknown_keys(body)):
        raise refusal(violations)
    return shape


def _refuse_key(body: dict[str, Any], name: str, violation: str) -> None:
    part = body.get("input")
    if isinstance(part, dict) and part.get(name) is not None:
        raise InvalidRequest.at(f"input->{name}", violation)


def _request(
    shape: BatchBody | StatisticalBody,
    gathering: ViolationCollector,
    area: FeatureFile | Bounds,
    script: str | Location,
    output: Location | None,
) -> Request:
    """The Request, built from the parts that both kinds of body share. Raises the violations collected so far."""
    aggregation = shape.aggregation
    whole = gathering.attempt(parse_time_range, aggregation.time_range, "aggregation->timeRange")
    at = "aggregation->aggregationInterval->of"
    period = gathering.attempt(parse_duration, aggregation.aggregation_interval.of, at)
    sampling = gathering.attempt(_sampling, aggregation)
    sources = gathering.attempt(_sources, shape.input.data)
    wishes = gathering.attempt(calculations, shape.calculations)
    pixels = gathering.attempt(pixel_rule, aggregation.pixels)
    gathering.close()
    check_count(whole, period, at)
    return Request(
        features=area,
        sources=sources,
        time_range=whole,
        period=period,
        last_interval=aggregation.aggregation_interval.last_interval_behavior or LastInterval.SKIP,
        sampling=sampling,
        script=script,
        calculations=weighed(wishes, pixels),
        pixels=pixels,
        output=output,
    )


def _batch_script(aggregation: BatchAggregation, client: str | None) -> str | Location:
    script, reference = aggregation.evalscript, aggregation.evalscript_reference
    if (script is None) == (reference is None):
        raise InvalidRequest.at("aggregation->evalscript", "needs exactly one of evalscript and evalscriptReference")
    if reference is not None:
        return read_object(reference, "aggregation->evalscriptReference", client)
    assert script is not None
    return _written(script, "store it and use evalscriptReference")


def _statistical_script(aggregation: StatisticalAggregation, body: dict[str, Any]) -> str:
    if body["aggregation"].get("evalscriptReference") is not None:
        raise InvalidRequest.at("aggregation->evalscriptReference", "is for batch requests; use evalscript")
    if aggregation.evalscript is None:
        raise InvalidRequest.at("aggregation->evalscript", "is required")
    return _written(aggregation.evalscript, "shorten it, or send a batch request with evalscriptReference")


def _written(script: str, way: str) -> str:
    if len(script) >= MAXIMUM_SCRIPT or len(script.encode()) >= MAXIMUM_SCRIPT:
        raise InvalidRequest.at("aggregation->evalscript", f"must be below 32 KB; {way}")
    if not script.strip():
        raise InvalidRequest.at("aggregation->evalscript", "is empty; it must start with //VERSION=3")
    return script


def _sampling(aggregation: StatisticalAggregation) -> Resolution | Size:
    """Resolution or size, of which both fields must be given. The default is 256 x 256 (sentinelhub.md 2.3), but only
    for synchronous requests: in a batch, every parcel, however small, would get 65,536 samples."""
    resolution = {"resx": aggregation.resx, "resy": aggregation.resy}
    size = {"width": aggregation.width, "height": aggregation.height}
    given = [pair for pair in (resolution, size) if any(number is not None for number in pair.values())]
    if len(given) == 2:
        raise InvalidRequest(BOTH_PAIRS, (("aggregation->resx", BOTH_PAIRS),))
    if not given and isinstance(aggregation, BatchAggregation):
        raise InvalidRequest.at("aggregation->resx", NEITHER_PAIR)
    if not given:
        return Size(width=DEFAULT_SIDE, height=DEFAULT_SIDE)
    for name, number in given[0].items():
        if number is None:
            raise InvalidRequest.at(f"aggregation->{name}", f"is missing: {' and '.join(given[0])} go together")
    if aggregation.resx is not None and aggregation.resy is not None:
        return Resolution(x=float(aggregation.resx), y=float(aggregation.resy))
    return Size(width=_side("width", aggregation.width), height=_side("height", aggregation.height))


def _side(name: str, number: float | None) -> int:
    """Samples along one side; fractions are truncated, as the real service seems to do (sentinelhub.md 2.3)."""
    side = int(number or 0)
    if not 1 <= side <= MAXIMUM_SIDE:
        raise InvalidRequest.at(f"aggregation->{name}", f"must be between 1 and {MAXIMUM_SIDE}")
    return side


def _sources(entries: list[SourceEntry]) -> tuple[Source, ...]:
    sources = tuple(_source(entry, position) for position, entry in enumerate(entries))
    seen: set[str] = set()
    for position, source in enumerate(sources):
        if source.id in seen:
            violation = "is taken by another entry; ids must differ (the default is the entry's position)"
            raise InvalidRequest.at(f"input->data->{position}->id", violation)
        seen.add(source.id)
    return sources


def _source(entry: SourceEntry, position: int) -> Source:
    data_filter, processing = entry.data_filter or DataFilter(), entry.processing or Processing()
    wanted = data_filter.time_range
    at = f"input->data->{position}->dataFilter->timeRange"
    return Source(
        id=entry.id or str(position),
        collection=entry.type,
        time_range=parse_time_range(wanted, at, inclusive=True) if wanted else None,
        mosaicking_order=data_filter.mosaicking_order or MosaickingOrder.MOST_RECENT,
        max_cloud_coverage=100.0 if data_filter.max_cloud_coverage is None else float(data_filter.max_cloud_coverage),
        upsampling=processing.upsampling or Resampling.NEAREST,
        downsampling=processing.downsampling or Resampling.NEAREST,
        harmonize_values=processing.harmonize_values is not False,
        options=requested_options(data_filter, processing),
        filters=filters_of(data_filter),
    )


def _check_sides(area: Bounds, sampling: Resolution | Size) -> None:
    """Reject a resolution that gives a side over 2500 samples, in the real service's words (sentinelhub.md 1.5)."""
    if isinstance(sampling, Size):
        return
    box = area.box if area.box is not None else shapely.bounds(area.geometry)
    extents = np.asarray([box], np.float64)
    # checked before rounding to integers, which a tiny resolution would overflow
    fine = extents[0, 2:] - extents[0, :2] > np.array((sampling.x, sampling.y)) * 1e9
    for name in np.array(["resx", "resy"])[fine]:
        raise InvalidRequest.at(
            f"aggregation->{name}", f"makes more than {MAXIMUM_SIDE} samples per side; use a coarser one"
        )
    grid = Grids.over(extents, sampling)
    for name, source, side in (("width", "resx", grid.width[0]), ("height", "resy", grid.height[0])):
        if side > MAXIMUM_SIDE:
            violation = f"`{name} = {side}`, calculated from {source}, is larger than allowed {MAXIMUM_SIDE}."
            raise InvalidRequest(violation + "\n", ((f"aggregation->{source}", violation),))
