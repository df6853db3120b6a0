"""Threads: a few for what may take long, so that it never has all of them, and who reads a status does not wait."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

WRITERS = 8
"""Threads for what changes the database: it waits for up to 30 s where another program writes to a SQLite file."""
VERIFIERS = 2
"""Threads for the secrets of clients: each takes some hundredths of a second of a core, and anybody may send one."""

Answer = TypeVar("Answer")


class Threads:
    """The threads of one server, beside those of starlette. Belongs to the event loop."""

    def __init__(self) -> None:
        self._writers = CapacityLimiter(WRITERS)
        self._verifiers = CapacityLimiter(VERIFIERS)

    async def write(self, function: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
        """Run what changes the database."""
        return await to_thread.run_sync(partial(function, *arguments, **options), limiter=self._writers)

    async def verify(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Run what checks a secret."""
        return await to_thread.run_sync(partial(function, *arguments), limiter=self._verifiers)


def threads_of(request: Request) -> Threads:
    """The threads of the server that answers this request."""
    found: Threads = request.app.state.threads
    return found
