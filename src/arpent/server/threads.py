"""Threads: limits how many of the server's 40 threads slow work may take, so that quick requests need not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

WRITERS = 8
"""Threads for changes to the database, which wait for up to 30 s while another program writes to a SQLite file."""
LISTERS = 4
"""Threads for lists: a page of large requests takes some tenths of a second of CPU time."""
VERIFIERS = 2
"""Threads that check client secrets: each takes some hundredths of a second of CPU time, and anyone may send one."""

Answer = TypeVar("Answer")


class Threads:
    """The thread limits of one server. Belongs to the event loop."""

    def __init__(self) -> None:
        self._writers = asyncio.Semaphore(WRITERS)
        self._listers = asyncio.Semaphore(LISTERS)
        self._verifiers = asyncio.Semaphore(VERIFIERS)

    async def write(self, function: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
        """Run a function that changes the database."""
        async with self._writers:
            return await run_in_threadpool(function, *arguments, **options)

    async def list(self, function: Callable[[], Answer]) -> Answer:
        """Run a function that makes a page of a list."""
        async with self._listers:
            return await run_in_threadpool(function)

    async def verify(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Run a function that checks a secret."""
        async with self._verifiers:
            return await run_in_threadpool(function, *arguments)


def threads_of(request: Request) -> Threads:
    """The thread limits of the server that answers this request."""
    found: Threads = request.app.state.threads
    return found
