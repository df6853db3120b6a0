"""The bounds of kernels are checked wherever they run, and no fault is overlooked."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from arpent.adapters.executors.processes.executor import ProcessExecutor
from arpent.adapters.scripts.jit.kernel_cache import KernelCache
from arpent.domain.evalscript import Mosaicking
from arpent.domain.ports.jobs import Lease
from arpent.evalscript.layout import Column, MemoryLayout
from tests.support.assembly import declared
from tests.support.bounds import CHECKED, SIGN, planted, told, watch
from tests.support.jobs import make_partition
from tests.support.server import Server, wait_for

checked = pytest.mark.skipif(not CHECKED, reason="needs bounds that are checked, by `make test-bounds`")
SOURCE = "//VERSION=3\nfunction evaluatePixel(samples) { return [samples[0].a + samples[2].a] }"


def column(rows: int) -> Column:
    return Column(kind="f8", rows=rows, scale=(1.0, 0.0), simple=False)


@checked
def test_a_fault_of_a_kernel_is_an_error():
    with pytest.raises(IndexError, match=SIGN):
        planted()


@checked
def test_a_fault_of_a_kernel_in_a_worker_is_an_error():
    executor = ProcessExecutor(1)
    try:
        ticket = executor.submit(
            planted, Lease(job_id="j", token="t", partition=make_partition(0, range(1)), attempt=1)
        )
        wait_for(ticket.done, 120, "a worker")
        with pytest.raises(IndexError, match=SIGN):
            ticket.result()
    finally:
        executor.close()


@checked
def test_a_server_checks_its_bounds(tmp_path: Path):
    environment = Server(folder=tmp_path, catalog=tmp_path).environment
    assert environment["NUMBA_BOUNDSCHECK"] == "1"
    assert Path(environment["NUMBA_CACHE_DIR"]).is_absolute(), "a server runs elsewhere"


@checked
def test_a_fault_of_a_compiled_script_is_an_error():
    """The script is compiled for three scenes; then two are said to be enough, and there are no more."""
    evalscript = declared(SOURCE, bands=("a",), outputs={"default": 1}, mosaicking=Mosaicking.ORBIT)
    kernel = KernelCache(0).make(evalscript, MemoryLayout(inputs=((column(3),),), width=1))
    kernel.code._columns = (column(2),)
    with pytest.raises(IndexError, match=SIGN):
        kernel.run([np.ones((2, 5))], np.empty((1, 5)))


def test_a_fault_that_is_caught_and_logged_is_told():
    apart = logging.Logger("apart")
    with told(apart) as found:
        apart.warning("something else")
        try:
            raise IndexError(SIGN)
        except IndexError:
            apart.exception("A partition is given up")
    assert len(found) == 1


def test_a_fault_in_another_process_is_told_once(tmp_path: Path):
    log = tmp_path / "server.log"
    watch(log)
    log.write_text("started\n")
    with told() as found:
        pass
    assert found == []
    with told() as found, log.open("a") as file:
        file.write(f"IndexError: {SIGN}\n")
    assert len(found) == 1
    with told() as found:
        pass
    assert found == []
