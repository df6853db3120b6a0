"""Keys: the server's own key, kept in the database unless the operator sets one, and encryption at rest."""

from __future__ import annotations

import secrets as randomness
from base64 import urlsafe_b64encode
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, Engine, delete, exists, or_, select

from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.schema import jobs, partitions, secrets
from arpent.adapters.database.upsert import insert_missing
from arpent.domain.errors import InvalidSetting, WorldError

KEY_NAME = "server-key"
LOOKED_AT = 5
"""Number of requests being processed that are checked when a process starts."""
FERNET_PREFIX = b"gAAAA"
"""First bytes of an encrypted body; a plain body starts with a brace."""


def known_key(engine: Engine) -> bytes | None:
    """The key that `stored_key` created; None if it never did. Changes nothing."""
    with reading(engine) as connection:
        found = connection.execute(select(secrets.c.value).where(secrets.c.name == KEY_NAME)).scalar()
    return None if found is None else bytes(found)


def stored_key(engine: Engine) -> bytes:
    """32 random bytes, created on the first call and from then on the same for every server of this database."""
    if (known := known_key(engine)) is not None:
        return known
    with writing(engine) as connection:
        fresh = {"name": KEY_NAME, "value": randomness.token_bytes(32)}
        connection.execute(insert_missing(connection, secrets), fresh)
        return bytes(connection.execute(select(secrets.c.value).where(secrets.c.name == KEY_NAME)).scalar_one())


def forget_stored_key(connection: Connection) -> bool:
    """Delete the key that `stored_key` created; returns whether there was one."""
    return bool(connection.execute(delete(secrets).where(secrets.c.name == KEY_NAME)).rowcount)


def body_cipher(*keys: bytes) -> MultiFernet:
    """The cipher for stored requests: the first key encrypts, each decrypts what it encrypted. A key may be any secret
    of the operator; the encryption key derived from it is not the one that signs tokens."""
    return MultiFernet([_fernet(key) for key in keys])


def _fernet(key: bytes) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"arpent stored requests").derive(key)
    return Fernet(urlsafe_b64encode(derived))


def seal(cipher: MultiFernet | None, body: str) -> bytes:
    """The stored form of a request; plain text without a cipher."""
    return cipher.encrypt(body.encode()) if cipher else body.encode()


def unseal(cipher: MultiFernet | None, stored: bytes) -> str:
    """The request from its stored form. Raises WorldError if it was stored with another key."""
    if not stored.startswith(FERNET_PREFIX):
        return stored.decode()
    try:
        if cipher:
            return cipher.decrypt(stored).decode()
    except InvalidToken:
        pass
    raise WorldError(
        "Stored requests cannot be read: set ARPENT_SECRET_KEY to the key they were stored with, or add that key after "
        "the present one, separated by a comma"
    )


def check_opens(engine: Engine, cipher: MultiFernet, now: datetime) -> None:
    """Check that these keys decrypt at least one of the requests being processed now; a process whose keys decrypt none
    would fail them all. Raises InvalidSetting."""
    held = exists().where(partitions.c.job_id == jobs.c.id, partitions.c.leased_until > now)
    in_work = select(jobs.c.body).where(or_(jobs.c.leased_until > now, held)).limit(LOOKED_AT)
    with reading(engine) as connection:
        stored = connection.scalars(in_work).all()
    if stored and not any(_opens(cipher, bytes(body)) for body in stored):
        raise InvalidSetting(
            "ARPENT_SECRET_KEY decrypts none of the requests that other runners of this database work on: set it to "
            "their key, or add that key after the present one, separated by a comma. If none of them runs any "
            "more and their key is lost, start again after ARPENT_POLICY__LEASE_SECONDS"
        )


def _opens(cipher: MultiFernet, stored: bytes) -> bool:
    try:
        unseal(cipher, stored)
    except (WorldError, UnicodeDecodeError):
        return False
    return True
