"""Calls: what the routes run in other processes, and how long they wait for the results."""

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
from arpent.domain.ports.page import PageCalls
from arpent.wire.request.body import SentBody

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCalls:
    """Functions from the composition root. Calls raise RateLimited if the client has too many waiting."""

    statistics: Callable[[str, SentBody], PendingCall[tuple[bytes, float, tuple[str, ...]]]]
    """(client id, body) → the answer's JSON, processing units, and hints."""
    check: Callable[[str, SentBody], PendingCall[str]]
    """(client id, body of a batch request) → its JSON text, if it is valid."""
    explain: Callable[[Job, str | None, int, datetime | None, bool], PendingCall[bytes]]
    """(job, script, feature, start, draw) → explanation of the feature in the interval that begins at `start` (None:
    the first with data), as JSON or, with `draw`, PNG. `script`: see `JobStore.script`."""
    catalog: Callable[[str, SentBody, str], PendingCall[bytes]]
    """(client id, body of a catalogue search, address of the API) → a page of results as JSON."""
    collections: Mapping[str, Collection]
    """Collections that a search may name, by id and alias."""
    page: PageCalls
    """The calls of the page at `/`."""
    admit: Callable[[str], None]
    """(client id): raises RateLimited if the client has too many calls waiting. Called before a body is read."""
    close: Callable[[], None]
    """Ends all calls. Called in a thread when the server shuts down."""


class ClientDisconnected(Exception):
    """The client has disconnected and does not wait for the answer."""


async def answer_of(request: Request, call: PendingCall[Answer], patience: float) -> Answer:
    """Wait for the call's answer. The call is cancelled if the client disconnects (ClientDisconnected), or if no
    process becomes free for it within `patience` seconds (RateLimited)."""
    answer = asyncio.wrap_future(call.future)
    hung_up = asyncio.ensure_future(_disconnected(request))
    either: set[asyncio.Future[Any]] = {answer, hung_up}
    try:
        done, _ = await asyncio.wait(either, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not done and not call.begun():
            raise RateLimited("The server is busy with the requests of others; try again.", seconds=patience / 2)
        if not done:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnected
        return answer.result()
    except (CancelledError, asyncio.CancelledError):
        if not call.future.done():  # the server cancelled this task, not the call
            raise
        raise WorkerDied("The server is shutting down; try again.") from None
    finally:
        hung_up.cancel()
        if not answer.done():
            answer.add_done_callback(_forget)
            call.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _forget(answer: asyncio.Future[Answer]) -> None:
    """Read the result of an answer that has been abandoned; asyncio complains otherwise."""
    if not answer.cancelled():
        answer.exception()
