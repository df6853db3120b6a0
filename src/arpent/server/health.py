"""Health: routes for probes and monitoring, without a token."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from arpent.server.address import is_local
from arpent.server.middleware import json_response

PRIVATE = "Metrics are for this machine only; ARPENT_PUBLIC_METRICS=true on the server shows them to everybody."
_LOGGER = logging.getLogger(__name__)


def health_routes(
    ready: Callable[[], bool] | None, metrics: Callable[[], str] | None, *, public: bool = False
) -> APIRouter:
    """`/healthz` (the process answers), `/readyz` (it can do its work) and `/metrics`, if given. /metrics is for this
    machine only, unless `public`."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    def healthz() -> Response:
        """Answers 200 as long as the process runs."""
        return json_response({"status": "ok"})

    @router.get("/readyz")
    def readyz() -> Response:
        """Answers 200, or 503 while the server cannot do its work."""
        if ready is None or _succeeds(ready):
            return json_response({"status": "ok"})
        raise HTTPException(503, "The server is not ready; its log says why.")

    if metrics is not None:

        @router.get("/metrics")
        def show(request: Request) -> Response:
            """Metrics in Prometheus' text format."""
            if not public and not is_local(request):
                raise HTTPException(403, PRIVATE)
            return Response(metrics(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    return router


def _succeeds(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except Exception:
        _LOGGER.exception("the readiness check failed")
        return False
