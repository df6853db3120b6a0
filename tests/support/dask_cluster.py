"""A Dask cluster of real processes on loopback or on hosts: a scheduler, and workers that come and are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.hosts import Host
from tests.support.server import MARK, free_port

COUNTING = """
import sys, time
from distributed import Client
with Client(sys.argv[1], timeout=60, set_as_default=False) as client:
    end = time.monotonic() + 60
    while (found := sum(client.ncores().values())) != int(sys.argv[2]):
        if time.monotonic() > end:
            sys.exit(f"{found} threads instead of {sys.argv[2]}")
        time.sleep(0.05)
"""
"""In a process of its own: it runs where the scheduler is, with the cluster's settings."""


@dataclass(kw_only=True)
class Cluster:
    """Logs live in `folder`."""

    folder: Path
    environment: Mapping[str, str]
    host: Host | None = None
    """Where the scheduler runs; None: on loopback."""
    scheme: str = "tcp"
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """The scheduler, then the workers."""

    @property
    def address(self) -> str:
        return f"{self.scheme}://{_address(self.host)}:{self.port}"

    @property
    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("dask-*.log")))

    def start(self, *arguments: str, host: Host | None = None) -> subprocess.Popen[bytes]:
        """`dask ARGUMENTS`."""
        before = () if host is None else host.enter
        with (self.folder / f"dask-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "dask", *arguments, "--no-dashboard"], env=dict(self.environment),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def scheduler(self) -> None:
        self.start(
            "scheduler", "--host", _address(self.host), "--port", str(self.port), "--protocol", self.scheme,
            host=self.host,
        )  # fmt: skip

    def worker(self, threads: int = 1, host: Host | None = None, *, nanny: bool = False) -> subprocess.Popen[bytes]:
        """One worker process; a nanny would start it again."""
        return self.start(
            "worker", self.address, "--nanny" if nanny else "--no-nanny", "--nthreads", str(threads),
            "--host", _address(host), "--local-directory", str(self.folder / f"local-{len(self.processes)}"), host=host,
        )  # fmt: skip

    def wait_for_threads(self, count: int) -> None:
        before = () if self.host is None else self.host.enter
        done = subprocess.run(
            [*before, sys.executable, "-c", COUNTING, self.address, str(count)], env=dict(self.environment),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def close(self) -> None:
        for process in reversed(self.processes):
            for each in (*_below(process), process):
                try:
                    each.kill()
                except psutil.NoSuchProcess:
                    continue
            process.wait()


def _address(host: Host | None) -> str:
    return "127.0.0.1" if host is None else host.address


def _below(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def surroundings(**settings: str) -> dict[str, str]:
    """Environment variables of a machine that knows nothing of arpent: what a worker needs must come with the work."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ARPENT_", "AWS_")) and name != MARK
    }
    return {**inherited, **settings}


@contextmanager
def cluster(folder: Path, threads: Sequence[int] = (1, 1), scheme: str = "tcp", **settings: str) -> Iterator[Cluster]:
    """A scheduler, and a worker process per entry of `threads`; `settings` are further environment variables."""
    made = Cluster(folder=folder, environment=surroundings(**settings), scheme=scheme)
    try:
        made.scheduler()
        for count in threads:
            made.worker(count)
        made.wait_for_threads(sum(threads))
        yield made
    finally:
        made.close()
