"""Results: the routes that show a job's numbers on the map and by feature; an extension of arpent."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from arpent.domain.errors import FeatureNotFound, InvalidRequest
from arpent.domain.ports.page import PageCalls
from arpent.jobs.service import JobService
from arpent.server.calls import ClientDisconnected
from arpent.server.middleware import JSON
from arpent.server.page.turns import Turns
from arpent.wire.page import page as window_of
from arpent.wire.result.view import Shown, parse_shown

TILE = "application/vnd.mapbox-vector-tile"
DEEPEST = 24
TABLES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
AT_ONCE = 2
"""Views of one client that are computed at once. A map requests a dozen tiles; the others wait here."""
MOST_WAITING, MOST_IN_ALL = 100, 2000
"""Maximum views under way, including waiting ones, of one client and of all. A large map requests dozens of tiles."""
GZIP_LEVEL = 4
BRIEF = "private, max-age=60"
"""Cache-Control: results change only while a job runs, and the page puts the job's state into the URLs."""

NOTHING = Shown("", "", "")
"""No number is requested: features are drawn without colours."""


async def _optional(
    output: Annotated[str | None, Query(description="Id of an output")] = None,
    band: Annotated[str | None, Query(description="Name of a band of it")] = None,
    statistic: Annotated[str | None, Query(description="mean, min, max, stDev, valid_share, p50.0 …")] = None,
    start: Annotated[str | None, Query(alias="from", description="Start of an interval")] = None,
) -> Shown:
    """The number that the query parameters ask for; NOTHING if none is given. Raises InvalidRequest."""
    parts = {"output": output, "band": band, "statistic": statistic, "from": start}
    given = {name: value for name, value in parts.items() if value is not None}
    return parse_shown(given) if given else NOTHING


Wish = Annotated[Shown, Depends(_optional)]


def view_turns() -> Turns:
    """The turns of all views of one server."""
    return Turns(of_client=MOST_WAITING, in_all=MOST_IN_ALL, at_once=AT_ONCE)


def result_routes(
    service: JobService, options: PageCalls, owner: Callable[[Request], Awaitable[str]], turns: Turns
) -> APIRouter:
    """All routes, relative to one of BATCH_PATHS. The routers of all these paths share `turns`."""
    router = APIRouter(prefix="/{job_id}/results", tags=["results"])
    caller = Depends(owner)

    async def view(request: Request, client: str, job_id: str, what: str, *arguments: Any) -> bytes:
        job = await run_in_threadpool(service.get, client, job_id)
        # Not `answer_of`, which ends the process when a client disconnects: maps abandon tiles all the time, and the
        # process keeps what it has read for the next request.
        async with turns.turn(client):
            if await request.is_disconnected():  # the user has moved the map meanwhile
                raise ClientDisconnected
            return await asyncio.wrap_future(options.results(job, what, arguments).future)

    @router.get("", summary="What the page can show")
    async def overview(request: Request, job_id: str, client: str = caller) -> Response:
        """Outputs, bands, statistics, extent in degrees, and intervals with the count of features that have numbers."""
        return await _packed(request, await view(request, client, job_id, "overview"), JSON)

    @router.get("/scale", summary="Range of a statistic over all dates")
    async def scale(request: Request, job_id: str, wish: Wish, client: str = caller) -> Response:
        """Minimum, maximum, and 2nd and 98th percentile; `from` is ignored."""
        return await _packed(request, await view(request, client, job_id, "scale", replace(wish, start=None)), JSON)

    @router.get("/tiles/{zoom}/{column}/{row}", summary="A vector tile of the features with one number each")
    async def tile(
        request: Request, job_id: str, zoom: str, column: str, row: str, wish: Wish, client: str = caller
    ) -> Response:
        """The layer `features` with the properties `value` and `verdict` (0: none, 1: a warning, 2: failed)."""
        payload = await view(request, client, job_id, "tile", wish, _tile(zoom, column, row))
        return await _packed(request, payload, TILE, {"cache-control": BRIEF})

    @router.get("/values", summary="Features with one number each")
    async def values(
        request: Request,
        job_id: str,
        wish: Wish,
        count: str | None = None,
        offset: str | None = None,
        client: str = caller,
    ) -> Response:
        """A page of features in the order of their file, with verdicts."""
        size = window_of(count, None).count
        page = await view(request, client, job_id, "values", wish, _whole(offset or "0", "offset"), size)
        return await _packed(request, page, JSON)

    @router.get("/features/{feature}", summary="All numbers of a feature")
    async def series(request: Request, job_id: str, feature: str, client: str = caller) -> Response:
        """The feature's columns, its findings and its rows of the table."""
        if not re.fullmatch(r"-?[0-9]{1,18}", feature):
            raise FeatureNotFound(f"There is no feature {feature!r:.60}: an id is a whole number")
        return await _packed(request, await view(request, client, job_id, "series", int(feature)), JSON)

    @router.get("/table", summary="The whole table")
    async def table(
        request: Request, job_id: str, kind: Annotated[str | None, Query(alias="format")] = None, client: str = caller
    ) -> Response:
        """CSV or Parquet, with the feature columns that the request asked for."""
        kind = kind or "csv"
        if kind not in TABLES:
            raise InvalidRequest.at("format", f"must be one of {', '.join(TABLES)}")
        payload = await view(request, client, job_id, "table", kind)
        name = {"content-disposition": f'attachment; filename="arpent-{job_id}.{kind}"'}
        return await _packed(request, payload, TABLES[kind], name)

    return router


def _tile(zoom: str, column: str, row: str) -> tuple[int, int, int]:
    place = _whole(zoom, "zoom"), _whole(column, "column"), _whole(row, "row")
    if place[0] > DEEPEST or max(place[1:]) >= 2 ** place[0]:
        raise InvalidRequest.at("zoom", f"must be at most {DEEPEST}, with column and row below 2 to the power of it")
    return place


def _whole(text: str, parameter: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidRequest.at(parameter, "must be a whole number of at least 0")
    return int(text)


async def _packed(request: Request, payload: bytes, kind: str, headers: dict[str, str] | None = None) -> Response:
    """The answer, compressed if the client accepts gzip; Parquet is already compressed."""
    told = {"content-type": kind, "vary": "accept-encoding, authorization", "cache-control": "no-store"} | (
        headers or {}
    )
    packs = kind != TABLES["parquet"] and len(payload) > 1000
    if packs and "gzip" in request.headers.get("accept-encoding", ""):
        payload = await run_in_threadpool(gzip.compress, payload, GZIP_LEVEL)
        told["content-encoding"] = "gzip"
    return Response(payload, headers=told)
