"""Span: a timed part of the work for an HTTP request, as in OpenTelemetry, and who receives spans."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of work that has ended."""

    name: str
    """What was done: `analyse`, `process`, or method and route of an HTTP request."""
    trace: str
    """Id of the trace, 32 hexadecimal digits."""
    id: str
    """16 hexadecimal digits."""
    parent: str | None
    """Id of the span within which it was done; None: it began the trace."""
    began: int
    """Nanoseconds since 1970."""
    ended: int = field(default_factory=time.time_ns)
    """Nanoseconds since 1970, too."""
    kind: Literal["internal", "server", "client"] = "internal"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    error: str | None = None
    """Name of the exception with which it ended, or the status; None: all went well. Messages are in the logs."""


class Recorder(Protocol):
    """Who hears of spans."""

    def samples(self, trace: str) -> bool:
        """Whether the spans of a trace that begins here are wanted."""
        ...

    def record(self, span: Span) -> None:
        """Take a span that has ended; returns at once and raises nothing."""
        ...


class _Nobody:
    def samples(self, trace: str) -> bool:
        return False

    def record(self, span: Span) -> None:
        """This span is not recorded."""


_recorder: Recorder = _Nobody()


def record_with(recorder: Recorder | None) -> None:
    """Tell this recorder of all spans of this process from now on; None: no recorder, as at the beginning."""
    global _recorder  # noqa: PLW0603
    _recorder = recorder or _Nobody()


def is_recording() -> bool:
    """Whether anybody hears of them."""
    return not isinstance(_recorder, _Nobody)


def recorder() -> Recorder:
    """Who hears of the spans of this process."""
    return _recorder
