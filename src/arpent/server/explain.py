"""Explain: the route that shows how a feature's numbers were computed; an extension of arpent."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from arpent.domain.errors import FeatureNotFound, InvalidRequest
from arpent.jobs.service import JobService
from arpent.server.access.quotas import Quotas
from arpent.server.calls import ProcessCalls, answer_of
from arpent.server.middleware import JSON
from arpent.server.options import ServerOptions
from arpent.wire.iso import parse_instant

PNG = "image/png"
FORMATS = ("json", "png")


def explain_routes(
    service: JobService,
    calls: ProcessCalls,
    owner: Callable[[Request], Awaitable[str]],
    quotas: Quotas,
    options: ServerOptions,
) -> APIRouter:
    """The single route, relative to one of BATCH_PATHS."""
    router = APIRouter(tags=["batch statistical"])
    caller = Depends(owner)

    @router.get("/{job_id}/features/{feature}/explain", summary="How a feature's numbers were computed")
    async def explain(
        request: Request,
        job_id: str,
        feature: str,
        start: Annotated[str | None, Query(alias="from", description="Start of an interval")] = None,
        kind: Annotated[str | None, Query(alias="format", description="json or png")] = None,
        client: str = caller,
    ) -> Response:
        """Grid, images, samples, mask and outputs of one feature in one interval. They are computed again; nothing is
        stored."""
        drawn = _drawn(kind, request.headers.get("accept", ""))
        calls.admit(client)
        job = await run_in_threadpool(service.get, client, job_id)
        script = await run_in_threadpool(service.script, job.id)
        since = parse_instant(start, "from") if start else None
        with quotas.synchronous(client):
            call = calls.explain(job, script, _number(feature), since, drawn)
            payload = await answer_of(request, call, options.patience)
        return Response(payload, headers={"content-type": PNG if drawn else JSON})

    return router


def _drawn(kind: str | None, accept: str) -> bool:
    """Whether a picture is requested: by `format`, or by an `Accept` header that names PNG and not JSON."""
    if kind is None:
        return PNG in accept and "application/json" not in accept
    if kind not in FORMATS:
        raise InvalidRequest.at("format", f"must be one of {', '.join(FORMATS)}")
    return kind == "png"


def _number(feature: str) -> int:
    """The feature id as a number: the primary key in the GeoPackage. Raises InvalidRequest."""
    if not re.fullmatch(r"-?[0-9]{1,18}", feature):
        raise FeatureNotFound(f"There is no feature {feature!r:.60}: an id is a whole number")
    return int(feature)
