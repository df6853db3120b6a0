"""Wanted: whether the work of this thread is still wanted, for code that waits for servers on its behalf, and whether
it may still be written, for stores that check just before an object gets its name."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeVar

from arpent.domain.errors import NoLongerWanted

_DICE = random.SystemRandom()
"""Not the module's own: programs and tests seed that, and forks of one state would wait alike."""
LOOK_SECONDS = 0.5
"""Seconds between two checks whether an answer is still wanted."""

Answer = TypeVar("Answer")
Value = TypeVar("Value")
Wanted = Callable[[], bool]
Held = Callable[[], None]
_WANTED: ContextVar[Wanted] = ContextVar("wanted", default=lambda: True)
_HELD: ContextVar[Held] = ContextVar("held", default=lambda: None)


def while_wanted(wanted: Wanted) -> AbstractContextManager[None]:
    """What this thread waits for inside the `with` block ends soon after `wanted` returns False. It is called often, by
    other threads, too, and must return at once."""
    return _set(_WANTED, wanted)


def wanted_here() -> Wanted:
    """What tells whether the work of this thread is wanted."""
    return _WANTED.get()


def while_held(check: Held) -> AbstractContextManager[None]:
    """Stores call `check` right before an object that this thread writes inside the `with` block gets its name. It
    raises WorkLost if the work is held no longer; it is called often, by other threads, too, and must return at
    once."""
    return _set(_HELD, check)


def held_here() -> Held:
    """The check for what this thread writes."""
    return _HELD.get()


@contextmanager
def _set(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def varied(seconds: float) -> float:
    """A pause of half to one and a half times as long, so that what failed together is not tried again together."""
    return seconds * _DICE.uniform(0.5, 1.5)


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
