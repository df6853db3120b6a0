"""A PostgreSQL cluster of its own on a free loopback port, thrown away at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.server import free_port, wait_for

USER, PASSWORD, DATABASE = "arpent", "for-tests-only", "postgres"
OPTIONS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "max_connections": 200}


@dataclass(kw_only=True)
class Cluster:
    """Lives in `home`; PostgreSQL refuses to run as root: then it runs as the user `postgres`."""

    home: Path
    options: Mapping[str, str] = field(default_factory=dict)
    """Further options of the server."""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self._programs = _programs()
        self._user: int | None = None
        (self.home / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            self._user = account.pw_uid
            for path in (self.home, self.home / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        subprocess.run(
            [self._programs / "initdb", "-D", self.home / "cluster", "-U", USER, "-A", "scram-sha-256",
             "--pwfile", self.home / "password", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, user=self._user, cwd=self.home,
        )  # fmt: skip

    @property
    def url(self) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"

    def program(self, name: str, *arguments: str | Path) -> None:
        """Run a program of PostgreSQL to its end, as the user that the server has."""
        subprocess.run([self._programs / name, *arguments], check=True, user=self._user, cwd=self.home)

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        options = {**OPTIONS, **self.options, "port": self.port}
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.home / "cluster", *settings],
                stdout=log, stderr=log, user=self._user, cwd=self.home,
            )  # fmt: skip
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_for(lambda: subprocess.run(ready, check=False).returncode == 0, 60, "PostgreSQL")

    def stop(self) -> None:
        """End it at once, with clients connected: it recovers at its next start."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_cluster(**options: str) -> Iterator[Cluster]:
    """A cluster that has been started with these options."""
    with tempfile.TemporaryDirectory(prefix="arpent-postgres-") as name:
        cluster = Cluster(home=Path(name), options=options)
        try:
            cluster.start()
            yield cluster
        finally:
            if cluster.process is not None:
                cluster.stop()


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a cluster's database."""
    with running_cluster() as cluster:
        yield cluster.url


def _programs() -> Path:
    """Debian keeps them apart from the path, one folder per version; the newest counts."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise SystemExit("PostgreSQL is not installed; tests/services/ensure.sh does it")
    return found[-1].parent if found else Path(str(on_path)).parent
