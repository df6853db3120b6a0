"""Keys: which of the operator's keys, or the one kept in the database, sign, encrypt and open."""

from __future__ import annotations

from cryptography.fernet import MultiFernet
from sqlalchemy import Engine

from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.keys import body_cipher, check_opens, known_key, stored_key
from arpent.adapters.database.rotation import Rotation, rotate_bodies
from arpent.domain.errors import InvalidSetting
from arpent.settings import Settings


def server_keys(settings: Settings, engine: Engine) -> tuple[bytes, ...]:
    """The operator's keys, or the one kept in the database, which is created if necessary. Tokens are signed with the
    first, and accepted with each. The database's own key does not prove tokens where the operator has set keys:
    whoever stole the database could sign some."""
    return _set_keys(settings) or (stored_key(engine),)


def opening_keys(settings: Settings, engine: Engine) -> tuple[bytes, ...]:
    """The keys that open stored requests: the operator's, then the one in the database, which the requests of before
    are encrypted with. Changes nothing."""
    stored = known_key(engine)
    return (*_set_keys(settings), *(() if stored is None else (stored,)))


def request_cipher(settings: Settings, engine: Engine) -> MultiFernet:
    """The cipher of stored requests."""
    server_keys(settings, engine)  # creates the database's own where it is needed
    return body_cipher(*opening_keys(settings, engine))


def check_keys(settings: Settings, engine: Engine) -> None:
    """Check that the keys are those of the other servers and runners, as far as their work tells. Raises
    InvalidSetting."""
    check_opens(engine, request_cipher(settings, engine), clock_of(engine)())


def rotate_keys(settings: Settings, engine: Engine, *, forget_stored_key: bool = False) -> Rotation:
    """Encrypt all stored requests with the first of the operator's keys. `forget_stored_key`: then delete the key of
    the database, which no server may use any more. Raises InvalidSetting if the operator has set none."""
    if not settings.secret_key:
        raise InvalidSetting("ARPENT_SECRET_KEY is not set: set it to the new key, a comma, and the keys before it")
    return rotate_bodies(engine, *opening_keys(settings, engine), forget_stored_key=forget_stored_key)


def _set_keys(settings: Settings) -> tuple[bytes, ...]:
    return tuple(key.get_secret_value().encode() for key in settings.secret_key)
