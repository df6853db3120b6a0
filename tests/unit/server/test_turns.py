"""Turns: who waits, and who is refused."""

from __future__ import annotations

import asyncio

import pytest

from arpent.domain.errors import RateLimited
from arpent.server.page.turns import Turns


def test_a_client_waits_for_its_own_calls_alone_and_not_without_end() -> None:
    async def told() -> list[str]:
        turns, seen, end = Turns(of_client=3, in_all=4, at_once=1), list[str](), asyncio.Event()

        async def call(client: str) -> None:
            async with turns.turn(client):
                seen.append(client)
                await end.wait()

        calls = [asyncio.create_task(call(client)) for client in ("a", "a", "a", "b")]
        await asyncio.sleep(0)
        assert sorted(seen) == ["a", "b"]
        with pytest.raises(RateLimited, match="You have 3"):
            await call("a")
        with pytest.raises(RateLimited, match="of others"):
            await call("c")
        calls[1].cancel()
        await asyncio.wait({calls[1]})
        end.set()
        await asyncio.gather(calls[0], *calls[2:])
        await call("c")
        return sorted(seen)

    assert asyncio.run(told()) == ["a", "a", "b", "c"]
