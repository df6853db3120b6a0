"""Upsert: INSERT … ON CONFLICT for both databases."""

from __future__ import annotations

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(connection: Connection, table: Table) -> Insert:
    """INSERT that leaves an existing row unchanged."""
    return _insert(connection, table).on_conflict_do_nothing()


def insert_or_replace(connection: Connection, table: Table) -> Insert:
    """INSERT that overwrites everything but the primary key of an existing row."""
    statement = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    rest = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)


def insert_or_add(connection: Connection, table: Table, column: str) -> Insert:
    """INSERT that adds to this column of an existing row."""
    statement = _insert(connection, table)
    keys = [key.name for key in table.primary_key]
    return statement.on_conflict_do_update(
        index_elements=keys, set_={column: table.columns[column] + statement.excluded[column]}
    )


def _insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
