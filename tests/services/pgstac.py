"""stac-fastapi-pgstac on PostgreSQL: a real STAC API in a database of its own, installed apart from arpent."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from tests.support.server import free_port

Document = dict[str, Any]
WAIT = 120.0
"""Seconds that the server may take to answer."""


@contextmanager
def pgstac(python: Path, postgres: str, items: Sequence[Document]) -> Iterator[str]:
    """The URL of an API with these items; `python`: of the environment that pgstac is installed in."""
    name = f"pgstac_{uuid4().hex[:8]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    split = urlsplit(postgres)
    url = urlunsplit(split._replace(path=f"/{name}"))
    with tempfile.TemporaryDirectory(prefix="arpent-pgstac-") as folder, (Path(folder) / "log").open("wb") as log:
        _load(python.parent / "pypgstac", url, items, Path(folder))
        port = free_port()
        variables = {
            "PGUSER": str(split.username), "PGPASSWORD": str(split.password), "PGHOST": str(split.hostname),
            "PGPORT": str(split.port), "PGDATABASE": name,
        }  # fmt: skip
        command = [
            python,
            "-m",
            "uvicorn",
            "--factory",
            "stac_fastapi.pgstac.app:create_app",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        server = subprocess.Popen(command, env={**os.environ, **variables}, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, server, Path(folder) / "log")
            yield address
        finally:
            server.terminate()
            server.wait(20)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


def _load(pypgstac: Path, url: str, items: Sequence[Document], folder: Path) -> None:
    names = sorted({str(item["collection"]) for item in items})
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
    collections = [
        {
            "type": "Collection", "id": name, "stac_version": "1.0.0", "description": name, "license": "other",
            "links": [], "extent": extent,
        }
        for name in names
    ]  # fmt: skip
    subprocess.run([pypgstac, "migrate", "--dsn", url], check=True, stdout=subprocess.DEVNULL)
    for kind, documents in (("collections", collections), ("items", items)):
        file = folder / f"{kind}.ndjson"
        file.write_text("".join(json.dumps(document) + "\n" for document in documents))
        subprocess.run(
            [pypgstac, "load", kind, str(file), "--dsn", url, "--method", "upsert"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + WAIT
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{address}/collections", timeout=5):
            return
        time.sleep(0.2)
    raise RuntimeError(f"pgstac does not answer: {log.read_text()[-2000:]}")
