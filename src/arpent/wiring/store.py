"""Store: constructor calls for commands that read the database next to a running server, and change who may use the
server. They compute nothing, and import nothing that does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Engine, make_url

from arpent.adapters.database.clients import SqlClientStore
from arpent.adapters.database.connection import make_engine
from arpent.adapters.database.keys import body_cipher
from arpent.adapters.database.migrate import check_schema, migrate
from arpent.domain.errors import WorldError
from arpent.settings import Settings
from arpent.wiring.keys import opening_keys

if TYPE_CHECKING:
    from arpent.adapters.database.jobs import SqlJobStore


def database(settings: Settings) -> Engine:
    """An engine for a database with this version's tables, which are created if necessary. Raises InvalidSetting,
    WorldError."""
    engine = make_engine(settings.database_url)
    with _named(settings):
        migrate(engine)
    return engine


def schema_revision(settings: Settings) -> str:
    """The revision of the database's tables; changes nothing. Raises InvalidSetting unless it is this version's."""
    with _named(settings):
        return check_schema(make_engine(settings.database_url, reader=True))


def job_reader(settings: Settings) -> SqlJobStore:
    """The jobs of an existing database, read-only. Raises InvalidSetting if there is none, or if its tables are of
    another version."""
    from arpent.adapters.database.jobs import SqlJobStore  # this imports numba, which a list of clients does not need

    engine = make_engine(settings.database_url, reader=True)
    with _named(settings):
        check_schema(engine)
        keys = opening_keys(settings, engine)
    return SqlJobStore(engine, body_cipher(*keys) if keys else None)


@contextmanager
def _named(settings: Settings) -> Iterator[None]:
    """Add the setting's name to errors of the database."""
    try:
        yield
    except WorldError as error:
        url = make_url(settings.database_url).render_as_string()
        raise WorldError(f"{error} (ARPENT_DATABASE_URL is {url})", transient=error.transient) from error


def clients(engine: Engine) -> SqlClientStore:
    """The store of OAuth2 clients."""
    return SqlClientStore(engine)
