"""Watching a job: lines for machines, and words for people."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console
from typer.testing import CliRunner

from arpent import __version__
from arpent.cli import jobs as watching
from arpent.cli.main import app
from arpent.domain.errors import InvalidRequest
from arpent.domain.job import Job, Progress, Status, StopReason
from arpent.settings import Settings
from tests.support.jobs import make_job


class Growing:
    """A store whose one job gets ten features further at every look."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.looks = -1

    def get(self, job_id: str) -> Job:
        assert job_id == self.job.id
        self.looks += 1
        done = min(10 * self.looks, 40)
        status = Status.DONE if done == 40 else Status.PROCESSING
        rate = 2.0 if 0 < done < 40 else None
        progress = Progress(features=40, done=done, partitions=4, open=1, rate=rate)
        return replace(self.job, status=status, progress=progress)


@pytest.fixture
def growing(monkeypatch: pytest.MonkeyPatch) -> Growing:
    store = Growing(make_job())
    monkeypatch.setattr(watching, "store", lambda settings: store)
    return store


def test_follows_to_the_end(growing: Growing) -> None:
    lines = list(watching.observe(Settings(), growing.job.id, watch=True, pause=lambda seconds: None))
    assert [line["completionPercentage"] for line in lines] == [0, 25, 50, 75, 100]
    progresses = [line["progress"] for line in lines]
    assert [each["secondsLeft"] for each in progresses if isinstance(each, dict)] == [None, 15, 10, 5, None]


def test_once_is_once(growing: Growing) -> None:
    assert len(list(watching.observe(Settings(), growing.job.id, watch=False))) == 1


def test_words(growing: Growing) -> None:
    sink = io.StringIO()
    lines = list(watching.observe(Settings(), growing.job.id, watch=True, pause=lambda seconds: None))
    watching.show(iter(lines[:3]), Console(file=sink, width=200))
    assert "20 of 40 features, 2 per second, 10 s left" in sink.getvalue()
    sink = io.StringIO()
    stopped = {"status": "STOPPED", "completionPercentage": 50.0, "stoppedStatusReason": str(StopReason.UNHEALTHY)}
    watching.show(iter([stopped]), Console(file=sink, width=200))
    assert "STOPPED: UNHEALTHY" in sink.getvalue()


ROWS = {"withNumbers": 3, "allMasked": 0, "withoutImagery": 1, "failed": 0, "reasons": []}


@pytest.mark.parametrize(
    ("status", "progress", "code"),
    [
        ("DONE", {"failed": 0, "incomplete": 0, "rows": ROWS}, 0),
        ("DONE", {"failed": 0, "incomplete": 0}, 0),
        ("DONE", {"failed": 1, "incomplete": 0}, 3),
        ("DONE", {"failed": 0, "incomplete": 0, "rows": {**ROWS, "failed": 2}}, 3),
        ("DONE", {"failed": 0, "incomplete": 0, "rows": {**ROWS, "withNumbers": 0}}, 3),
        ("DONE", {"failed": 0, "incomplete": 0, "rows": {**ROWS, "withNumbers": 0, "withoutImagery": 0}}, 0),
        ("PROCESSING", {"failed": 1, "incomplete": 0, "rows": {**ROWS, "failed": 2}}, 0),
        ("FAILED", {}, 1),
    ],
)
@pytest.mark.parametrize("how", [["--json"], ["--json", "--watch"]])
def test_the_exit_code_tells_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, status: str, progress: dict[str, object], code: int, how: list[str]
) -> None:
    last = {"status": status, "progress": progress}
    monkeypatch.setattr(watching, "observe", lambda settings, job, watch: iter([last]))
    done = CliRunner().invoke(app, ["status", "0000", *how])
    assert (done.exit_code, json.loads(done.stdout)) == (code, last)


def test_the_rows_are_told() -> None:
    reasons = [{"reason": "Error: a cloud", "count": 1262}]
    rows = {"withNumbers": 558, "allMasked": 0, "withoutImagery": 0, "failed": 1262, "reasons": reasons}
    progress = {
        "done": 364, "failed": 0, "features": 364, "featuresPerSecond": None, "secondsLeft": None, "rows": rows
    }  # fmt: skip
    sink = io.StringIO()
    done = {"status": "DONE", "completionPercentage": 100, "progress": progress}
    watching.show(iter([done]), Console(file=sink, width=200))
    assert "1,820 rows (a feature in an interval): 558 with numbers" in sink.getvalue()
    assert "1,262 failed\n1,262 x Error: a cloud" in sink.getvalue()


@pytest.mark.parametrize("command", ["", "stats", "run", "status", "script new", "client add", "catalog from-index"])
def test_every_command_has_help(command: str) -> None:
    assert CliRunner().invoke(app, [*command.split(), "-h"]).exit_code == 0


def test_the_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == __version__
    assert json.loads(CliRunner().invoke(app, ["version", "--json"]).stdout) == {"version": __version__}


def test_an_id_that_is_none(growing: Growing) -> None:
    with pytest.raises(InvalidRequest, match="arpent jobs"):
        watching.find_job(growing, "x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(), "0 s"), (timedelta(seconds=59), "59 s"), (timedelta(minutes=90), "2 h"),
        (timedelta(minutes=3), "3 min"), (timedelta(days=40), "40 d"), (timedelta(seconds=-1), "0 s"),
    ],
)  # fmt: skip
def test_durations(span: timedelta, words: str) -> None:
    assert watching.age_text(span) == words
