"""A server of the tests that ends by itself is told of, and started again for the tests that share it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import Server, revive


def test_a_server_that_ends_by_itself_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Server] = []

    def start(server: Server) -> None:
        started.append(server)

    monkeypatch.setattr(Server, "running", [])
    monkeypatch.setattr(Server, "start", start)
    server = Server(folder=tmp_path, catalog=tmp_path)
    (tmp_path / "server.log").write_text("its last words")
    server.process = subprocess.Popen([sys.executable, "-c", "input(); raise SystemExit(7)"], stdin=subprocess.PIPE)
    Server.running.append(server)
    assert revive() == []
    server.process.communicate(b"\n")
    (fault,) = revive()
    assert "ended with 7" in fault
    assert "its last words" in fault
    assert started == [server]


@pytest.mark.parametrize("end", [Server.kill, Server.stop, Server.close])
def test_a_server_that_is_ended_is_not_told_of(end: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "running", [])
    server = Server(folder=tmp_path, catalog=tmp_path)
    server.process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=server.environment)
    Server.running.append(server)
    assert callable(end)
    end(server)
    server.process.communicate()
    assert revive() == []
