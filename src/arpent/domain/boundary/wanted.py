"""Wanted: per-thread checks of the work in progress. Code that waits for servers checks whether the work is still
wanted; stores check, just before an object becomes visible, whether its result may still be written."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeVar

from arpent.domain.errors import NoLongerWanted

_DICE = random.SystemRandom()
"""Not the global generator, which programs and tests seed, and whose state forked processes share: they would all wait
equally long."""
LOOK_SECONDS = 0.5
"""Seconds between checks of whether an answer is still wanted."""

Answer = TypeVar("Answer")
Value = TypeVar("Value")
Wanted = Callable[[], bool]
Held = Callable[[], None]
_WANTED: ContextVar[Wanted] = ContextVar("wanted", default=lambda: True)
_HELD: ContextVar[Held] = ContextVar("held", default=lambda: None)


def while_wanted(wanted: Wanted) -> AbstractContextManager[None]:
    """Inside the `with` block, this thread stops waiting soon after `wanted` returns False. `wanted` is called often,
    also by other threads, and must return at once."""
    return _set(_WANTED, wanted)


def wanted_here() -> Wanted:
    """The function that says whether the work of this thread is still wanted."""
    return _WANTED.get()


def while_held(check: Held) -> AbstractContextManager[None]:
    """Inside the `with` block, stores call `check` just before an object that this thread writes becomes visible.
    `check` raises WorkLost if the work is no longer held. It is called often, also by other threads, and must return
    at once."""
    return _set(_HELD, check)


def held_here() -> Held:
    """The function that checks whether this thread may still write its results."""
    return _HELD.get()


@contextmanager
def _set(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def varied(seconds: float) -> float:
    """A random pause of 0.5 to 1.5 times `seconds`, so that things that failed together are not retried together."""
    return seconds * _DICE.uniform(0.5, 1.5)


def answer_while_wanted(
    future: Future[Answer], wanted: Wanted, what: str, meanwhile: Callable[[], None] = lambda: None
) -> Answer:
    """The future's result, waited for as long as `wanted` returns True; `meanwhile` is called between checks. Raises
    what the future raises, or NoLongerWanted, whose message says that `what` was stopped."""
    while wanted():
        try:
            return future.result(LOOK_SECONDS)
        except TimeoutError:
            if future.done():  # it ended just now, or the TimeoutError was raised by the call itself
                return future.result()
        meanwhile()
    raise NoLongerWanted(f"{what} was stopped")
