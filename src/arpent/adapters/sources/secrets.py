"""Secrets: read from the places named in the source table each time they are needed, so that files may be replaced."""

from __future__ import annotations

import os
from pathlib import Path

from arpent.network.access import AccessFailed
from arpent.network.source import ArchiveSource

MOST_SECRET_BYTES = 65_536


def secret_of(reference: str | None) -> str | None:
    """The secret at `env:NAME` or `file:/path`; None if there is none. Raises AccessFailed if the file is
    unreadable."""
    if reference is None:
        return None
    kind, _, where = reference.partition(":")
    if kind == "env":
        return os.environ.get(where, "").strip() or None
    try:
        with Path(where).expanduser().open("rb") as file:
            return file.read(MOST_SECRET_BYTES).decode().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise AccessFailed(f"the file {where} cannot be read: {reason}") from None


def needed(source: ArchiveSource, *fields: str) -> tuple[str, ...]:
    """The secrets of these fields. Raises AccessFailed, which names those that are missing."""
    references = {name: getattr(source, name) for name in fields}
    found = {name: secret_of(reference) for name, reference in references.items()}
    if missing := [_place(reference) for name, reference in references.items() if found[name] is None]:
        raise AccessFailed(f"its source {source.name} lacks keys: set {' and '.join(missing)}")
    return tuple(str(found[name]) for name in fields)


def is_there(source: ArchiveSource, *fields: str) -> bool:
    """Whether all of these fields are set, and their secrets exist."""
    return all(secret_of(getattr(source, name)) is not None for name in fields)


def places(source: ArchiveSource, *fields: str) -> str:
    """The places in which the secrets of these fields are looked for, as text for messages."""
    return " and ".join(_place(getattr(source, name)) for name in fields if getattr(source, name) is not None)


def _place(reference: str | None) -> str:
    if reference is None:
        return "its other half"
    kind, _, where = reference.partition(":")
    return f"the variable {where}" if kind == "env" else f"the file {where}"
