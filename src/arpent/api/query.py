"""Query: what a caller asks about some fields, once checked, and the batch request for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from arpent.domain.calculation import CLOUDY_SHARE
from arpent.domain.errors import InvalidRequest
from arpent.domain.imagery.collection import Collection
from arpent.domain.request import MosaickingOrder
from arpent.evalscript.indices.masks import usual_mask
from arpent.evalscript.indices.script import IndexQuery, index_script

Day = str | date
FIELDS_URL = "s3://fields/fields"
RESULTS = "results"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_METRES = re.compile(r"(\d+(?:\.\d+)?)\s*m?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The statistics that a caller wants for some fields."""

    start: str
    """A day, or an instant in ISO 8601."""
    end: str
    """A day, or an instant in ISO 8601; exclusive."""
    every: str
    """Length of an interval as an ISO 8601 duration: P10D, P1M."""
    resolution: float
    """Sample size in metres on the ground, along both axes."""
    collection: str = "sentinel-2-l2a"
    """Id or alias of a collection."""
    index: tuple[str, ...] = ()
    """Names of indices; either these or a script are given."""
    script: str | None = None
    """An evalscript's text."""
    mask_clouds: bool = False
    """Leave cloudy samples out, and report their share; for indices only."""
    order: str = "mostRecent"
    """Which acquisition wins a pixel: mostRecent, leastRecent, leastCC."""
    max_cloud_coverage: float | None = None
    """Maximum cloud cover of a tile in percent, inclusive."""
    percentiles: tuple[float, ...] = ()
    """Percentiles to compute, from 0 to 100."""
    pixels: str = "service"
    """Which samples belong to a polygon: `service`, `centre`, `touched` or `weighted`; after commas `inner:METRES`,
    `nearest` and `flagged`."""
    more: tuple[str, ...] = ()
    """Further statistics: sum, count, variance, median, mode, weightedMean, cloudyShare."""
    shares: tuple[tuple[str, int], ...] = ()
    """Name and value of classes whose shares become columns; for integer outputs of a script."""


def query_of(  # noqa: PLR0913
    *,
    start: Day,
    end: Day,
    every: str,
    resolution: str | float,
    index: str | Sequence[str] | None,
    script: str | Path | None,
    mask_clouds: bool,
    collection: str,
    order: str,
    max_cloud_coverage: float | None,
    percentiles: Sequence[float] = (),
    pixels: str = "service",
    more: str | Sequence[str] | None = None,
    shares: Mapping[str, int] | None = None,
) -> Query:
    """A Query from a caller's arguments. Raises InvalidRequest for those that cannot be read."""
    return Query(
        start=instant_of(start),
        end=instant_of(end),
        every=every,
        resolution=metres_of(resolution),
        collection=collection,
        index=names_of(index),
        script=script_text(script),
        mask_clouds=mask_clouds,
        order=order,
        max_cloud_coverage=max_cloud_coverage,
        percentiles=tuple(percentiles),
        pixels=pixels,
        more=names_of(more),
        shares=tuple((shares or {}).items()),
    )


def script_text(script: str | Path | None) -> str | None:
    """An evalscript's text, given as text (with a line break or a brace) or as a path. Raises InvalidRequest."""
    if script is None or (isinstance(script, str) and ("\n" in script or "{" in script)):
        return script
    try:
        return Path(script).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"The script {script} cannot be read: {getattr(error, 'strerror', error)}") from None


def metres_of(text: str | float) -> float:
    """The metres that `10m`, `10` or a number mean. Raises InvalidRequest."""
    if isinstance(text, int | float):
        value = float(text)
    elif (found := _METRES.fullmatch(text.strip())) is not None:
        value = float(found[1])
    else:
        raise InvalidRequest(f"The resolution {text!r:.40} is not understood: write metres, 10m or 10")
    if not 0 < value < float("inf"):
        raise InvalidRequest("The resolution must be above 0 metres")
    return value


def instant_of(value: str | date) -> str:
    """A day or an instant as ISO 8601 with a time zone."""
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo else f"{value.isoformat()}Z"
    text = value.isoformat() if isinstance(value, date) else value.strip()
    return f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text


def body_of(query: Query, collections: Mapping[str, Collection]) -> str:
    """The JSON of a batch request with its files in the buckets `fields` and `results`. Raises InvalidRequest."""
    if query.order not in set(MosaickingOrder):
        raise InvalidRequest(f"The order {query.order!r:.40} is not known: write {', '.join(MosaickingOrder)}")
    filters: dict[str, object] = {"mosaickingOrder": query.order}
    if query.max_cloud_coverage is not None:
        filters["maxCloudCoverage"] = query.max_cloud_coverage
    aggregation = {
        "timeRange": {"from": query.start, "to": query.end},
        "aggregationInterval": {"of": query.every, "lastIntervalBehavior": "SHORTEN"},
        "resx": query.resolution,
        "resy": query.resolution,
        "evalscript": script_of_query(query, collections),
        **({"pixels": query.pixels} if query.pixels != "service" else {}),
    }
    body: dict[str, object] = {
        "input": {
            "features": {"s3": {"url": FIELDS_URL}},
            "data": [{"type": query.collection, "dataFilter": filters}],
        },
        "aggregation": aggregation,
        "output": {"s3": {"url": f"s3://{RESULTS}"}},
    }
    wishes: dict[str, object] = {}
    if query.percentiles:
        wishes["percentiles"] = {"k": list(query.percentiles)}
    # A caller that masks clouds will want to know how many samples that removed.
    more = dict.fromkeys((*query.more, *([CLOUDY_SHARE] if query.mask_clouds else [])))
    if more:
        wishes["more"] = list(more)
    if query.shares:
        wishes["shares"] = dict(query.shares)
    if wishes:
        body["calculations"] = {"default": {"statistics": {"default": wishes}}}
    return json.dumps(body)


def script_of_query(query: Query, collections: Mapping[str, Collection]) -> str:
    """The evalscript: either the given one or one made from the indices. Raises InvalidRequest."""
    if (query.script is None) == (not query.index):
        raise InvalidRequest("Give either an index (ndvi) or an evalscript")
    if query.script is not None:
        if query.mask_clouds:
            raise InvalidRequest("Clouds are masked for indices only; let your own script set dataMask")
        return query.script
    known = collections.get(query.collection)
    collection = query.collection if known is None else known.id
    mask = usual_mask(collection) if query.mask_clouds else None
    return index_script(IndexQuery(index=query.index, collection=collection, mask=mask))


def names_of(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names in `ndvi,ndwi` or in a list."""
    parts = value.split(",") if isinstance(value, str) else value or ()
    return tuple(part.strip() for part in parts if part.strip())
