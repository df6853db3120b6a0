"""What a command says about errors that are not arpent's own, and how it ends that was asked to."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from numba import njit

from arpent.cli import guard, serve
from arpent.cli.guard import check_target, line_and_code
from arpent.domain.errors import InvalidRequest
from arpent.settings import Settings


def test_a_machine_that_keeps_no_kernels_is_told_which_variable_to_set() -> None:
    with pytest.raises(RuntimeError) as caught:  # of no file, so that numba finds no place for its kernels
        njit(cache=True)(eval("lambda number: number"))
    line, code = line_and_code(caught.value)
    assert "set NUMBA_CACHE_DIR" in line
    assert "unexpected" not in line
    assert code == 2


def test_a_file_that_no_new_one_may_replace_is_refused_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own rights do not help: what is written takes its place when it is whole."""
    (tmp_path / "a.csv").touch()
    check_target(tmp_path / "a.csv", "--csv")
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != tmp_path)
    with pytest.raises(InvalidRequest, match=f"may not be written by this user: see the permissions of {tmp_path}$"):
        check_target(tmp_path / "a.csv", "--csv")
    check_target(Path(os.devnull), "--csv")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process was asked to end while it loaded, and a library dropped what that raised."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    was_asked = threading.Event()
    was_asked.set()
    monkeypatch.setattr(guard, "_asked", was_asked)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("asked")
def test_who_was_asked_to_end_while_it_loaded_ends() -> None:
    assert guard.stop_on_signals().is_set()


@pytest.mark.usefixtures("asked")
def test_a_server_that_was_asked_to_end_while_it_loaded_serves_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arpent.wiring.server.application", lambda settings: None)
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: pytest.fail("it serves"))
    monkeypatch.setattr(serve, "configure", lambda *_: None)
    monkeypatch.setattr(serve, "_keep_runner", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        serve.serve(Settings(port=0))
