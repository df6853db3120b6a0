"""Health: routes for probes and monitoring, without a token."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from arpent.domain.errors import WorldError
from arpent.server.access.callers import Callers
from arpent.server.address import is_local
from arpent.server.middleware import json_response

PRIVATE = (
    "Metrics are for this machine, and for clients with the role metrics or operator; ARPENT_PUBLIC_METRICS=true on "
    "the server shows them to everybody."
)
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LOGGER = logging.getLogger(__name__)


def health_routes(
    ready: Callable[[], bool] | None, metrics: Callable[[], str] | None, callers: Callers, *, public: bool = False
) -> APIRouter:
    """`/healthz` (the process answers), `/readyz` (it can do its work) and, if `metrics` is given, `/metrics`: unless
    it is `public`, only this machine and clients whose role allows it may read it."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> Response:  # not in a thread: all may be waiting for a database
        """Answers 200 as long as the process runs."""
        return json_response({"status": "ok"})

    @router.get("/readyz")
    def readyz() -> Response:
        """Answers 200, or 503 while the server is not ready."""
        if ready is None or _succeeds(ready):
            return json_response({"status": "ok"})
        raise HTTPException(503, "The server is not ready; its log says why.")

    if metrics is not None:

        @router.get("/metrics")
        async def show(request: Request) -> Response:
            """Metrics in Prometheus' text format."""
            if not public and not is_local(request):
                if "authorization" not in request.headers:
                    raise HTTPException(403, PRIVATE)
                await callers.observer(request)
            return Response(await run_in_threadpool(metrics), headers={"content-type": METRICS_TYPE})

    return router


def _succeeds(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except Exception as error:
        _LOGGER.error("the readiness check failed: %s", error, exc_info=not isinstance(error, WorldError))
        return False
