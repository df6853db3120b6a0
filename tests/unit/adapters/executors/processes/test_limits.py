"""Limits: how much a worker may keep of what it frees."""

from __future__ import annotations

import pytest

from arpent.adapters.executors.processes.limits import KEPT_MIB, kept_mib
from arpent.adapters.executors.processes.worker_thread import FULL


@pytest.mark.parametrize("limit", [None, 256, 1024, 4096, 65_536])
def test_what_is_kept_does_not_make_a_worker_look_full(limit: int | None) -> None:
    kept = kept_mib(limit)
    assert 0 < kept <= KEPT_MIB
    assert limit is None or kept <= FULL * limit / 4
