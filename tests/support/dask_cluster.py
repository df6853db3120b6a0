"""A Dask cluster of real processes on loopback: a scheduler, and workers that come and are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from distributed import Client

from tests.support.server import MARK, free_port, wait_for


@dataclass(kw_only=True)
class Cluster:
    """Logs live in `folder`."""

    folder: Path
    environment: Mapping[str, str]
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """The scheduler, then the workers."""

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("dask-*.log")))

    def start(self, *arguments: str, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """`dask ARGUMENTS`; `before` goes in front of the command (`ip netns exec …`)."""
        with (self.folder / f"dask-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "dask", *arguments, "--no-dashboard"], env=dict(self.environment),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def scheduler(self, before: Sequence[str] = ()) -> None:
        self.start("scheduler", "--host", self.host, "--port", str(self.port), before=before)

    def worker(self, threads: int = 1, host: str = "127.0.0.1", before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """One worker process, without a nanny that would start it again."""
        return self.start(
            "worker", self.address, "--no-nanny", "--nthreads", str(threads), "--host", host,
            "--local-directory", str(self.folder / f"local-{len(self.processes)}"), before=before,
        )  # fmt: skip

    def wait_for_threads(self, count: int) -> None:
        with Client(self.address, set_as_default=False) as client:
            wait_for(lambda: sum(client.ncores().values()) == count, 60, f"{count} threads of the cluster")

    def close(self) -> None:
        for process in reversed(self.processes):
            for each in (*_below(process), process):
                try:
                    each.kill()
                except psutil.NoSuchProcess:
                    continue
            process.wait()


def _below(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@contextmanager
def cluster(folder: Path, threads: Sequence[int] = (1, 1), **settings: str) -> Iterator[Cluster]:
    """A scheduler, and a worker process per entry of `threads`; `settings` are further environment variables. They
    are found nowhere near a test's own environment: what a worker needs must come with the work."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ARPENT_", "AWS_")) and name != MARK
    }
    made = Cluster(folder=folder, environment={**inherited, **settings})
    try:
        made.scheduler()
        for count in threads:
            made.worker(count)
        made.wait_for_threads(sum(threads))
        yield made
    finally:
        made.close()
