"""Commands in this process, with settings and files that are right or wrong, and what must come of the wrong ones."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from arpent.adapters.database.connection import make_engine
from arpent.adapters.database.migrate import migrate
from arpent.cli.main import app
from tests.support import client
from tests.support.scripts import NDVI

ID = "00000000-0000-4000-8000-000000000000"
COMMANDS: dict[str, list[str]] = {
    "serve": ["serve"],
    "work": ["work"],
    "stats": [
        "stats",
        "ndvi.js",
        "--from",
        "2023-06-01",
        "--to",
        "2023-07-01",
        "--index",
        "ndvi",
        "-o",
        "x.csv",
        "--catalog",
        "folder",
    ],
    "run": ["run", "request.json"],
    "explain": ["explain", "request.json", "--feature", "1"],
    "results": ["results", "folder"],
    "jobs": ["jobs"],
    "status": ["status", ID],
    "client": ["client", "add", "me"],
    "clients": ["client", "list"],
    "client show": ["client", "show", ID],
    "client rotate": ["client", "rotate", ID],
    "client disable": ["client", "disable", ID],
    "client enable": ["client", "enable", ID],
    "client remove": ["client", "remove", ID],
    "demo": ["demo", "--folder", "new"],
    "migrate": ["migrate"],
    "warm": ["warm"],
    "migrate --check": ["migrate", "--check"],
    "rotate-keys": ["rotate-keys"],
    "collections": ["collections"],
    "sources": ["sources", "check"],
    "list": ["sources", "list"],
    "new": ["script", "new", "--index", "ndvi"],
    "indices": ["script", "list"],
    "check": ["script", "check", "ndvi.js"],
    "script": ["script", "run", "ndvi.js", "--on", "{}"],
    "sandbox": ["script", "sandbox"],
}
"""Every command that reads settings."""
STORING = ("serve", "work", "jobs", "status", "client", "clients", "migrate")
"""Those that open the database."""
READING = ("jobs", "status")


@contextmanager
def prepared(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Path]:
    """A folder with valid and invalid files, and no settings; what a command changes in this process is undone."""
    for name in [*os.environ]:
        if name.upper().startswith(("ARPENT_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "500")  # what typer frames is not broken
    monkeypatch.chdir(folder)
    body = client.seed_body("s3://fields/x.gpkg", NDVI.text)
    Path("request.json").write_text(json.dumps(body))
    Path("ndvi.js").write_text(NDVI.text)
    Path("latin.json").write_bytes(b'{"name": "\xe9"}')
    Path("broken.json").write_text('{"input": ')
    Path("broken.toml").write_text("port")
    Path("text.db").write_text("This is no database, however long it may be. " * 50)
    Path("folder").mkdir()
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers, level = logging.root.handlers[:], logging.root.level
    yield folder
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    for number, handler in kept.items():
        signal.signal(number, handler)


def call(arguments: Sequence[str], settings: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), env={f"ARPENT_{key}": it for key, it in (settings or {}).items()})


def check(result: Result, *words: str) -> None:
    """One line of ours; or what the framework says of arguments: usage and a frame."""
    said = result.stderr
    assert result.exit_code == 2, (result.output, result.exception)
    assert "Traceback" not in result.output
    if not said.startswith("Usage: arpent "):
        assert said.startswith("arpent: "), said
        assert said.count("\n") == 1, said
        assert not said.startswith("arpent: unexpected "), said
    assert [word for word in words if word not in said] == [], said


def made_by(revision: str | None, path: str) -> str:
    """The URL of a database of this version (None), or one that says it is of another."""
    engine = make_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    if revision is not None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    return f"sqlite:///{path}"
