"""Trace: the HTTP request that work is done for, for log lines and spans of servers, runners and workers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex
from typing import Any, Literal

from arpent.domain.boundary.span import Attribute, Span, recorder

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """An HTTP request as its client and W3C Trace Context name it."""

    request: str
    """Id of the request, from `x-request-id` or made up."""
    parent: str
    """`traceparent` for what is done next: the trace of the client, or a new one, and the span that is under way."""

    @property
    def text(self) -> str:
        """Both in one text, for the database; `read_trace` reads it."""
        return f"{self.request} {self.parent}"

    @property
    def fields(self) -> Mapping[str, str]:
        """Fields of a log line."""
        return {"request": self.request, "trace": self.parent.split("-")[1]}

    @property
    def is_sampled(self) -> bool:
        """Whether spans of the trace are recorded."""
        return bool(int(self.parent[-2:], 16) & 1)


_CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)


def trace_of(request_id: str | None, parent: str | None) -> Trace:
    """The trace of a request by its headers. What is malformed is replaced: it would stand in logs."""
    request = request_id if request_id and _ID.fullmatch(request_id) else token_hex(16)
    if span_above(parent) is not None:
        return Trace(request=request, parent=_within(str(parent)))
    trace = token_hex(16)
    return Trace(request=request, parent=f"00-{trace}-{token_hex(8)}-{'01' if recorder().samples(trace) else '00'}")


def span_above(parent: str | None) -> str | None:
    """Id of the span that a `traceparent` names; None if it is malformed or there is none."""
    known = _PARENT.fullmatch(parent or "")
    return known[2] if known and int(known[1], 16) and int(known[2], 16) else None


def _within(parent: str) -> str:
    """A `traceparent` of the same trace, with a new span."""
    version, trace, _, flags = parent.split("-")
    return f"{version}-{trace}-{token_hex(8)}-{flags}"


def read_trace(text: str | None) -> Trace | None:
    """The trace of `Trace.text`; None if there is none."""
    request, _, parent = (text or "").partition(" ")
    return Trace(request=request, parent=parent) if _ID.fullmatch(request) and _PARENT.fullmatch(parent) else None


def current_trace() -> Trace | None:
    """The request that this thread or task works for; None: it works for none."""
    return _CURRENT.get()


def trace_fields() -> Mapping[str, str]:
    """Fields that log lines of this thread or task have."""
    trace = _CURRENT.get()
    return {} if trace is None else trace.fields


@contextmanager
def traced(trace: Trace | None) -> Iterator[None]:
    """Work for this request."""
    token = _CURRENT.set(trace)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def spanned(name: str, trace: Trace | None, **attributes: Attribute) -> Iterator[dict[str, Attribute]]:
    """Work for this request, as a span of it that is recorded at the end if its trace is sampled. Yields its
    attributes, to which the work may add."""
    if trace is None or not trace.is_sampled:
        with traced(trace):
            yield attributes
        return
    own, began, error = replace(trace, parent=_within(trace.parent)), time.time_ns(), None
    try:
        with traced(own):
            yield attributes
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        record(own, name, began, parent=span_above(trace.parent), attributes=attributes, error=error)


def record(
    trace: Trace, name: str, began: int, *, parent: str | None, attributes: Mapping[str, Attribute],
    error: str | None = None, kind: Literal["internal", "server", "client"] = "internal",
) -> None:  # fmt: skip
    """Record that the span which the trace names has ended now, if its trace is sampled; `began`: nanoseconds since
    1970, `parent`: id of the span above."""
    if trace.is_sampled:
        _, number, own, _ = trace.parent.split("-")
        span = Span(
            name=name, trace=number, id=own, parent=parent, began=began, kind=kind, attributes=dict(attributes),
            error=error,
        )  # fmt: skip
        recorder().record(span)


def for_this_request(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The call for another process, whose log lines and spans belong to the HTTP request that is answered here."""
    return partial(run_traced, current_trace(), call)


def run_traced(trace: Trace | None, call: Callable[[Any], Any], argument: Any) -> Any:
    """The answer of the call; `trace`: of the HTTP request that it is for."""
    name = getattr(getattr(call, "func", call), "__name__", "call")  # a partial has none of its own
    with spanned(name.strip("_"), trace):
        return call(argument)
