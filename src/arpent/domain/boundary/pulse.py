"""Pulse: a sign that the work of this process is making progress, and the listener that is notified of it."""

from __future__ import annotations

from collections.abc import Callable


class _Heard:
    """Holds the listener of this process, if there is one."""

    by: Callable[[], None] | None = None


def hear_pulses(listener: Callable[[], None]) -> None:
    """Call `listener` at each pulse from now on, instead of any earlier one. It is called often, by any thread."""
    _Heard.by = listener


def pulse() -> None:
    """Signal progress: bytes arrived, a server answered or failed, or a stage of the work began or ended."""
    if (listener := _Heard.by) is not None:
        listener()
