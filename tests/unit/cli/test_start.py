"""The end of a command: at once, but with all that was written, its exit code, and what others do at the end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = """
import atexit, sys, types
main = types.ModuleType("arpent.cli.main")
def app():
    atexit.register(print, "left")
    print("done")
    raise SystemExit({code!r})
main.app = app
sys.modules["arpent.cli.main"] = main
from arpent.cli.start import start
start()
"""


@pytest.mark.parametrize(
    ("code", "ends_with", "says"), [(None, 0, ""), (0, 0, ""), (3, 3, ""), ("a sentence", 1, "a sentence")]
)
def test_what_was_written_is_there_and_the_code_is_the_command_s(
    code: int | str | None, ends_with: int, says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(code=code)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (ends_with, "done\nleft\n", says)


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_process_without_an_output_ends_as_well(closed: str) -> None:
    command = COMMAND.format(code=3).replace("print", "str")  # there is nowhere to print to
    shell = f'exec "$0" -c "$1" {closed}>&-'
    done = subprocess.run(["sh", "-c", shell, sys.executable, command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_what_could_not_be_written_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND.format(code=0)], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode != 0
    assert "No space left" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_modules_are_loaded_ends_it_without_a_word(number: signal.Signals) -> None:
    program = f"import os\nimport arpent.adapters\n{COMMAND}".replace(
        "from arpent.cli.start import start\n",
        "import arpent.cli.start as module\n"
        f"module.leave_pandas_out = lambda: os.kill(os.getpid(), {int(number)})\n"
        "start = module.start\n",
    ).format(code=0)
    done = subprocess.run(
        ["env", "--default-signal=INT,HUP", sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_log_on_a_full_disk_ends_no_work() -> None:
    told = COMMAND.replace('print("done")', 'print("so far", file=sys.stderr, flush=True)\n    print("done")')
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", told.format(code=0)], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (0, "done\nleft\n")
