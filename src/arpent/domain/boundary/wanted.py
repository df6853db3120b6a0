"""Wanted: whether the work of this thread is still wanted, for code that waits for servers on its behalf, and whether
it may still be written, for stores that ask at the last moment, before an object has its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from arpent.domain.errors import NoLongerWanted

LOOK_SECONDS = 0.5
"""Seconds between two checks whether an answer is still wanted."""

Answer = TypeVar("Answer")
Wanted = Callable[[], bool]
Held = Callable[[], None]
_WANTED: ContextVar[Wanted] = ContextVar("wanted", default=lambda: True)
_HELD: ContextVar[Held] = ContextVar("held", default=lambda: None)


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


@contextmanager
def while_held(check: Held) -> Iterator[None]:
    """What this thread writes inside the `with` block is checked so. The check raises WorkLost; it is called often, by
    other threads, too, and must return at once."""
    token = _HELD.set(check)
    try:
        yield
    finally:
        _HELD.reset(token)


def held_here() -> Held:
    """The check for what this thread writes."""
    return _HELD.get()


def answer_while_wanted(
    future: Future[Answer], wanted: Wanted, what: str, meanwhile: Callable[[], None] = lambda: None
) -> Answer:
    """The future's result, which is waited for as long as it is wanted; `meanwhile` is called between two checks.
    Raises what the future raises, or NoLongerWanted; `what` (words for its message) was stopped."""
    while wanted():
        try:
            return future.result(LOOK_SECONDS)
        except TimeoutError:
            if future.done():  # just now, or it is what the call raised
                return future.result()
        meanwhile()
    raise NoLongerWanted(f"{what} was stopped")
