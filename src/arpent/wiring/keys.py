"""Keys: which keys sign, encrypt and decrypt: the operator's, or the one kept in the database."""

from __future__ import annotations

from cryptography.fernet import MultiFernet
from sqlalchemy import Engine

from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.keys import body_cipher, check_opens, known_key, stored_key
from arpent.adapters.database.rotation import Rotation, rotate_bodies
from arpent.domain.errors import InvalidSetting
from arpent.settings import Settings


def server_keys(settings: Settings, engine: Engine) -> tuple[bytes, ...]:
    """The operator's keys, or else the one kept in the database, which is created if necessary. The first one signs
    tokens, and tokens signed with any of them are accepted. The database's own key is not accepted if the operator has
    set keys, because someone who stole the database could sign tokens with it."""
    return _set_keys(settings) or (stored_key(engine),)


def opening_keys(settings: Settings, engine: Engine) -> tuple[bytes, ...]:
    """The keys that decrypt stored requests: the operator's, then the one in the database, which encrypted earlier
    requests. Changes nothing."""
    stored = known_key(engine)
    return (*_set_keys(settings), *(() if stored is None else (stored,)))


def request_cipher(settings: Settings, engine: Engine) -> MultiFernet:
    """The cipher of stored requests."""
    server_keys(settings, engine)  # creates the database's own key if it is needed
    return body_cipher(*opening_keys(settings, engine))


def check_keys(settings: Settings, engine: Engine) -> None:
    """Check that these keys match those of the other servers and runners, as far as stored requests show. Raises
    InvalidSetting."""
    check_opens(engine, request_cipher(settings, engine), clock_of(engine)())


def rotate_keys(settings: Settings, engine: Engine, *, forget_stored_key: bool = False) -> Rotation:
    """Encrypt all stored requests again with the first of the operator's keys. `forget_stored_key`: then delete the
    database's key, which no server may use any longer. Raises InvalidSetting if the operator has set no keys."""
    if not settings.secret_key:
        raise InvalidSetting("ARPENT_SECRET_KEY is not set: set it to the new key, a comma, and the keys before it")
    return rotate_bodies(engine, *opening_keys(settings, engine), forget_stored_key=forget_stored_key)


def _set_keys(settings: Settings) -> tuple[bytes, ...]:
    return tuple(key.get_secret_value().encode() for key in settings.secret_key)
