"""Chaos: kills, stops and takes things away from a running server, one mishap a round, all by one seed: as many while
a job is analysed as while one is processed."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

import psutil

from tests.support.server import Server, arpent

ZYGOTE = "arpent.adapters.scripts.v8.zygote"
FORK_SERVER = "arpent.adapters.executors.processes.fork_server"


@dataclass(kw_only=True)
class Chaos:
    """A server, a second runner on its database, and what happens to them."""

    server: Server
    catalog: Path
    """The file of items, which may vanish for a while; not the images."""
    lease_seconds: float
    seed: int
    runner: subprocess.Popen[bytes] | None = None
    """`arpent work`, a second runner."""
    done: list[str] = field(default_factory=list)
    """What has happened so far."""
    met: Counter[str] = field(default_factory=Counter)
    """Mishaps by what they met: analysis, processing."""
    seen: set[psutil.Process] = field(default_factory=set)
    """Every process that was there when something happened."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._pending: dict[str, list[Callable[[], str]]] = {}

    def start(self) -> None:
        """The server and the second runner."""
        self.server.start()
        self._start_runner()

    def round(self, meets: str, begin: Callable[[], None] = lambda: None) -> None:
        """One mishap, unless there is nobody to meet with it; all kinds happen before one happens again. `begin` is
        called a little before it, or in its midst."""
        pending = self._pending.setdefault(meets, [])
        if not pending:
            pending += self._mishaps(meets)
            self._random.shuffle(pending)
        self.seen.update(self.processes())
        beginning = Timer(self._random.uniform(0.0, 0.6), begin)
        beginning.start()
        time.sleep(self._random.uniform(0.0, 0.8))
        happened = pending.pop()()
        beginning.join()
        if happened:
            self.done.append(f"{meets}: {happened}")
            self.met[meets] += 1
        time.sleep(self._random.uniform(0.1, 1.0))

    def _mishaps(self, meets: str) -> list[Callable[[], str]]:
        both = [
            self.kill_server, self.kill_servers_runner, self.kill_runner, self.kill_interpreter, self.kill_zygote,
            self.freeze_runner, self.freeze_interpreter, self.lose_bucket, self.lose_catalog,
        ]  # fmt: skip
        if meets == "analysis":  # it runs in its runner, not in a worker
            return [*both, self.lose_features, self.lose_buckets]
        return [*both, self.kill_worker, self.kill_worker, self.freeze_worker, self.kill_fork_server]

    # ---- mishaps

    def kill_server(self) -> str:
        self.server.kill()
        time.sleep(self._random.uniform(0, 1))
        self.server.start()
        return "the server was killed"

    def kill_servers_runner(self) -> str:
        return self._kill("the server's runner", self._servers_runners)

    def kill_runner(self) -> str:
        assert self.runner is not None
        self.runner.kill()
        self.runner.wait(60)
        self._start_runner()
        return "the second runner was killed"

    def kill_worker(self) -> str:
        return self._kill("a worker", self._workers)

    def kill_fork_server(self) -> str:
        return self._kill("a fork server", self._fork_servers)

    def kill_interpreter(self) -> str:
        return self._kill("an interpreter", self._interpreters)

    def kill_zygote(self) -> str:
        return self._kill("a zygote", self._zygotes)

    def freeze_runner(self) -> str:
        assert self.runner is not None
        second = psutil.Process(self.runner.pid)
        return self._freeze("a runner", lambda: [*self._servers_runners(), second], self.lease_seconds + 1.0)

    def freeze_worker(self) -> str:
        return self._freeze("a worker", self._workers, self.lease_seconds + 1.0)

    def freeze_interpreter(self) -> str:
        return self._freeze("an interpreter", self._interpreters, 1.0)

    def lose_bucket(self) -> str:
        return self._hide(self.server.buckets / "results")

    def lose_features(self) -> str:
        return self._hide(self.server.buckets / "fields")

    def lose_buckets(self) -> str:
        return self._hide(self.server.buckets)

    def lose_catalog(self) -> str:
        """A worker that lives looks again every two seconds, a new one at once."""
        for worker in self._workers()[:1]:
            _signal(worker, signal.SIGKILL)
        return self._hide(self.catalog)

    # ---- means

    def processes(self) -> list[psutil.Process]:
        """Everything that belongs to the server and the second runner; interpreters do not inherit the mark."""
        found: dict[int, psutil.Process] = {}
        for member in self.server.members():
            found[member.pid] = member
            try:
                found |= {child.pid: child for child in member.children(recursive=True)}
            except psutil.NoSuchProcess:
                continue
        return list(found.values())

    def survivors(self) -> list[psutil.Process]:
        """Of all that were ever seen, those that live."""
        return [process for process in {*self.seen, *self.processes()} if _alive(process)]

    def close(self) -> None:
        """End everything."""
        self.seen.update(self.processes())
        self.server.close()
        if self.runner is not None:
            self.runner.wait(60)
        for process in self.survivors():
            _signal(process, signal.SIGKILL)

    def _start_runner(self) -> None:
        with (self.server.folder / "server.log").open("ab") as log:
            self.runner = subprocess.Popen(
                [*arpent(), "work", "--executor", "processes:1"], env=self.server.environment, cwd=self.server.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _running(self, word: str) -> list[psutil.Process]:
        return [process for process in self.processes() if word in _command(process)]

    def _workers(self) -> list[psutil.Process]:
        """Forks of fork servers."""
        return [process for process in self._running(FORK_SERVER) if FORK_SERVER in _command(_parent(process))]

    def _fork_servers(self) -> list[psutil.Process]:
        return [process for process in self._running(FORK_SERVER) if FORK_SERVER not in _command(_parent(process))]

    def _servers_runners(self) -> list[psutil.Process]:
        return self._running("--attached")

    def _zygotes(self) -> list[psutil.Process]:
        """Those that something of ours but a zygote started."""
        return [process for process in self._running(ZYGOTE) if ZYGOTE not in _command(_parent(process))]

    def _interpreters(self) -> list[psutil.Process]:
        """Forks of zygotes."""
        return [process for process in self._running(ZYGOTE) if ZYGOTE in _command(_parent(process))]

    def _victim(self, among: Callable[[], list[psutil.Process]]) -> psutil.Process | None:
        """One of them; they come and go, so it is waited for a little."""
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            if found := among():
                return self._random.choice(sorted(found, key=lambda process: process.pid))
            time.sleep(0.02)
        return None

    def _kill(self, name: str, among: Callable[[], list[psutil.Process]]) -> str:
        victim = self._victim(among)
        if victim is None:
            return ""
        _signal(victim, signal.SIGKILL)
        return f"{name} was killed"

    def _freeze(self, name: str, among: Callable[[], list[psutil.Process]], seconds: float) -> str:
        victim = self._victim(among)
        if victim is None:
            return ""
        _signal(victim, signal.SIGSTOP)
        time.sleep(seconds)
        _signal(victim, signal.SIGCONT)
        return f"{name} slept for {seconds:g} s"

    def _hide(self, path: Path) -> str:
        elsewhere = path.with_name(f"{path.name}.away")
        path.rename(elsewhere)
        time.sleep(self._random.uniform(0.3, 1.0))
        elsewhere.rename(path)
        return f"{path.name} was away"


def _command(process: psutil.Process | None) -> str:
    try:
        return "" if process is None else " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _parent(process: psutil.Process) -> psutil.Process | None:
    try:
        return process.parent()
    except psutil.Error:
        return None


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
