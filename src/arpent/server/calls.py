"""Calls: what the routes have done in another process, and how long they wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from starlette.requests import Request

from arpent.domain.errors import RateLimited, WorkerDied
from arpent.domain.imagery.collection import Collection
from arpent.domain.job import Job
from arpent.domain.ports.execution import PendingCall
from arpent.wire.request.body import SentBody

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCalls:
    """What the composition root brings; all of it raises RateLimited when the client has too much waiting."""

    statistics: Callable[[str, SentBody], PendingCall[tuple[bytes, float, tuple[str, ...]]]]
    """(client id, body) → the answer's JSON, the processing units it cost, and hints."""
    check: Callable[[str, SentBody], PendingCall[str]]
    """(client id, body of a batch request) → its JSON text, once nothing is wrong with it."""
    explain: Callable[[Job, int, datetime | None, bool], PendingCall[bytes]]
    """A job's feature in the interval that begins then (None: the first with data), as JSON or drawn as a PNG."""
    catalog: Callable[[str, SentBody, str], PendingCall[bytes]]
    """(client id, body of a catalogue search, address of the API) → a page of it, as JSON."""
    collections: Mapping[str, Collection]
    """By id and alias: those that a search may name."""
    admit: Callable[[str], None]
    """(client id): asked before a body is read; raises RateLimited."""
    close: Callable[[], None]
    """End them all; called in a thread when the server ends."""


class HungUp(Exception):
    """Nobody waits for the answer any more."""


async def answer_of(request: Request, call: PendingCall[Answer], patience: float) -> Answer:
    """What comes of the call. It is cancelled when the client hangs up (HungUp), and when nobody was free for it
    within `patience` seconds (RateLimited)."""
    answer = asyncio.wrap_future(call.future)
    hung_up = asyncio.ensure_future(_hang_up(request))
    either: set[asyncio.Future[Any]] = {answer, hung_up}
    try:
        done, _ = await asyncio.wait(either, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not done and not call.begun():
            raise RateLimited("The server is busy with the requests of others; try again.", seconds=patience / 2)
        if not done:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise HungUp
        return answer.result()
    except (CancelledError, asyncio.CancelledError):
        if not call.future.done():  # the server ends this task, not the call
            raise
        raise WorkerDied("The server is shutting down; try again.") from None
    finally:
        hung_up.cancel()
        if not answer.done():
            answer.add_done_callback(_forget)
            call.cancel()


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _forget(answer: asyncio.Future[Answer]) -> None:
    """Take note of what nobody waits for, or asyncio complains that nobody did."""
    if not answer.cancelled():
        answer.exception()
