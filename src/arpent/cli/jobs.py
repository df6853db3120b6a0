"""`arpent jobs` and `arpent status`: read from the database next to a running server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column, Table

from arpent.cli.row_lines import row_lines
from arpent.domain.errors import InvalidRequest
from arpent.domain.job import NO_ROWS, RESTING, Job
from arpent.domain.ports.jobs import JobStore, SortKey
from arpent.jobs.state_machine import completion
from arpent.settings import Settings
from arpent.wire.job import status_object
from arpent.wiring.store import job_reader

POLL_SECONDS = 1.0
PREFIX = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")
"""The beginning of a job's id."""
MOST = 10_000
"""Number of the newest jobs that are searched for the beginning of an id."""
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

Lines = Iterator[dict[str, object]]


def store(settings: Settings) -> JobStore:
    """The jobs in the database of the settings. Raises InvalidSetting if there is none, WorldError."""
    return job_reader(settings)


def entries(settings: Settings, owner: str | None, count: int) -> Lines:
    """The newest `count` jobs of a client, or of all, as status objects with their owner."""
    for job in store(settings).list(owner, SortKey.CREATED_DESCENDING, 0, count):
        yield {**status_object(job, completion(job, settings.policy)), "owner": job.owner}


def job_table(settings: Settings, owner: str | None, count: int, now: datetime) -> Table:
    """The newest `count` jobs of a client, or of all, as a table."""
    names = ("status", "%", "features", "failed", "rows", "rows failed", "left", "age", "owner")
    table = Table(Column("job", no_wrap=True, min_width=36), *names, box=None, pad_edge=False)
    for job in store(settings).list(owner, SortKey.CREATED_DESCENDING, 0, count):
        share, progress = completion(job, settings.policy), job.progress
        reason = f" {job.stop_reason}" if job.stop_reason else ""
        features = (f"{progress.done + progress.failed}/{progress.features}", str(progress.failed or ""))
        rows = progress.rows or NO_ROWS
        counted = (f"{rows.numbers}/{rows.total}" if progress.rows else "", str(rows.failed or ""))
        left = "" if progress.seconds_left is None else age_text(timedelta(seconds=progress.seconds_left))
        times = (left, age_text(now - job.created))
        table.add_row(job.id, f"{job.status}{reason}", f"{share:.1f}", *features, *counted, *times, job.owner)
    return table


def find_job(jobs: JobStore, job_id: str) -> Job:
    """The job with this id, or the only one whose id begins like this. Raises InvalidRequest, JobNotFound."""
    try:
        return jobs.get(str(UUID(job_id)))
    except ValueError:
        if not PREFIX.fullmatch(job_id.lower()):
            raise InvalidRequest(f"{job_id!r:.60} is not the id of a request: a UUID; see `arpent jobs`") from None
    found = [job for job in jobs.list(None, SortKey.CREATED_DESCENDING, 0, MOST) if job.id.startswith(job_id.lower())]
    if len(found) != 1:
        count = "No request begins" if not found else f"{len(found)} requests begin"
        raise InvalidRequest(f"{count} with {job_id!r:.60}; see `arpent jobs`")
    return jobs.get(found[0].id)


def observe(settings: Settings, job_id: str, *, watch: bool, pause: Callable[[float], None] = time.sleep) -> Lines:
    """The job's status object; with `watch`, another one after each pause until the job rests."""
    jobs = store(settings)
    while True:
        job = find_job(jobs, job_id)
        yield status_object(job, completion(job, settings.policy))
        if not watch or job.status in RESTING:
            return
        pause(POLL_SECONDS)


def show(lines: Lines, console: Console) -> dict[str, Any]:
    """Show the job's progress as a bar, and its last state in words. Returns that state."""
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TextColumn("{task.percentage:>5.1f} %  {task.fields[words]}"),
    )
    first = last = next(lines)  # before the bar, so that an error is shown alone
    with Progress(*columns, console=console) as bar:
        task: TaskID = bar.add_task("", total=100, words="")
        for last in chain([first], lines):
            share = float(str(last["completionPercentage"]))
            bar.update(task, description=str(last["status"]), completed=share, words=_words(last))
    progress = last.get("progress")
    if isinstance(progress, dict) and "rows" in progress and any(progress["rows"].values()):
        for line in row_lines(progress["rows"]):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    if hint := last.get("hint"):
        console.print(str(hint), soft_wrap=True, highlight=False)
    if why := last.get("error") or last.get("stoppedStatusReason"):
        console.print(f"[bold]{last['status']}[/]:", str(why), soft_wrap=True, highlight=False)
    return last


def _words(status: dict[str, object]) -> str:
    progress = status.get("progress")
    if not isinstance(progress, dict):
        return ""
    words = [f"{progress['done'] + progress['failed']} of {progress['features']} features"]
    if progress["failed"]:
        words.append(f"{progress['failed']} failed")
    if (rate := progress["featuresPerSecond"]) is not None:
        left = timedelta(seconds=progress["secondsLeft"])
        words += [f"{rate:.0f} per second" if rate >= 10 else f"{rate:.2g} per second", f"{age_text(left)} left"]
    return ", ".join(words)


def age_text(span: timedelta) -> str:
    """A duration in the largest unit that it fills: `3 h`."""
    seconds = max(0.0, span.total_seconds())
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    return f"{seconds / size:.0f} {unit}"
