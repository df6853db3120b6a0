"""Query: the body of a catalogue search → SearchQuery; errors name everything that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely

from arpent.domain.boundary.text import whole_number
from arpent.domain.errors import InvalidRequest
from arpent.domain.imagery.collection import Collection
from arpent.domain.interval import YEARS, Interval
from arpent.wire.catalog.cql2 import parse_json, parse_text
from arpent.wire.catalog.names import queryables
from arpent.wire.catalog.predicate import Predicate, names_of
from arpent.wire.iso import parse_instant
from arpent.wire.request.body import read_json
from arpent.wire.request.violations import ViolationCollector

MOST = 100
"""Maximum number of features per page."""
USUAL = 10
"""Default number of features per page."""
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
KNOWN = frozenset({
    "collections", "datetime", "bbox", "intersects", "ids", "filter", "filter-lang", "filter-crs", "fields", "distinct",
    "limit", "next",
})  # fmt: skip
ALWAYS = Interval(start=datetime(YEARS[0], 1, 1, tzinfo=UTC), end=datetime(YEARS[-1], 12, 31, 23, 59, 59, tzinfo=UTC))
WORLD = (-180.0, -90.0, 180.0, 90.0)
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """A parsed catalogue search."""

    collection: Collection
    """The collection whose items are searched."""
    interval: Interval
    """Time range that items must lie in."""
    box: Box
    """West, south, east, north in degrees; if west > east, the box crosses the antimeridian."""
    area: shapely.Geometry | None
    """Geometry that items must intersect, in EPSG:4326; None: only the box counts."""
    ids: frozenset[str] | None
    """Ids of the items wanted; None: all."""
    predicate: Predicate | None
    """Condition on the items' properties; None: no condition."""
    include: tuple[str, ...]
    """Paths of the fields to return of each feature; empty: all except `exclude`."""
    exclude: tuple[str, ...]
    """Paths of the fields to leave out."""
    distinct: str | None
    """A property whose distinct values are returned instead of features; `date` means the day."""
    limit: int
    """Maximum number of features on this page."""
    start: int
    """Number of features before this page."""


def parse_search(text: str, find: Callable[[str], Collection | None]) -> SearchQuery:
    """Parse the JSON body of a search; `find` returns a collection by id or alias, or None. Raises InvalidRequest,
    naming everything that is wrong."""
    body = read_json(text)
    gathering = ViolationCollector()
    for name in sorted(body.keys() - KNOWN):
        gathering.attempt(_unknown, name)
    collection = gathering.attempt(_collection, body.get("collections"), find)
    interval = gathering.attempt(_interval, body.get("datetime"))
    box = gathering.attempt(_box, body.get("bbox"))
    area = gathering.attempt(_area, body.get("intersects"), body.get("bbox"))
    ids = gathering.attempt(_ids, body.get("ids"))
    fields = gathering.attempt(_fields, body.get("fields"))
    predicate = gathering.attempt(_predicate, body)
    limit = gathering.attempt(_number, body.get("limit", USUAL), "limit", 1, MOST)
    start = gathering.attempt(_number, body.get("next", 0), "next", 0, 10_000_000)
    distinct = gathering.attempt(_text, body.get("distinct"), "distinct")
    gathering.close()
    known = queryables(collection)
    for name in sorted(names_of(predicate) if predicate else ()):
        if name not in known:
            gathering.attempt(_not_queryable, "filter", name, known)
    if distinct is not None and distinct != "date" and distinct not in known:
        gathering.attempt(_not_queryable, "distinct", distinct, {"date": {}, **known})
    gathering.close()
    bounds = box or (tuple(float(each) for each in shapely.bounds(area)) if area is not None else WORLD)
    return SearchQuery(
        collection=collection,
        interval=interval,
        box=bounds,  # type: ignore[arg-type]
        area=area,
        ids=ids,
        predicate=predicate,
        include=fields[0],
        exclude=fields[1],
        distinct=distinct,
        limit=limit,
        start=start,
    )


def body_of(parameters: Mapping[str, str]) -> str:
    """The JSON body that is equivalent to the query string of a GET search. Raises InvalidRequest."""
    body: dict[str, object] = {}
    for name, value in parameters.items():
        if name in ("collections", "ids"):
            body[name] = value.split(",")
        elif name == "bbox":
            body[name] = [_float(part) for part in value.split(",")]
        elif name in ("limit", "next"):
            number = whole_number(value)
            body[name] = value if number is None else number
        elif name == "intersects" or (name == "filter" and parameters.get("filter-lang") == "cql2-json"):
            body[name] = _json(name, value)
        elif name == "fields":
            parts = value.split(",")
            body[name] = {
                "include": [part.lstrip("+") for part in parts if part and not part.startswith("-")],
                "exclude": [part[1:] for part in parts if part.startswith("-")],
            }
        else:
            body[name] = value
    return json.dumps(body)


def body_of_one(collection: str, item: str) -> str:
    """The JSON body of a search for one item by its id."""
    return json.dumps({"collections": [collection], "ids": [item]})


def _float(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _json(name: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequest.at(name, "is not JSON") from None


def _unknown(name: str) -> None:
    raise InvalidRequest.at(f"{name:.40}", f"is not supported; a search has {', '.join(sorted(KNOWN))}")


def _collection(given: object, find: Callable[[str], Collection | None]) -> Collection:
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], str):
        raise InvalidRequest.at("collections", "must be a list of one collection id")
    found = find(given[0])
    if found is None:
        raise InvalidRequest.at(
            "collections", f"'{given[0]:.60}' is not a collection of this server; GET …/collections"
        )
    return found


def _interval(given: object) -> Interval:
    if given is None:
        return ALWAYS
    if not isinstance(given, str):
        raise InvalidRequest.at("datetime", "must be an instant, or two with a slash between them")
    first, slash, last = given.partition("/")
    if not slash:
        instant = parse_instant(first, "datetime")
        return Interval(start=instant, end=instant + timedelta(microseconds=1))
    start = ALWAYS.start if first in ("", "..") else parse_instant(first, "datetime")
    end = ALWAYS.end if last in ("", "..") else parse_instant(last, "datetime") + timedelta(microseconds=1)
    if end <= start:
        raise InvalidRequest.at("datetime", "ends before it begins")
    return Interval(start=start, end=end)


def _box(given: object) -> Box | None:
    if given is None:
        return None
    numbers = isinstance(given, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) and abs(each) <= 1e300 for each in given
    )
    if not numbers or not isinstance(given, list) or len(given) not in (4, 6):
        raise InvalidRequest.at("bbox", "must be four numbers: west, south, east, north in degrees")
    west, south, east, north = (float(each) for each in (given if len(given) == 4 else [*given[:2], *given[3:5]]))
    if south > north or not (south >= -90 and north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise InvalidRequest.at("bbox", "must be west, south, east, north in degrees of WGS 84")
    return west, south, east, north


def _area(given: object, box: object) -> shapely.Geometry | None:
    if given is None:
        return None
    if box is not None:
        raise InvalidRequest.at("intersects", "cannot be combined with bbox; leave one of them out")
    try:
        found = shapely.from_geojson(json.dumps(given))
    except (shapely.errors.ShapelyError, TypeError, ValueError):
        raise InvalidRequest.at("intersects", "is not a GeoJSON geometry") from None
    coordinates = shapely.get_coordinates(found)
    if found is None or shapely.is_empty(found) or not np.isfinite(coordinates).all():
        raise InvalidRequest.at("intersects", "is empty, or has no finite coordinates")
    if (np.abs(coordinates) > (180, 90)).any():
        raise InvalidRequest.at("intersects", "must lie in degrees of WGS 84, longitude first")
    if not shapely.is_valid(found):  # repair would take time quadratic in the number of crossings
        reason = shapely.is_valid_reason(found)
        raise InvalidRequest.at(
            "intersects", f"is invalid: {reason:.200}. Repair it, for example with shapely.make_valid"
        )
    shapely.prepare(found)
    return found


def _ids(given: object) -> frozenset[str] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise InvalidRequest.at("ids", "must be a list of ids")
    return frozenset(given)


def _fields(given: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if given is None:
        return (), ()
    parts: Any = given if isinstance(given, dict) else {}
    lists = [parts.get(name) or [] for name in ("include", "exclude")]
    whole = isinstance(given, dict) and all(isinstance(each, list) for each in lists)
    if not whole or not all(isinstance(path, str) for each in lists for path in each):
        raise InvalidRequest.at("fields", "must be an object with lists of paths: include, exclude")
    return tuple(lists[0]), tuple(lists[1])


def _predicate(body: Mapping[str, object]) -> Predicate | None:
    given, language = body.get("filter"), body.get("filter-lang", "cql2-text")
    if body.get("filter-crs") not in (None, CRS84):
        raise InvalidRequest.at("filter-crs", f"must be {CRS84}")
    if language not in ("cql2-text", "cql2-json"):
        raise InvalidRequest.at("filter-lang", "must be cql2-text or cql2-json")
    if given is None or given == "":
        return None
    if isinstance(given, str) == (language == "cql2-json"):
        raise InvalidRequest.at("filter", f"is not {language}; filter-lang says that it is")
    return parse_text(given) if isinstance(given, str) else parse_json(given)


def _number(given: object, name: str, least: int, most: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise InvalidRequest.at(name, f"must be a whole number from {least} to {most}")
    return given


def _text(given: object, name: str) -> str | None:
    if given is not None and not isinstance(given, str):
        raise InvalidRequest.at(name, "must be the name of a property")
    return given


def _not_queryable(parameter: str, name: str, known: Mapping[str, object]) -> None:
    raise InvalidRequest.at(parameter, f"'{name:.60}' is not available; available: {', '.join(known)}")
