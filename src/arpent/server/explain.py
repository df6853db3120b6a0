"""Explain: the route that shows why a feature's number is what it is; an extension of ours."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from starlette.responses import Response

from arpent.domain.errors import FeatureNotFound, InvalidRequest
from arpent.domain.explanation import Explanation
from arpent.domain.job import Job
from arpent.jobs.service import JobService
from arpent.server.auth import bearer
from arpent.server.batch import BATCH_PATHS
from arpent.server.boundary import JSON
from arpent.server.tokens import Tokens
from arpent.wire.explanation import render_explanation
from arpent.wire.iso import parse_instant

PNG = "image/png"
FORMATS = ("json", "png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explaining:
    """What the composition root brings."""

    explain: Callable[[Job, int, datetime | None], Explanation]
    """A job's feature in the interval that begins then; None: the first with data."""
    draw: Callable[[Explanation], bytes]
    """A PNG of it."""


def add_explaining(app: FastAPI, service: JobService, tokens: Tokens, explaining: Explaining) -> None:
    """Add the route to an app, under both paths of the batch API."""
    for path in BATCH_PATHS:
        app.include_router(_routes(service, bearer(tokens), explaining), prefix=path)


def _routes(service: JobService, owner: Callable[[Request], Awaitable[str]], explaining: Explaining) -> APIRouter:
    router = APIRouter(tags=["batch statistical"])
    caller = Depends(owner)

    @router.get("/{job_id}/features/{feature}/explain", summary="Why is a feature's number what it is?")
    def explain(
        request: Request,
        job_id: str,
        feature: str,
        start: Annotated[str | None, Query(alias="from", description="Start of an interval")] = None,
        kind: Annotated[str | None, Query(alias="format", description="json or png")] = None,
        client: str = caller,
    ) -> Response:
        """Grid, images, samples, mask and outputs of one feature in one interval; computed anew, nothing is written."""
        drawn = _drawn(kind, request.headers.get("accept", ""))
        job = service.get(client, job_id)
        since = parse_instant(start, "from") if start else None
        explanation = explaining.explain(job, _number(feature), since)
        if drawn:
            return Response(explaining.draw(explanation), media_type=PNG)
        return Response(render_explanation(explanation), headers={"content-type": JSON})

    return router


def _drawn(kind: str | None, accept: str) -> bool:
    """Whether a picture is wanted: `format` says so, or `Accept` names it and not JSON."""
    if kind is None:
        return PNG in accept and "application/json" not in accept
    if kind not in FORMATS:
        raise InvalidRequest.at("format", f"must be one of {', '.join(FORMATS)}")
    return kind == "png"


def _number(feature: str) -> int:
    """An id is the primary key of the GeoPackage."""
    if not re.fullmatch(r"-?[0-9]{1,18}", feature):
        raise FeatureNotFound(f"There is no feature {feature!r:.60}: an id is a whole number")
    return int(feature)
