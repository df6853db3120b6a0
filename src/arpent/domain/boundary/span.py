"""Span: a piece of work done for an HTTP request, as in OpenTelemetry; and the recorder that receives spans."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A completed piece of work."""

    name: str
    """What was done: `analyse`, `process`, or method and route of an HTTP request."""
    trace: str
    """Id of the trace, 32 hexadecimal digits."""
    id: str
    """Id of the span, 16 hexadecimal digits."""
    parent: str | None
    """Id of the enclosing span; None: this span began the trace."""
    began: int
    """Start, in nanoseconds since 1970."""
    ended: int = field(default_factory=time.time_ns)
    """End, in nanoseconds since 1970."""
    kind: Literal["internal", "server", "client"] = "internal"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    error: str | None = None
    """Name of the exception that ended the span, or the status; None: it succeeded. Messages are in the logs."""


class Recorder(Protocol):
    """Receives completed spans."""

    def samples(self, trace: str) -> bool:
        """Whether to record the spans of a trace that begins in this process."""
        ...

    def record(self, span: Span) -> None:
        """Take a completed span; returns at once and raises nothing."""
        ...


class _Nobody:
    def samples(self, trace: str) -> bool:
        return False

    def record(self, span: Span) -> None:
        """Discard the span."""


_recorder: Recorder = _Nobody()


def record_with(recorder: Recorder | None) -> None:
    """Send all spans of this process to this recorder from now on; None: discard them, which is the default."""
    global _recorder  # noqa: PLW0603
    _recorder = recorder or _Nobody()


def is_recording() -> bool:
    """Whether spans are recorded at all."""
    return not isinstance(_recorder, _Nobody)


def recorder() -> Recorder:
    """The recorder of this process."""
    return _recorder
