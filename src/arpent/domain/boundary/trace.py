"""Trace: which HTTP request work is done for, for log lines of servers, runners and workers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from typing import Any

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """An HTTP request as its client and W3C Trace Context name it."""

    request: str
    """Id of the request, from `x-request-id` or made up."""
    parent: str
    """`traceparent` for what is done next: the trace of the client, or a new one, and a new span."""

    @property
    def text(self) -> str:
        """Both in one text, for the database; `read_trace` reads it."""
        return f"{self.request} {self.parent}"

    @property
    def fields(self) -> Mapping[str, str]:
        """Fields of a log line."""
        return {"request": self.request, "trace": self.parent.split("-")[1]}


_CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)


def trace_of(request_id: str | None, parent: str | None) -> Trace:
    """The trace of a request by its headers. What is malformed is replaced: it would stand in logs."""
    known = _PARENT.fullmatch(parent or "")
    trace, flags = (known[1], known[3]) if known and int(known[1], 16) and int(known[2], 16) else (token_hex(16), "00")
    request = request_id if request_id and _ID.fullmatch(request_id) else token_hex(16)
    return Trace(request=request, parent=f"00-{trace}-{token_hex(8)}-{flags}")


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


def for_this_request(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The call for another process, whose log lines name the HTTP request that is answered here."""
    return partial(run_traced, current_trace(), call)


def run_traced(trace: Trace | None, call: Callable[[Any], Any], argument: Any) -> Any:
    """The answer of the call; `trace`: of the HTTP request that it is for."""
    with traced(trace):
        return call(argument)
