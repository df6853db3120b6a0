"""Rotation: encrypts stored requests anew after the operator changed keys, beside running servers and runners."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.fernet import InvalidToken
from sqlalchemy import Engine, select, update

from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.keys import body_cipher, forget_stored_key, seal, unseal
from arpent.adapters.database.schema import jobs
from arpent.domain.errors import WorldError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What came of a rotation."""

    renewed: int
    """Requests that were encrypted anew."""
    unreadable: tuple[str, ...]
    """Ids of requests that none of the keys opens; they are left as they are."""
    forgot_stored_key: bool
    """Whether the database's own key was deleted."""


def rotate_bodies(engine: Engine, *keys: bytes) -> Rotation:
    """Encrypt every stored request with the first key; the others open what is there. Each request is a transaction of
    its own, so that nobody waits; what was encrypted with the first key already stays as it is. The database's own key
    is deleted once no request needs it."""
    with reading(engine) as connection:
        ids = connection.scalars(select(jobs.c.id)).all()
    renewed, unreadable = 0, []
    for job_id in ids:
        try:
            renewed += _rotate(engine, job_id, keys)
        except (WorldError, UnicodeDecodeError) as error:
            if isinstance(error, WorldError) and error.transient:
                raise
            unreadable.append(job_id)
    forgot = False
    if not unreadable:
        with writing(engine) as connection:
            forgot = forget_stored_key(connection)
    return Rotation(renewed=renewed, unreadable=tuple(unreadable), forgot_stored_key=forgot)


def _rotate(engine: Engine, job_id: str, keys: tuple[bytes, ...]) -> bool:
    """Whether this request had to be encrypted anew. Raises WorldError if no key opens it."""
    first = body_cipher(keys[0])
    with writing(engine) as connection:
        stored = connection.execute(select(jobs.c.body).where(jobs.c.id == job_id).with_for_update()).scalar()
        if stored is None:  # deleted meanwhile
            return False
        try:
            first.decrypt(bytes(stored))
            return False
        except InvalidToken:
            body = seal(first, unseal(body_cipher(*keys), bytes(stored)))
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(body=body))
        return True
