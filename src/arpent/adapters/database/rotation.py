"""Rotation: re-encrypts stored requests after the operator changed keys, while servers and runners keep running."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.fernet import InvalidToken, MultiFernet
from sqlalchemy import Engine, select, update

from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.keys import body_cipher, forget_stored_key, known_key, seal, unseal
from arpent.adapters.database.schema import jobs
from arpent.domain.errors import WorldError

TRIES = 3
"""Attempts to delete the database's own key; then it is kept, since some server still encrypts with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The result of a rotation."""

    renewed: int
    """Number of requests that were re-encrypted."""
    unreadable: tuple[str, ...]
    """Ids of requests that none of the keys decrypts; they are left as they are."""
    has_stored_key: bool
    """Whether the database still has a key of its own."""


def rotate_bodies(engine: Engine, *keys: bytes, forget_stored_key: bool = False) -> Rotation:
    """Encrypt every stored request with the first key; the other keys decrypt what is stored. Each request has its own
    transaction, so that others need not wait; one already encrypted with the first key stays as it is.
    `forget_stored_key`: also delete the database's own key once the first key decrypts every request. A server that
    still encrypts with the database's key may have stored more requests meanwhile, which are rotated, too."""
    first, each = body_cipher(keys[0]), body_cipher(*keys)
    renewed, unreadable = _rotate_all(engine, first, each)
    for _ in range(TRIES if forget_stored_key else 0):
        if unreadable or _forget(engine, first):
            break
        more, unreadable = _rotate_all(engine, first, each)
        renewed += more
    return Rotation(renewed=renewed, unreadable=unreadable, has_stored_key=known_key(engine) is not None)


def _rotate_all(engine: Engine, first: MultiFernet, each: MultiFernet) -> tuple[int, tuple[str, ...]]:
    """The number of requests that were re-encrypted, and the ids of those that no key decrypts. `first` is the cipher
    of the first key, `each` that of all keys."""
    with reading(engine) as connection:
        ids = connection.scalars(select(jobs.c.id)).all()
    renewed, unreadable = 0, []
    for job_id in ids:
        try:
            renewed += _rotate(engine, job_id, first, each)
        except (WorldError, UnicodeDecodeError) as error:
            if isinstance(error, WorldError) and error.transient:
                raise
            unreadable.append(job_id)
    return renewed, tuple(unreadable)


def _forget(engine: Engine, first: MultiFernet) -> bool:
    """Delete the database's own key if the first key decrypts every request; returns whether it does."""
    with writing(engine) as connection:
        try:
            with connection.scalars(select(jobs.c.body).execution_options(yield_per=100)) as bodies:
                for body in bodies:
                    first.decrypt(bytes(body))
        except InvalidToken:
            return False
        forget_stored_key(connection)
        return True


def _rotate(engine: Engine, job_id: str, first: MultiFernet, each: MultiFernet) -> bool:
    """Encrypt one request with the first key; returns False if it already was or was deleted. Raises WorldError if no
    key decrypts it."""
    with writing(engine) as connection:
        stored = connection.execute(select(jobs.c.body).where(jobs.c.id == job_id).with_for_update()).scalar()
        if stored is None:  # deleted meanwhile
            return False
        try:
            first.decrypt(bytes(stored))
            return False
        except InvalidToken:
            body = seal(first, unseal(each, bytes(stored)))
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(body=body))
        return True
