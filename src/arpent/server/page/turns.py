"""Turns: limits how many calls of one client, and of all clients, may be under way at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arpent.domain.errors import RateLimited


class Turns:
    """Limits for calls of one kind. Not thread-safe: it belongs to the event loop."""

    def __init__(self, *, of_client: int, in_all: int, at_once: int | None = None) -> None:
        """`of_client`, `in_all`: maximum calls under way, including waiting ones, of one client and of all. `at_once`:
        calls of one client that run at the same time, while the others wait; None: none waits."""
        self._of_client = of_client
        self._in_all = in_all
        self._at_once = at_once or of_client
        self._under_way: Counter[str] = Counter()
        self._places: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Wait for a turn of the client, and hold it. Raises RateLimited if too many calls are under way."""
        if self._under_way[client] >= self._of_client:
            raise RateLimited(
                f"You have {self._of_client} requests of this kind under way; send the next when one has ended."
            )
        if self._under_way.total() >= self._in_all:
            raise RateLimited("The server is busy with the requests of others; try again.")
        self._under_way[client] += 1
        try:
            async with self._places.setdefault(client, asyncio.Semaphore(self._at_once)):
                yield
        finally:
            self._under_way[client] -= 1
            if not self._under_way[client]:
                del self._under_way[client], self._places[client]
