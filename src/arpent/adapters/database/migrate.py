"""Migrate: brings a database to the newest schema by the Alembic migrations in the package, or checks its version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from arpent.adapters.database.connection import reading, writing
from arpent.domain.errors import InvalidSetting

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x61727065
"""PostgreSQL's advisory lock that lets one server migrate at a time ("arpe")."""


def migrate(engine: Engine, revision: str = "head") -> None:
    """Migrate to the newest schema, or up to a `revision` before it; does nothing if the database has reached it.
    Several servers may call it at once: one transaction holds the write lock (SQLite) or an advisory lock (PostgreSQL)
    from before the check until the end. Raises InvalidSetting for a database made by a newer version."""
    config = _config()
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        _revision(connection, config)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def check_schema(engine: Engine) -> str:
    """Check that the database has this version's tables, and return their revision; changes nothing. Raises
    InvalidSetting otherwise."""
    config = _config()
    with reading(engine) as connection:
        revision = _revision(connection, config)
    newest = ScriptDirectory.from_config(config).get_current_head()
    if revision is not None and revision == newest:
        return revision
    where = f"ARPENT_DATABASE_URL names {engine.url.render_as_string()}, which"
    if revision is None:
        raise InvalidSetting(f"{where} has no arpent tables: `arpent serve` or `arpent migrate` creates them")
    raise InvalidSetting(f"{where} has the tables of an older version ({revision}) than {newest}: run `arpent migrate`")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _revision(connection: Connection, config: Config) -> str | None:
    """The database's revision; None if it is new. Raises InvalidSetting for an unknown revision."""
    revision = " and ".join(sorted(MigrationContext.configure(connection).get_current_heads())) or None
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is None or revision in known:
        return revision
    raise InvalidSetting(
        f"ARPENT_DATABASE_URL names {connection.engine.url.render_as_string()}, which a newer version of arpent made "
        f"(revision {revision}, this one knows {max(known)}): install that version here too"
    )
