"""Ctrl-C in a terminal, or a signal to the whole process group, ends a command at once and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.client import seed_body
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI

STATS = ("stats", "a.gpkg", "--index", "ndvi", "--from", "2023-06-01", "--to", "2023-07-01", "-o", "a.csv")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", [STATS, ("run", "request.json")], ids=["stats", "run"])
def test_the_whole_group_ends(command: tuple[str, ...], number: signal.Signals, tmp_path: Path) -> None:
    """While it waits for a catalogue that says nothing. A background job of a shell, as these tests may be, ignores
    SIGINT, and so would what it starts."""
    temporary = tmp_path / "temporary"
    for folder in (temporary, tmp_path / "buckets" / "results"):
        folder.mkdir(parents=True)
    for place in ("a.gpkg", "buckets/fields/a.gpkg"):
        write_geopackage(tmp_path / place, good_parcels(2), 32633)
    body = seed_body("s3://fields/a.gpkg", NDVI.text, "s3://results/out")
    (tmp_path / "request.json").write_text(json.dumps(body))
    catalog = socket.create_server(("127.0.0.1", 0))
    catalog.settimeout(120)
    own = {"CATALOG": f"http://127.0.0.1:{catalog.getsockname()[1]}", "BUCKETS": str(tmp_path / "buckets")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARPENT_")}
    environment |= {f"ARPENT_{name}": value for name, value in own.items()} | {"TMPDIR": str(temporary)}
    process = subprocess.Popen(
        ["env", "--default-signal=INT,HUP", sys.executable, "-m", "arpent", *command], cwd=tmp_path, env=environment,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        with catalog, catalog.accept()[0]:
            os.killpg(process.pid, number)
            output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, output) == (130, "")
    assert not {"Fatal", "Traceback"} & set(errors.split())
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "a.csv").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_an_interrupt_that_is_lost_ends_it_all_the_same() -> None:
    """As one that Python raises in a callback of its own, or that comes while a library waits for its threads."""
    program = (
        "import contextlib, os, signal, time\n"
        "from arpent.cli import guard\n"
        "guard.GRACE_SECONDS = 0.5\n"
        "guard.interrupt_on_signals(hang_up=True)\n"
        "with contextlib.suppress(KeyboardInterrupt):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=40, check=False).returncode == 130


PROGRAM = """
import os, signal, sys, typer
from arpent.cli import guard
app = typer.Typer(cls=guard.Guarded)
@app.command()
def one() -> None:
    guard.interrupt_on_signals(hang_up=True)
    {body}
@app.command()
def two() -> None: ...
app(["one"])
"""


def ended(*lines: str) -> tuple[int, str, str]:
    program = PROGRAM.format(body="\n    ".join(lines))
    done = subprocess.run(
        ["env", "--default-signal=INT,HUP", sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asking_again_does_not_disturb_the_clearing_up(number: signal.Signals) -> None:
    ask = f"os.kill(os.getpid(), {int(number)})"
    code, told, errors = ended("try:", f"    {ask}", "finally:", f"    {ask}", "    print('cleared')")
    assert (code, told) == (130, "cleared\n")
    assert "Traceback" not in errors


def test_an_interrupt_that_a_library_makes_an_error_of_its_own_is_one() -> None:
    ask = f"os.kill(os.getpid(), {int(signal.SIGTERM)})"
    code, told, errors = ended("try:", f"    {ask}", "except KeyboardInterrupt:", "    raise ImportError('numpy')")
    assert (code, told) == (130, "")
    assert "unexpected" not in errors


def test_while_a_command_is_loaded_nothing_is_raised() -> None:
    code, told, errors = ended(
        "with guard.loading():", f"    os.kill(os.getpid(), {int(signal.SIGTERM)})", "print('on')"
    )
    assert (code, told, errors) == (130, "", "")


def test_an_interrupt_that_python_drops_is_raised_again() -> None:
    """In a finaliser, say, or in a callback of a library: without a traceback, and long before the time of grace."""
    began = time.monotonic()
    code, told, errors = ended(
        "class Dying:", "    def __del__(self) -> None:", f"        os.kill(os.getpid(), {int(signal.SIGTERM)})",
        "Dying()", "print('on')", "import time", "time.sleep(60)",
    )  # fmt: skip
    assert (code, told) == (130, "on\n")
    assert "Traceback" not in errors
    assert time.monotonic() - began < 10
