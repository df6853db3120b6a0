"""Wanted: whether the work of this thread is still wanted, for code that waits for servers on its behalf."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Wanted = Callable[[], bool]
_WANTED: ContextVar[Wanted] = ContextVar("wanted", default=lambda: True)


@contextmanager
def while_wanted(wanted: Wanted) -> Iterator[None]:
    """What this thread waits for inside the `with` block ends soon after `wanted` returns False. It is called often, by
    other threads, too, and must return at once."""
    token = _WANTED.set(wanted)
    try:
        yield
    finally:
        _WANTED.reset(token)


def wanted_here() -> Wanted:
    """What tells whether the work of this thread is wanted."""
    return _WANTED.get()
