"""Request log: a line for each HTTP request, an audit line for each act that must be traceable, and metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from arpent.domain.boundary.trace import Trace, record, span_above, trace_of, traced
from arpent.server.access.auth import TOKEN_PATHS
from arpent.server.batch import BATCH_PATHS
from arpent.server.page.form import UPLOAD_PATH
from arpent.server.statistics import STATISTICS_PATHS

ACCESS, AUDIT = logging.getLogger("arpent.access"), logging.getLogger("arpent.audit")
LABELS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
"""Methods that are metric labels; the others count as `other`, because clients may invent any number of them."""
QUIET = ("/healthz", "/readyz", "/metrics")
"""Paths of probes, which are logged only if something is wrong."""
ACTS: Mapping[tuple[str, str], str] = {
    ("POST", ""): "create", ("POST", "/{job_id}/analyse"): "analyse", ("POST", "/{job_id}/start"): "start",
    ("POST", "/{job_id}/stop"): "stop", ("POST", "/{job_id}/cancel"): "stop", ("GET", "/{job_id}"): "read",
    ("GET", "/{job_id}/features"): "read", ("GET", "/{job_id}/features/{feature}/explain"): "read results",
    ("GET", "/{job_id}/results"): "read results", ("GET", "/{job_id}/results/table"): "read results",
    ("GET", "/{job_id}/results/values"): "read results",
    ("GET", "/{job_id}/results/features/{feature}"): "read results",
}  # fmt: skip
"""Method and route below one of BATCH_PATHS → audited act. Requests for statuses and tiles are too frequent, and are
left out."""
OTHER_ACTS: Mapping[tuple[str, str], str] = {
    ("POST", UPLOAD_PATH): "upload",
    **{("POST", path): "compute" for path in STATISTICS_PATHS},
    **{("POST", path): "get token" for path in TOKEN_PATHS},
}  # fmt: skip
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class RequestLog:
    """Middleware around the whole application. It logs no bodies, queries or headers."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        trace = trace_of(headers.get("x-request-id"), headers.get("traceparent"))
        began, at, status = time.perf_counter(), time.time_ns(), 499  # 499: the client disconnected before an answer
        scope.setdefault("state", {})

        async def send_traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update({"x-request-id": trace.request, "traceparent": trace.parent})
            await send(message)

        with traced(trace):
            try:
                await self._app(scope, receive, send_traced)
            except BaseException:
                status = 500 if status == 499 else status
                raise
            finally:
                self._tell(scope, status, time.perf_counter() - began)
                _record(scope, status, trace, at, span_above(headers.get("traceparent")))

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        method = scope["method"] if route and scope["method"] in LABELS else "other"
        self._metrics.count(method, route, status, seconds)
        client, milliseconds = scope["state"].get("client"), round(seconds * 1000, 1)
        told = {"client": client, "method": scope["method"][:10], "route": route, "status": status}
        if scope["path"] not in QUIET or status >= 400:
            words = f"{told['method']} {route or '(no such path)'} {status} {milliseconds} ms"
            ACCESS.info(words, extra={"fields": {**told, "milliseconds": milliseconds}})
        if client is not None and (act := act_of(scope["method"], route)):
            done = "done" if status < 400 else "refused"
            fields = {"client": client, "act": act, "status": status, "outcome": done}
            AUDIT.info(f"{act} by {client}: {done}", extra={"fields": fields, "job": job_of(scope)})


def _record(scope: Scope, status: int, trace: Trace, began: int, parent: str | None) -> None:
    """Record the span of a request, with names and numbers only, as in the log. Probes are left out."""
    if scope["path"] in QUIET:
        return
    method, route = scope["method"][:10], route_of(scope)
    told = {
        "http.request.method": method, "http.route": route, "http.response.status_code": status,
        "arpent.job": job_of(scope), "arpent.client": scope["state"].get("client"),
    }  # fmt: skip
    attributes = {name: value for name, value in told.items() if value not in (None, "")}
    error = str(status) if status >= 500 else None
    record(trace, f"{method} {route}".rstrip(), began, parent=parent, attributes=attributes, error=error, kind="server")


class HttpMetrics:
    """Counts and durations of this process's HTTP requests by route, because a path would be a label for each job."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "arpent_http_requests",
            "HTTP requests of this server",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "arpent_http_request_seconds", "Duration of HTTP requests of this server", ["method", "route"],
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request and its duration."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> str:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry).decode()


def route_of(scope: Scope) -> str:
    """The path with parameter names in place of ids; empty if no route matches."""
    if (route := scope.get("route")) is None:
        return ""
    # FastAPI reports only the part below the router's prefix; the prefix has no ids.
    below = [part for part in str(route.path).split("/") if part]
    whole = [part for part in scope["path"].split("/") if part]
    return "/" + "/".join([*whole[: max(0, len(whole) - len(below))], *below])


def job_of(scope: Scope) -> str | None:
    """Id of the job that a request created or names; None: there is none."""
    job = scope["state"].get("job") or scope.get("path_params", {}).get("job_id")
    return str(job)[:36] if job else None


def act_of(method: str, route: str) -> str | None:
    """The audited act of a request; None: the request is not audited."""
    for base in BATCH_PATHS:
        if route.startswith(base):
            return ACTS.get((method, route.removeprefix(base)))
    return OTHER_ACTS.get((method, route))
