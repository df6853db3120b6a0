"""App: the FastAPI application, assembled from its routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from arpent.domain.errors import ArpentError, RateLimited
from arpent.jobs.service import JobService
from arpent.server.access.auth import MOST_FORM_BYTES, TOKEN_PATHS, token_routes
from arpent.server.access.callers import AccessControl, Callers
from arpent.server.batch import BATCH_PATHS, batch_routes
from arpent.server.calls import ClientDisconnected, ProcessCalls
from arpent.server.catalog.routes import CATALOG_PATHS, catalog_routes
from arpent.server.explain import explain_routes
from arpent.server.health import health_routes
from arpent.server.held_bytes import HeldBytes
from arpent.server.middleware import RequestMiddleware, allowed, answer
from arpent.server.openapi.document import document
from arpent.server.options import ServerOptions
from arpent.server.other_apis import other_api_message
from arpent.server.page.files import file_routes
from arpent.server.page.form import UPLOAD_PATH, form_routes
from arpent.server.page.results import result_routes, view_turns
from arpent.server.request_log import HttpMetrics, RequestLog
from arpent.server.statistics import STATISTICS_PATHS, statistics_routes
from arpent.server.threads import Threads
from arpent.wire.problems import problem, refused

REFUSAL_SECONDS = 0.5
"""Seconds by which an answer 429 is delayed."""
MESSAGES = {
    404: "There is nothing at this path; /docs lists all paths.",
    405: "This path does not support this method; `Allow` lists those that it supports.",
    400: "The request cannot be read; /docs shows what is expected here.",
}
"""HTTP status → message in place of the framework's own."""


def create_app(
    service: JobService,
    *,
    access: AccessControl,
    calls: ProcessCalls,
    options: ServerOptions,
    ready: Callable[[], bool] | None = None,
    metrics: Callable[[], str] | None = None,
) -> FastAPI:
    """Build the application. `calls` run in other processes; `ready` and `metrics` are called by probes, in threads."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(calls.close)

    app = FastAPI(
        title="arpent",
        version=options.version,
        description="Statistics per field and time interval, compatible with Sentinel Hub's Batch Statistical API.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.threads = Threads()
    callers, page, turns = Callers(access), calls.page, view_turns()
    quotas, http_metrics = access.quotas, HttpMetrics()
    shown = None if metrics is None else lambda: metrics() + http_metrics.text()
    owner = callers.owner
    if access.own_tokens:
        app.include_router(token_routes(access.clients, access.tokens, options))
    for path in BATCH_PATHS:
        app.include_router(batch_routes(service, calls, callers, quotas, options), prefix=path)
        app.include_router(explain_routes(service, calls, owner, quotas, options), prefix=path)
        app.include_router(result_routes(service, page, owner, turns), prefix=path)
    for path in STATISTICS_PATHS:
        app.include_router(statistics_routes(calls, owner, quotas, options), prefix=path)
    for path in CATALOG_PATHS:
        app.include_router(catalog_routes(calls, owner, options), prefix=path)
    app.include_router(form_routes(page, owner, quotas, options.patience))
    app.include_router(file_routes(options.page_files, page.basemap))
    app.include_router(health_routes(ready, shown, callers, public=options.public_metrics))
    app.add_exception_handler(ArpentError, _of_ours)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(ClientDisconnected, _of_nobody)
    uploads = {UPLOAD_PATH: page.most_upload} if page.most_upload else {}
    app.add_middleware(HeldBytes, but=tuple(uploads))
    app.add_middleware(
        RequestMiddleware,
        maximum_body=options.maximum_body,
        methods=lambda scope: allowed(app.routes, scope),
        limits=dict.fromkeys(TOKEN_PATHS, MOST_FORM_BYTES) | uploads,
    )
    app.add_middleware(RequestLog, metrics=http_metrics)
    document(app, {"{batch}": BATCH_PATHS, "{statistics}": STATISTICS_PATHS, "{catalog}": CATALOG_PATHS})
    return app


async def _of_ours(_: Request, error: Exception) -> Response:
    if isinstance(error, RateLimited):  # slows down clients that ignore Retry-After
        await asyncio.sleep(REFUSAL_SECONDS)
    return answer(problem(error))


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message, headers = MESSAGES.get(error.status_code, error.detail), error.headers
    if error.status_code == 404:
        message = other_api_message(request.url.path) or message
    if error.status_code == 405:  # the framework names the methods of one route only
        headers = {"allow": allowed(request.app.routes, request.scope)}
    return answer(refused(error.status_code, message, headers))


async def _of_parameters(_: Request, error: Exception) -> Response:
    """Answer invalid parameters. Routes take parameters as text, so this should not occur; their values are never
    shown."""
    assert isinstance(error, RequestValidationError)
    names = sorted({str(entry["loc"][-1]) for entry in error.errors() if entry["loc"]})
    return answer(refused(400, f"A parameter cannot be read: {', '.join(names)}"))


async def _of_nobody(_: Request, __: Exception) -> Response:
    """The response after the client has disconnected; it will not be read."""
    return Response(status_code=499)
