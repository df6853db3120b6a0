"""What runs on a worker of a Dask cluster."""

from __future__ import annotations

import pickle

import pytest

pytest.importorskip("distributed", reason="needs Dask: install arpent[dask]")

from arpent.adapters.executors.dask import task
from arpent.domain.errors import EnvironmentFault
from tests.support.dask_calls import count, lease


def test_a_worker_of_another_version_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would read what it is given as something else, and its numbers would stand beside those of others."""
    sent = pickle.dumps(task.Work(count, lease(), None, "topic"))
    assert pickle.loads(sent)().done == 3
    monkeypatch.setattr(task, "__version__", "0.0.9")
    with pytest.raises(EnvironmentFault, match=r"arpent 0\.0\.9, but the runner .*same version") as caught:
        pickle.loads(sent)()
    assert caught.value.transient, "another worker may have the right one"
