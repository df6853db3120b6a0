"""A PostgreSQL cluster of its own on a free loopback port, thrown away at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import free_port, wait_for

USER, PASSWORD, DATABASE = "arpent", "for-tests-only", "postgres"


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of its database. PostgreSQL refuses to run as root: then it runs as the user `postgres`."""
    programs, port = _programs(), free_port()
    with tempfile.TemporaryDirectory(prefix="arpent-postgres-") as name:
        home = Path(name)
        (home / "password").write_text(PASSWORD)
        user = None
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            user = account.pw_uid
            for path in (home, home / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        subprocess.run(
            [programs / "initdb", "-D", home / "cluster", "-U", USER, "-A", "scram-sha-256",
             "--pwfile", home / "password", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, user=user, cwd=home,
        )  # fmt: skip
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off",
            "max_connections": 200,
        }  # fmt: skip
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", home / "cluster", *settings], stdout=log, stderr=log, user=user, cwd=home
            )
        try:
            ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            wait_for(lambda: subprocess.run(ready, check=False).returncode == 0, 30, "PostgreSQL")
            yield f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}"
        finally:
            process.terminate()
            try:
                process.wait(10)  # SIGTERM waits for connections to end
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _programs() -> Path:
    """Debian keeps them apart from the path, one folder per version; the newest counts."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise SystemExit("PostgreSQL is not installed; tests/services/ensure.sh does it")
    return found[-1].parent if found else Path(str(on_path)).parent
