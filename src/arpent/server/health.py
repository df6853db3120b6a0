"""Health: what probes and monitors ask, without a token."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from arpent.server.address import is_local
from arpent.server.boundary import json_response

PRIVATE = "Metrics are for this machine only; ARPENT_PUBLIC_METRICS=true on the server shows them to everybody."
_LOGGER = logging.getLogger(__name__)


def health_routes(
    ready: Callable[[], bool] | None, metrics: Callable[[], str] | None, *, public: bool = False
) -> APIRouter:
    """`/healthz` (the process answers), `/readyz` (so does what it needs) and `/metrics`, if there are any; those for
    this machine only, unless they are `public`."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    def healthz() -> Response:
        """Always 200."""
        return json_response({"status": "ok"})

    @router.get("/readyz")
    def readyz() -> Response:
        """200, or 503 while the server cannot do its work."""
        if ready is None or _succeeds(ready):
            return json_response({"status": "ok"})
        raise HTTPException(503, "The server is not ready; its log says why.")

    if metrics is not None:

        @router.get("/metrics")
        def show(request: Request) -> Response:
            """Prometheus text format."""
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
