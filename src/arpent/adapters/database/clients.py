"""Clients: ClientStore over a database; secrets are stored as salted scrypt hashes."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import scrypt
from hmac import compare_digest
from uuid import uuid4

from sqlalchemy import Engine, func, select

from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.schema import clients

NOBODY = (b"\0" * 16, b"\0" * 32)
"""Salt and hash to compare with if the client does not exist, so that the answer takes the same time."""


class SqlClientStore:
    """A ClientStore over a database."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def add(self, name: str) -> tuple[str, str]:
        client_id, secret, salt = str(uuid4()), randomness.token_urlsafe(32), randomness.token_bytes(16)
        row = {"id": client_id, "name": name, "salt": salt, "hash": _hash(secret, salt), "created": self._now()}
        with writing(self._engine) as connection:
            connection.execute(clients.insert(), row)
        return client_id, secret

    def count(self) -> int:
        """Number of clients."""
        with reading(self._engine) as connection:
            return int(connection.execute(select(func.count()).select_from(clients)).scalar_one())

    def verify(self, client_id: str, secret: str) -> bool:
        with reading(self._engine) as connection:
            found = connection.execute(select(clients.c.salt, clients.c.hash).where(clients.c.id == client_id)).first()
        salt, expected = found or NOBODY
        return compare_digest(_hash(secret, salt), expected) and found is not None


def _hash(secret: str, salt: bytes) -> bytes:
    # Secrets are 256 random bits, which no one guesses: scrypt may be cheap (about 20 ms, 8 MiB).
    return scrypt(secret.encode(), salt=salt, n=2**13, r=8, p=1, dklen=32)
