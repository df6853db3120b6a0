"""Server: runs `arpent serve` as another process, on a free port, during the demonstration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

import requests

from arpent.domain.errors import ArpentError
from arpent.settings import CONFIG

START_SECONDS = 60.0


@contextmanager
def serving(folder: Path, catalog: str, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a server whose database, buckets and log are in `folder`; yields (base URL, process)."""
    port = port or _free_port()
    environment = environment_of(folder, catalog, port)
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "arpent", "serve"], env=environment, stdout=log, stderr=log, cwd=folder
        )
    base = f"http://127.0.0.1:{port}"
    try:
        _wait(base, process, folder / "server.log")
        yield base, process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def environment_of(folder: Path, catalog: str, port: int) -> Mapping[str, str]:
    """Environment variables with the settings of this server."""
    inherited = dict(os.environ)
    if config := inherited.get(CONFIG):  # the server runs in another folder
        inherited[CONFIG] = os.path.abspath(config)
    return {
        **inherited,
        "ARPENT_DATABASE_URL": f"sqlite:///{folder / 'arpent.db'}",
        "ARPENT_BUCKETS": str(folder / "buckets"),
        "ARPENT_CATALOG": catalog,
        "ARPENT_HOST": "127.0.0.1",
        "ARPENT_PORT": str(port),
    }


def register(folder: Path, catalog: str, name: str) -> tuple[str, str]:
    """Run `arpent client add NAME --json`; returns (id, secret)."""
    answer = subprocess.run(
        [sys.executable, "-m", "arpent", "client", "add", name, "--json"],
        env=environment_of(folder, catalog, 0),
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    if answer.returncode:
        raise ArpentError(f"`arpent client add` failed: {answer.stderr}")
    client = json.loads(answer.stdout)
    return client["client_id"], client["client_secret"]


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ArpentError(f"the server ended at once; its log says: {log.read_text()[-2000:]}")
        try:
            if requests.get(f"{base}/healthz", timeout=1).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
    raise ArpentError(f"the server did not answer within {START_SECONDS:.0f} s; see {log}")
