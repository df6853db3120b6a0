"""Trace: the HTTP request that work is done for, as shown in log lines and spans of servers, runners and workers."""

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
    """An HTTP request, identified by its client's request id and by W3C Trace Context."""

    request: str
    """Id of the request, from `x-request-id` or generated."""
    parent: str
    """`traceparent` for the next step: the client's trace, or a new one, and the span in progress."""

    @property
    def text(self) -> str:
        """Both ids as one text, for the database; `read_trace` parses it."""
        return f"{self.request} {self.parent}"

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields that identify the request in a log line."""
        return {"request": self.request, "trace": self.parent.split("-")[1]}

    @property
    def is_sampled(self) -> bool:
        """Whether spans of the trace are recorded."""
        return bool(int(self.parent[-2:], 16) & 1)


_CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)


def trace_of(request_id: str | None, parent: str | None) -> Trace:
    """The trace of a request from its headers. Malformed values are replaced, since they would appear in logs."""
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
    """A `traceparent` for a new span in the same trace."""
    version, trace, _, flags = parent.split("-")
    return f"{version}-{trace}-{token_hex(8)}-{flags}"


def read_trace(text: str | None) -> Trace | None:
    """The trace from `Trace.text`; None if the text is missing or malformed."""
    request, _, parent = (text or "").partition(" ")
    return Trace(request=request, parent=parent) if _ID.fullmatch(request) and _PARENT.fullmatch(parent) else None


def current_trace() -> Trace | None:
    """The request that this thread or task is working for; None if there is no such request."""
    return _CURRENT.get()


def trace_fields() -> Mapping[str, str]:
    """The fields that identify the request in log lines of this thread or task."""
    trace = _CURRENT.get()
    return {} if trace is None else trace.fields


@contextmanager
def traced(trace: Trace | None) -> Iterator[None]:
    """Work for this request inside the `with` block."""
    token = _CURRENT.set(trace)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def spanned(name: str, trace: Trace | None, **attributes: Attribute) -> Iterator[dict[str, Attribute]]:
    """Work for this request inside the `with` block, in a new span that is recorded at the end if the trace is sampled.
    Yields the attributes of the span; the block may add to them."""
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
    """Record, if the trace is sampled, that its current span has ended now. `began`: nanoseconds since 1970; `parent`:
    id of the enclosing span."""
    if trace.is_sampled:
        _, number, own, _ = trace.parent.split("-")
        span = Span(
            name=name, trace=number, id=own, parent=parent, began=began, kind=kind, attributes=dict(attributes),
            error=error,
        )  # fmt: skip
        recorder().record(span)


def for_this_request(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap a call that is sent to another process, so that its log lines and spans there belong to the HTTP request
    that is being answered here."""
    return partial(run_traced, current_trace(), call)


def run_traced(trace: Trace | None, call: Callable[[Any], Any], argument: Any) -> Any:
    """Return `call(argument)`, run in a span of the HTTP request `trace`."""
    name = getattr(getattr(call, "func", call), "__name__", "call")  # a partial has no name of its own
    with spanned(name.strip("_"), trace):
        return call(argument)
