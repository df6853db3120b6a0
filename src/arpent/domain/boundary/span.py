"""Span: a stretch of work for an HTTP request, as OpenTelemetry has it, and who hears of spans. Pulse: a sign that the
work of this process goes on, and who hears it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
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
        """Nobody hears of this span."""


_recorder: Recorder = _Nobody()


def record_with(recorder: Recorder | None) -> None:
    """Tell this recorder of all spans of this process from now on; None: nobody, as at the beginning."""
    global _recorder  # noqa: PLW0603
    _recorder = recorder or _Nobody()


def is_recording() -> bool:
    """Whether anybody hears of them."""
    return not isinstance(_recorder, _Nobody)


def recorder() -> Recorder:
    """Who hears of the spans of this process."""
    return _recorder


class _Heard:
    """By whom, in this process."""

    by: Callable[[], None] | None = None


def hear_pulses(listener: Callable[[], None]) -> None:
    """Have `listener` called at each pulse from now on, by any thread and often, in place of any other."""
    _Heard.by = listener


def pulse() -> None:
    """Something was done: bytes arrived, a server answered or failed, or a stage of the work began or ended."""
    if (listener := _Heard.by) is not None:
        listener()
