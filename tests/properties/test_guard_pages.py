"""No kernel steps beyond an array: each ends, or begins, where nothing may be touched; a crash is a failed test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bounds import CHECKED, SIGN

FEW, WORLDS, MANY = "5", "20", "100"
TOUCH = """
import ctypes
import numpy as np
from tests.support.guard_pages import guarded
array = guarded(np.arange(5), front={front})
for place in {places}:
    print(ctypes.c_int64.from_address(array.ctypes.data + 8 * place).value, flush=True)
"""


def run(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=repository, env={**os.environ, "PYTHONPATH": "."}, capture_output=True,
        text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("front", "places"), [(False, (0, 4, 5)), (True, (4, 0, -1))], ids=["behind", "before"])
def test_a_step_beyond_a_guarded_array_crashes(repository: Path, front: bool, places: tuple[int, ...]):
    done = run(repository, "-c", TOUCH.format(front=front, places=places))
    assert done.returncode == -signal.SIGSEGV, done.stderr
    assert done.stdout.split() == [str(place) for place in places[:2]]


@pytest.mark.parametrize("worlds", [WORLDS if CHECKED else FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_kernels_stay_inside_their_arrays_over_random_worlds(repository: Path, worlds: str):
    """Images that overlap, every order, resampling and way of packing, blocks decoded as far as needed; headers that
    lie; compiled scripts. The numbers are those of arrays that are not guarded."""
    done = run(repository, "-m", "tests.support.stress", "0", worlds)
    assert done.returncode == 0, f"{done.stdout[-300:]}\n{done.stderr[:4000]}"
    assert f"world {int(worlds) - 1}" in done.stdout


@pytest.mark.skipif(not CHECKED, reason="needs bounds that are checked, by `make test-bounds`")
def test_no_index_counts_from_the_end(repository: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", f"{os.environ['NUMBA_CACHE_DIR']}-signed")
    done = run(repository, "-m", "tests.support.stress", "0", WORLDS, "--signed")
    assert done.returncode == 0, done.stderr[:4000]


def test_a_fault_of_old_is_found(repository: Path):
    done = run(repository, "-m", "tests.support.stress", "0", WORLDS, "--planted")
    if CHECKED:
        assert SIGN in done.stderr
    else:
        assert done.returncode == -signal.SIGSEGV, done.stderr
