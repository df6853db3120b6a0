"""After a standstill of its process, a piece of work writes nothing."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arpent.adapters.objects import folder_batch
from arpent.adapters.objects.folder import FolderObjects
from arpent.adapters.objects.held import EVERY, HeldObjects
from arpent.adapters.objects.standstill import Standstill
from arpent.domain.errors import WorkLost
from arpent.domain.location import Location

OUTPUT = Location(scheme="s3", bucket="results", key="out/")
ALLOWED = 30.0


class Clocks:
    """The time, and that of the processor."""

    real = computed = 0.0

    def pass_by(self, real: float, computed: float = 0.0) -> None:
        self.real += real
        self.computed += computed

    def standstill(self) -> Standstill:
        return Standstill(ALLOWED, lambda: self.real, lambda: self.computed)


def test_a_standstill_is_remembered() -> None:
    clocks = Clocks()
    still = clocks.standstill()
    clocks.pass_by(ALLOWED)
    still.check()
    clocks.pass_by(ALLOWED + 1)
    for _ in range(2):
        with pytest.raises(WorkLost, match="was suspended for 31 s"):
            still.check()


def test_time_in_which_the_process_computes_is_none() -> None:
    clocks = Clocks()
    still = clocks.standstill()
    for _ in range(5):
        clocks.pass_by(10 * ALLOWED, 9.5 * ALLOWED)
        still.check()


def test_writes_end_at_once_and_reads_go_on(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    clocks = Clocks()
    held = HeldObjects(FolderObjects(tmp_path), 0, clocks.standstill())
    held.write(OUTPUT.at("out/1.json"), b"good")

    def entries() -> Iterator[tuple[str, bytes]]:
        for number in range(EVERY):
            yield f"out/{number + 2}.json", b"good"
        clocks.pass_by(ALLOWED + 1)
        yield "out/1.json", b"bad"

    with pytest.raises(WorkLost):
        held.write_many(OUTPUT, entries())
    with pytest.raises(WorkLost):
        held.write(OUTPUT.at("out/1.json"), b"bad")
    assert held.read(OUTPUT.at("out/1.json")) == b"good"
    assert list(held.list(OUTPUT)) == ["out/1.json"], "none of what was under way"


@pytest.mark.parametrize("count", [3, 100])
def test_what_was_synced_during_a_standstill_takes_no_name(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    store, clocks = FolderObjects(tmp_path), Clocks()
    keys = [f"out/{number}.json" for number in range(count)]
    store.write_many(OUTPUT, [(key, b"good") for key in keys])
    held = HeldObjects(store, 0, clocks.standstill())

    def sync(_handle: int) -> None:
        clocks.pass_by(ALLOWED + 1)

    monkeypatch.setattr(folder_batch, "_sync_file_system", sync)
    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(WorkLost):
        held.write_many(OUTPUT, [(key, b"bad") for key in keys])
    assert {store.read(OUTPUT.at(key)) for key in keys} == {b"good"}
    held = HeldObjects(store, 0, clocks.standstill())
    with pytest.raises(WorkLost):
        held.write(OUTPUT.at(keys[0]), b"bad")
    assert store.read(OUTPUT.at(keys[0])) == b"good"


def test_a_process_that_was_stopped_notices_it() -> None:
    program = (
        "import sys, time\n"
        "from arpent.adapters.objects.standstill import Standstill\n"
        "from arpent.domain.errors import WorkLost\n"
        "with Standstill(1.0) as still:\n"
        "    time.sleep(1.5)\n"
        "    still.check()\n"
        "    print('moving', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    try: still.check()\n"
        "    except WorkLost as error: print(error, flush=True)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "moving\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.3)  # its thread looks at the clock, and what it saw is not forgotten
        process.stdin.write("\n")
        process.stdin.flush()
        assert "was suspended" in process.stdout.readline()


def test_the_error_reaches_a_runner() -> None:
    error = pickle.loads(pickle.dumps(WorkLost("It stood still")))
    assert (str(error), error.transient) == ("It stood still", True)
