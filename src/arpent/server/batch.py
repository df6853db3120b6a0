"""Batch: the routes of the Batch Statistical API (sentinelhub.md 1.2), and the report on a job's features."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from arpent.domain.boundary.text import whole_number
from arpent.domain.job import Job, UserAction
from arpent.jobs.service import JobService
from arpent.jobs.state_machine import completion
from arpent.server.access.callers import Callers
from arpent.server.access.quotas import Quotas
from arpent.server.address import list_address
from arpent.server.body import read_body
from arpent.server.calls import ProcessCalls, answer_of
from arpent.server.middleware import TOO_LARGE, json_response
from arpent.server.openapi.document import request_body
from arpent.server.options import ServerOptions
from arpent.server.threads import threads_of
from arpent.wire.job import finding_object, job_object, status_object
from arpent.wire.page import MAXIMUM_COUNT, page, page_object, sort_key
from arpent.wire.request.schema import BatchBody

BATCH_PATHS = ("/api/v1/statistics/batch", "/statistics/batch/v1")
"""The documented path, and the newer alias (sentinelhub.md 1.1)."""

ACTIONS = {
    "analyse": UserAction.ANALYSE,
    "start": UserAction.START,
    "stop": UserAction.STOP,
    "cancel": UserAction.STOP,
}
"""Last path segment → action; `cancel` is the former name of stop (sentinelhub.md 1.2)."""

SMALL = 65_536
"""Maximum characters of a body that this process parses itself; a longer one would delay all other answers."""

Count = Annotated[str | None, Query(description=f"Entries of the page, at most {MAXIMUM_COUNT}")]
Token = Annotated[str | None, Query(description="From `links` of another page")]
Sort = Annotated[str | None, Query(description="created, created:desc, status or status:desc")]


def batch_routes(
    service: JobService, calls: ProcessCalls, callers: Callers, quotas: Quotas, options: ServerOptions
) -> APIRouter:
    """All routes, relative to one of BATCH_PATHS. A client sees only its own jobs; an operator sees those of all
    clients, and may stop them."""
    router = APIRouter(tags=["batch statistical"])
    _add_writing(router, service, calls, callers, quotas, options)
    _add_reading(router, service, callers, options)
    return router


def _add_writing(
    router: APIRouter,
    service: JobService,
    calls: ProcessCalls,
    callers: Callers,
    quotas: Quotas,
    options: ServerOptions,
) -> None:
    caller = Depends(callers.owner)

    @router.post("", status_code=201, openapi_extra=request_body(BatchBody), summary="Create a request")
    async def create(request: Request, client: str = caller) -> Response:
        """Store a request; nothing runs until `analyse` or `start`."""
        if (whole_number(request.headers.get("content-length", "")) or 0) > SMALL:
            calls.admit(client)
        body = await read_body(request, options.maximum_body)
        if small := len(body) <= SMALL:
            text = body.whole()
        else:
            text = await answer_of(request, calls.check(client, body), options.patience)
        if len(text) > options.maximum_batch_body:
            raise HTTPException(413, TOO_LARGE.format(options.maximum_batch_body))
        job = await threads_of(request).write(service.create, client, text, checked=not small)
        request.state.job = job.id
        return json_response(job_object(job, completion(job, options.policy)), 201)

    def add_action(name: str, action: UserAction) -> None:
        whose = Depends(callers.reach if action is UserAction.STOP else callers.owner)

        @router.post(f"/{{job_id}}/{name}", status_code=204, response_class=Response, summary=f"{name} a request")
        async def act(request: Request, job_id: str, reach: str | None = whose) -> Response:
            """Start the action. No body is needed; one that is sent is ignored."""
            if action is UserAction.START and reach is not None:
                await run_in_threadpool(quotas.check_units, reach)
            await threads_of(request).write(service.act, reach, job_id, action)
            return Response(status_code=204)

    for name, action in ACTIONS.items():
        add_action(name, action)


def _add_reading(router: APIRouter, service: JobService, callers: Callers, options: ServerOptions) -> None:
    whose = Depends(callers.reach)

    def show(job: Job, reach: str | None) -> dict[str, object]:
        return job_object(job, completion(job, options.policy)) | _owner(job, reach)

    @router.get("", summary="List requests")
    async def jobs(
        request: Request,
        count: Count = None,
        viewtoken: Token = None,
        sort: Sort = None,
        reach: str | None = whose,
    ) -> Response:
        """A page of the client's requests, newest first unless `sort` says otherwise. If requests are large, it has
        fewer than `count`, and still a `nextToken`."""
        window, order = page(count, viewtoken), sort_key(sort)
        query = {"count": str(window.count), "sort": order.value}
        address = list_address(request, options)

        def listed() -> Response:
            found = service.list(reach, order, window.offset, window.reach)
            more = 0 < len(found) < window.reach  # this is the end, or the next job is large
            if more:
                more = bool(service.list(reach, order, window.offset + len(found), 1))
            return json_response(page_object(found, window, partial(show, reach=reach), address, query, more=more))

        return await threads_of(request).list(listed)

    @router.get("/{job_id}", summary="Get a request")
    def job(job_id: str, reach: str | None = whose) -> Response:
        """One request as a task object."""
        return json_response(show(service.get(reach, job_id), reach))

    @router.get("/{job_id}/status", summary="Get a request's status")
    def status(job_id: str, reach: str | None = whose) -> Response:
        """The task object without the request's body."""
        found = service.get(reach, job_id)
        return json_response(status_object(found, completion(found, options.policy)) | _owner(found, reach))

    @router.get("/{job_id}/features", summary="Report of the features")
    def features(
        request: Request,
        job_id: str,
        count: Count = None,
        viewtoken: Token = None,
        reach: str | None = whose,
    ) -> Response:
        """Errors and warnings about the features, by feature id; an extension of arpent."""
        window = page(count, viewtoken)
        found = service.findings(reach, job_id, window.offset, window.reach)
        query = {"count": str(window.count)}
        return json_response(page_object(found, window, finding_object, list_address(request, options), query))


def _owner(job: Job, reach: str | None) -> dict[str, object]:
    """The owner of the job, for operators only."""
    return {"owner": job.owner} if reach is None else {}
