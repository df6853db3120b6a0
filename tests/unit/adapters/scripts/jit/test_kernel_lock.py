"""Processes that need the same kernel at once: one compiles it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from numba import config, njit
from numba.core.errors import TypingError

from arpent.adapters.scripts.jit import kernel_folder, kernel_lock

KERNEL = """
import sys, time
from numba import njit
from numba.core.dispatcher import _FunctionCompiler
from arpent.adapters.scripts.jit.kernel_folder import tolerate_faults

compiled = _FunctionCompiler.compile
def slowly(self, *call):
    print("compiled", flush=True)
    time.sleep(1)
    return compiled(self, *call)
_FunctionCompiler.compile = slowly

def thrice(number):
    return 3 * number
thrice.__module__ = "arpent.made"
sys.modules["arpent.made"] = sys.modules["__main__"]

tolerate_faults()
print("ready", flush=True)
sys.stdin.readline()
assert njit(cache=True)(thrice)(2.0) == 6.0
"""


def process(folder: Path) -> subprocess.Popen[str]:
    script = folder / "kernel.py"
    script.write_text(KERNEL)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "kernels")}
    started = subprocess.Popen(
        [sys.executable, script], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def test_of_processes_that_start_together_one_compiles(tmp_path: Path) -> None:
    processes = [process(tmp_path) for _ in range(3)]
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [each.communicate(timeout=60)[0] for each in processes]
    assert [each.returncode for each in processes] == [0] * 3
    assert sorted(said) == ["", "", "compiled\n"]
    assert not list(tmp_path.rglob("*.lock"))


def test_who_compiles_and_is_killed_keeps_nobody_waiting(tmp_path: Path) -> None:
    first, second = process(tmp_path), process(tmp_path)
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdin.write("go\n")
    first.stdin.flush()
    assert first.stdout.readline() == "compiled\n"
    first.kill()
    first.communicate()
    assert second.communicate("go\n", timeout=30)[0] == "compiled\n"
    assert second.returncode == 0


def doubled(number: float) -> float:
    return 2 * number


doubled.__module__ = "arpent.made"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One that is not compiled yet, in an empty folder."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, doubled.__module__, sys.modules[__name__])
    kernel_folder.tolerate_faults()
    return njit(cache=True)(doubled)


def lock_of(kernel: Any) -> Path:
    """The file, of this version."""
    kernel_folder._tell_versions_apart(kernel._cache)
    return Path(kernel_lock._path(kernel._cache))


def test_a_lock_that_is_never_released_is_waited_for_only_so_long(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_lock, "WAIT_SECONDS", 0.3)
    lock = lock_of(kernel)
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl; f = open({str(lock)!r}, 'w'); fcntl.lockf(f, fcntl.LOCK_EX);"
         "print('held', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    begun = time.monotonic()
    assert kernel(1.5) == 3.0
    assert time.monotonic() - begun >= 0.3
    assert lock.exists()
    holder.communicate("end\n")


def test_where_no_lock_can_be_had_kernels_are_compiled(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert kernel(1.5) == 3.0
    assert not kernel_lock._held


def test_a_kernel_that_cannot_be_compiled_is_not_kept_locked(tmp_path: Path, kernel: Any) -> None:
    with pytest.raises(TypingError):
        kernel(None)
    assert not kernel_lock._held
    assert not list(tmp_path.rglob("*.lock"))
