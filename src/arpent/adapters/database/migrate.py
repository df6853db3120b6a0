"""Brings a database to the newest schema by the Alembic migrations inside the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from arpent.adapters.database.connection import writing

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x61727065
"""PostgreSQL's advisory lock that lets one server migrate at a time ("arpe")."""


def migrate(engine: Engine) -> None:
    """To the newest schema; does nothing when it is there. Several servers may call it at once: one transaction holds
    the write lock (SQLite) or an advisory lock (PostgreSQL) from before it looks until it has finished."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
