"""nginx as the server of a folder's files: ranges, ETags and errors of a real server."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.support.server import free_port, wait_for

CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 512; }}
http {{
    log_format ranges '$status $http_range $uri';
    access_log {home}/access.log ranges;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        location = /is-up {{ return 204; }}
    }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class FileServer:
    """A running server."""

    url: str
    home: Path

    @property
    def answers(self) -> list[str]:
        """Status, range and path of each request for a file so far."""
        lines = (self.home / "access.log").read_text().splitlines()
        return [line for line in lines if not line.endswith("/is-up")]


@contextmanager
def nginx(folder: Path) -> Iterator[FileServer]:
    """The files of `folder` over http on a free port of loopback."""
    with tempfile.TemporaryDirectory(prefix="arpent-nginx-") as made:
        home, port = Path(made), free_port()
        user = "user root;" if os.geteuid() == 0 else ""  # another could not read the folders of tests
        (home / "nginx.conf").write_text(CONFIGURATION.format(user=user, home=home, port=port, folder=folder))
        server = subprocess.Popen(
            ["nginx", "-p", str(home), "-e", str(home / "error.log"), "-c", str(home / "nginx.conf")]
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: _is_up(url), 60, "nginx")
            yield FileServer(url=url, home=home)
        finally:
            server.terminate()
            server.wait(60)


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/is-up", timeout=5).status_code == 204
    except requests.ConnectionError:
        return False
