"""Clients: ClientStore over a database; secrets are stored as salted scrypt hashes."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import scrypt
from hmac import compare_digest
from uuid import uuid4

from sqlalchemy import Engine, Row, delete, func, select, update

from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.schema import clients
from arpent.domain.errors import ClientNotFound
from arpent.domain.ports.clients import Client, Role

NOBODY = (b"\0" * 16, b"\0" * 32)
"""Salt and hash to compare with if the client or its former secret does not exist, so that the answer takes the same
time."""


class SqlClientStore:
    """A ClientStore over a database."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] | None = None) -> None:
        self._engine = engine
        self._now = now or clock_of(engine)

    def add(self, name: str, role: Role = Role.USER) -> tuple[str, str]:
        client_id, secret, salt = str(uuid4()), randomness.token_urlsafe(32), randomness.token_bytes(16)
        row = {"id": client_id, "name": name, "role": role.value, "created": self._now()}
        with writing(self._engine) as connection:
            connection.execute(clients.insert(), {**row, "salt": salt, "hash": _hash(secret, salt)})
        return client_id, secret

    def count(self) -> int:
        """Number of clients."""
        with reading(self._engine) as connection:
            return int(connection.execute(select(func.count()).select_from(clients)).scalar_one())

    def verify(self, client_id: str, secret: str) -> Client | None:
        row = self._row(client_id)
        present = _is_secret(secret, (row.salt, row.hash) if row else None)
        lasting = row is not None and row.former_until is not None and row.former_until > self._now()
        former = _is_secret(secret, (row.former_salt, row.former_hash) if row and lasting else None)
        if row is None or row.disabled or not (present or former):
            return None
        return _client(row)

    def find(self, client_id: str) -> Client | None:
        row = self._row(client_id)
        return None if row is None else _client(row)

    def list(self) -> tuple[Client, ...]:
        with reading(self._engine) as connection:
            rows = connection.execute(select(clients).order_by(clients.c.created, clients.c.id)).all()
        return tuple(_client(row) for row in rows)

    def rotate(self, client_id: str, overlap: timedelta) -> str:
        secret, salt, now = randomness.token_urlsafe(32), randomness.token_bytes(16), self._now()
        kept = overlap > timedelta(0)
        # In an UPDATE, the right-hand sides are the values before the statement.
        former = (clients.c.salt, clients.c.hash, now + overlap) if kept else (None, None, None)
        changes = dict(zip(("former_salt", "former_hash", "former_until"), former, strict=True))
        fresh = {"salt": salt, "hash": _hash(secret, salt), "rotated": now}
        self._change(client_id, {**changes, **fresh, "generation": clients.c.generation + (0 if kept else 1)})
        return secret

    def disable(self, client_id: str) -> None:
        self._change(client_id, {"disabled": True, "generation": clients.c.generation + 1})

    def enable(self, client_id: str) -> None:
        self._change(client_id, {"disabled": False})

    def remove(self, client_id: str) -> None:
        with writing(self._engine) as connection:
            _found(connection.execute(delete(clients).where(clients.c.id == client_id)).rowcount, client_id)

    def _row(self, client_id: str) -> Row[tuple[object, ...]] | None:
        with reading(self._engine) as connection:
            return connection.execute(select(clients).where(clients.c.id == client_id)).first()

    def _change(self, client_id: str, values: dict[str, object]) -> None:
        with writing(self._engine) as connection:
            statement = update(clients).where(clients.c.id == client_id).values(values)
            _found(connection.execute(statement).rowcount, client_id)


def _found(rows: int, client_id: str) -> None:
    if not rows:
        raise ClientNotFound(f"There is no client {client_id}")


def _client(row: Row[tuple[object, ...]]) -> Client:
    return Client(
        id=row.id,
        name=row.name,
        # A role that only a newer version knows gets the rights of the least powerful one here.
        role=Role(row.role) if row.role in set(Role) else Role.METRICS,
        created=row.created,
        disabled=row.disabled,
        generation=row.generation,
        rotated=row.rotated,
        former_until=row.former_until,
    )


def _is_secret(secret: str, stored: tuple[bytes, bytes] | None) -> bool:
    salt, expected = stored or NOBODY
    return compare_digest(_hash(secret, salt), expected) and stored is not None


def _hash(secret: str, salt: bytes) -> bytes:
    # Secrets are 256 random bits, which cannot be guessed: scrypt may be cheap (about 20 ms, 8 MiB).
    return scrypt(secret.encode(), salt=salt, n=2**13, r=8, p=1, dklen=32)
