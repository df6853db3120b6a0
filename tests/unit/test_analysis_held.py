"""A runner's analysis whose process stood still: what it found does not count, and it writes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.objects.standstill import Standstill
from arpent.domain.errors import ArpentError, FeaturesUnreadable, ScriptTimeout, WorkLost
from arpent.domain.job import Job
from arpent.domain.location import Location
from arpent.domain.partition import Analysis
from arpent.engine.services import Services
from arpent.settings import Settings
from arpent.wiring import server
from arpent.wiring.store import database
from tests.support.jobs import make_job

REPORT = Location(scheme="s3", bucket="results", key="report")


def analysed(folder: Path, patch: pytest.MonkeyPatch, standstill: float, error: ArpentError | None) -> None:
    """An analysis that ends with this error, or writes a report, after its process stood still for so many seconds."""

    def analysis(_job: Job, services: Services, *_: object) -> Analysis:
        patch.setattr(Standstill, "_look", lambda _self: standstill)
        if error is not None:
            raise error
        services.objects.write(REPORT, b"{}")
        return Analysis(partitions=(), findings=())

    (folder / "buckets" / "results").mkdir(parents=True)
    settings = Settings(database_url=f"sqlite:///{folder / 'arpent.db'}", buckets=folder / "buckets")
    patch.setattr(server, "analysis", analysis)
    runner = server.runner(settings, database(settings), InlineExecutor())
    try:
        runner._functions.analyse(make_job(), lambda: True)
    finally:
        runner.close()


@pytest.mark.parametrize("error", [ScriptTimeout("It ran longer than 60 s"), FeaturesUnreadable("It took too long")])
def test_who_stood_still_blames_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ArpentError) -> None:
    with pytest.raises(WorkLost, match="was suspended for 31 s"):
        analysed(tmp_path, monkeypatch, 31.0, error)


def test_others_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ScriptTimeout):
        analysed(tmp_path, monkeypatch, 0.5, ScriptTimeout("It ran longer than 60 s"))


def test_who_stood_still_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkLost):
        analysed(tmp_path, monkeypatch, 31.0, None)
    assert list((tmp_path / "buckets" / "results").iterdir()) == []
