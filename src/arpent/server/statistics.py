"""Statistics: the synchronous Statistical API (sentinelhub.md 1.2, 1.7)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from arpent.server.access.quotas import Quotas
from arpent.server.body import read_body
from arpent.server.calls import ProcessCalls, answer_of
from arpent.server.middleware import JSON
from arpent.server.openapi.document import request_body
from arpent.server.options import ServerOptions
from arpent.server.threads import threads_of
from arpent.wire.request.schema import StatisticalBody

STATISTICS_PATHS = ("/api/v1/statistics", "/statistics/v1")
"""The documented path, and the newer alias (sentinelhub.md 1.1)."""

LONGEST_HEADER = 4000
"""Maximum length of a header that we send: proxies and clients refuse longer ones."""


def header_text(hints: Sequence[str]) -> str:
    """Hints as a header's value: printable ASCII only, without line breaks or other control characters, and cut if too
    long."""
    plain = re.sub(r"[^ -~]", lambda found: "?" if found[0] > "~" else " ", " ".join(hints))
    return plain if len(plain) <= LONGEST_HEADER else f"{plain[: LONGEST_HEADER - 4]} ..."


def statistics_routes(
    calls: ProcessCalls, owner: Callable[[Request], Awaitable[str]], quotas: Quotas, options: ServerOptions
) -> APIRouter:
    """The route, relative to one of STATISTICS_PATHS."""
    router = APIRouter(tags=["statistical"])
    caller = Depends(owner)

    @router.post("", openapi_extra=request_body(StatisticalBody), summary="Statistics of one polygon, in the response")
    async def compute(request: Request, client: str = caller) -> Response:
        """The statistics of one polygon or box. The header `x-processingunits-spent` holds the processing units,
        `x-arpent-hint` remarks on fields that are allowed but probably not intended."""
        calls.admit(client)
        await run_in_threadpool(quotas.check_units, client)
        with quotas.synchronous(client):
            body = await read_body(request, options.maximum_body)
            payload, spent, hints = await answer_of(request, calls.statistics(client, body), options.patience)
        await threads_of(request).write(quotas.spend, client, float(spent))
        headers = {"content-type": JSON, "x-processingunits-spent": repr(float(spent))}
        if hints:
            headers["x-arpent-hint"] = header_text(hints)
        return Response(payload, headers=headers)

    return router
