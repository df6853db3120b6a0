"""Usage: what each client used per month, and the clients' turns by weight."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, delete, func, select

from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.schema import turns, usages
from arpent.adapters.database.upsert import insert_or_add, insert_or_replace
from arpent.domain.ports.clients import Usage

LAST_TURN = 1e9
"""Virtual time after which all clients start at 0 again: with larger floats, 1 / weight would be lost in rounding."""


class SqlUsageStore:
    """A UsageStore over a database."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] | None = None) -> None:
        self._engine = engine
        self._now = now or clock_of(engine)

    def add(self, client_id: str, usage: Usage, amount: float) -> None:
        with writing(self._engine) as connection:
            add_usage(connection, client_id, usage, amount, self._now())

    def this_month(self, client_id: str, usage: Usage) -> float:
        statement = select(usages.c.amount).where(
            usages.c.owner == client_id, usages.c.month == _month(self._now()), usages.c.kind == usage.value
        )
        with reading(self._engine) as connection:
            return float(connection.execute(statement).scalar() or 0.0)


def add_usage(connection: Connection, client_id: str, usage: Usage, amount: float, now: datetime) -> None:
    """Add to a client's usage in a transaction that is under way."""
    row = {"owner": client_id, "month": _month(now), "kind": usage.value, "amount": amount}
    connection.execute(insert_or_add(connection, usages, "amount"), row)


def take_turn(connection: Connection, client_id: str, weight: float) -> None:
    """Record that the client had a turn. Its next one is due 1 / weight later than one of a client without turns. A
    client that returns after a pause is due at once, but has not saved up any turns."""
    reached = connection.execute(select(func.max(turns.c.began))).scalar() or 0.0
    if reached > LAST_TURN:
        connection.execute(delete(turns))  # costs each client one turn at most
        reached = 0.0
    held = connection.execute(select(turns.c.due).where(turns.c.owner == client_id).with_for_update()).scalar() or 0.0
    began = max(reached, held)
    row = {"owner": client_id, "began": began, "due": began + 1 / weight}
    connection.execute(insert_or_replace(connection, turns), row)


def _month(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m}"
