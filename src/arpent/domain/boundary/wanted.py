"""Wanted: whether the work of this thread is still wanted, for code that waits for servers on its behalf."""

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
