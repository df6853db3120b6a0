"""Pulse: a sign that the work of this process makes progress, and who receives it."""

from __future__ import annotations

from collections.abc import Callable


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
