"""A real `arpent serve` in a process of its own, on a folder of its own, and a sure end for all that it starts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import psutil
import requests

from tests.support.bounds import SIGN, watch

PATIENCE = 60.0
"""Seconds a server may take to come up."""
MARK = "ARPENT_TEST_MARK"
"""Environment variable by which everything that a server started is found again, orphans too."""


def arpent() -> list[str]:
    """The command line, beside this interpreter or as a module."""
    script = Path(sys.executable).with_name("arpent")
    return [str(script)] if script.exists() else [sys.executable, "-m", "arpent"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def wait_for(what: Callable[[], Any], seconds: float, name: str, pause: float = 0.05) -> Any:
    """The first true answer; TimeoutError with the name if none comes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := what():
            return answer
        time.sleep(pause)
    raise TimeoutError(f"waited {seconds:g} s in vain for {name}")


@dataclass(kw_only=True)
class Server:
    """Database, buckets and log live in `folder`; they outlast the process."""

    folder: Path
    catalog: Path
    settings: Mapping[str, str | None] = field(default_factory=dict)
    """Further ARPENT_* variables, without the prefix; None takes one of ours away."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further variables of any name."""
    before: Sequence[str] = ()
    """A command that runs the commands, such as one that takes something away from them."""
    port: int = field(default_factory=free_port)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[bytes] | None = None
    running: ClassVar[list[Server]] = []
    """Those that were started and that nobody ended."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def batch(self) -> str:
        return f"{self.url}/api/v1/statistics/batch"

    @property
    def token_url(self) -> str:
        return f"{self.url}/oauth/token"

    @property
    def buckets(self) -> Path:
        return self.folder / "buckets"

    @property
    def log(self) -> str:
        """What every process of this server said so far."""
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ARPENT_", "AWS_"))}
        own = {
            "DATABASE_URL": f"sqlite:///{self.folder / 'arpent.db'}",
            "BUCKETS": str(self.buckets),
            "CATALOG": str(self.catalog),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "EXECUTOR": "processes:2",
        }
        return (
            inherited
            | {f"ARPENT_{name}": value for name, value in {**own, **self.settings}.items() if value is not None}
            | self.variables
            | {MARK: self.mark}
        )

    def run(self, arguments: Sequence[str], seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """An `arpent` command with this server's settings, to its end."""
        done = subprocess.run(
            [*self.before, *arpent(), *arguments], env=self.environment, cwd=self.folder, capture_output=True,
            text=True, timeout=seconds, check=False,
        )  # fmt: skip
        assert SIGN not in done.stdout + done.stderr, done.stderr
        return done

    def add_client(self, name: str = "tests") -> tuple[str, str]:
        """Register a client: (id, secret)."""
        done = self.run(["client", "add", name, "--json"])
        assert done.returncode == 0, f"arpent client add failed:\n{done.stdout}\n{done.stderr}"
        answer = json.loads(done.stdout)
        return answer["client_id"], answer["client_secret"]

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Server:
        """Start it and wait until it says that it is well."""
        self.buckets.mkdir(parents=True, exist_ok=True)
        watch(self.folder / "server.log")
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.before, *arpent(), "serve"], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            wait_for(self._is_well, PATIENCE, "/healthz")
        except BaseException:
            self.close()
            raise
        Server.running.append(self)
        return self

    def _is_well(self) -> bool:
        assert self.process is not None
        if (fault := self.ended()) is not None:
            raise RuntimeError(fault)
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def ended(self) -> str | None:
        """Why it runs no longer, with the end of its log; None if it runs."""
        assert self.process is not None
        if self.process.poll() is None:
            return None
        return f"{self.url} ended with {self.process.returncode}; its log ends:\n{self.log[-4000:]}"

    def members(self) -> list[psutil.Process]:
        """Every living process that this server started, itself included, wherever it hangs in the tree."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def children(self) -> list[psutil.Process]:
        """The same without the server's own process: workers, script children."""
        own = None if self.process is None else self.process.pid
        return [process for process in self.members() if process.pid != own]

    def kill(self) -> None:
        """`kill -9` of the server's own process, nothing else: its children are left to notice by themselves."""
        assert self.process is not None
        self._is_ended_by_us()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def stop(self) -> None:
        """Ask it to end, as an operator does, and wait."""
        assert self.process is not None
        self._is_ended_by_us()
        self.process.terminate()
        self.process.wait(60)

    def close(self) -> None:
        """End everything it started, at once."""
        self._is_ended_by_us()
        for process in self.members():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        if self.process is not None:
            self.process.wait(60)

    def _is_ended_by_us(self) -> None:
        Server.running[:] = [server for server in Server.running if server is not self]


def revive() -> list[str]:
    """Start the servers again that ended although nobody ended them; returns why each of them ended."""
    faults = []
    for server in list(Server.running):
        if (fault := server.ended()) is not None:
            faults.append(fault)
            server.close()
            try:
                server.start()
            except (TimeoutError, RuntimeError) as error:
                faults.append(f"it cannot be started again: {error}")
    return faults
