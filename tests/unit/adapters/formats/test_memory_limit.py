"""The limit of memory for a file of somebody else's: it ends with its block, whatever happens there."""

from __future__ import annotations

import resource
import sys
from threading import Event, Thread

import numpy as np
import pytest

from arpent.adapters.formats.job_files.memory_limit import within_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
PATIENCE = 60


def limit() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_DATA)


def test_the_limit_ends_with_an_error() -> None:
    before = limit()
    with within_memory(64):
        assert limit() != before
        with pytest.raises(MemoryError):
            np.ones(1 << 30)  # more than the process may have kept of what earlier tests freed
    with pytest.raises(KeyError), within_memory(64):
        raise KeyError
    assert limit() == before
    assert np.ones(1 << 24).all()


def test_two_threads_leave_no_limit_behind() -> None:
    """As workers of Dask may have: the first one to come is the first one to go."""
    before, first_has_gone, second_is_in = limit(), Event(), Event()

    def second() -> None:
        with within_memory(1024):
            second_is_in.set()
            first_has_gone.wait(PATIENCE)

    thread = Thread(target=second)
    with within_memory(4096):
        thread.start()
        second_is_in.wait(0.5)  # in vain, if they take turns
    first_has_gone.set()
    thread.join(PATIENCE)
    assert second_is_in.is_set()
    assert limit() == before
