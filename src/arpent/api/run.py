"""Run: a batch request over features in memory by the engine itself, with stores in memory and a folder for results."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from arpent import wiring, worker
from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.features.given import GivenFeatures
from arpent.adapters.memory.jobs import MemoryJobStore
from arpent.adapters.memory.tables import Tables
from arpent.adapters.memory.work import MemoryWorkStore
from arpent.adapters.scripts.v8.runtime import announce
from arpent.domain.errors import ArpentError
from arpent.domain.feature import Features
from arpent.domain.job import ENDED, Job, Status, UserAction
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.execution import Executor, PendingCall, Ticket
from arpent.domain.ports.jobs import Lease
from arpent.engine.services import Services
from arpent.jobs.runner import Runner
from arpent.jobs.service import JobService
from arpent.jobs.work_functions import WorkFunctions
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch

SMALL_SECONDS = 10.0
"""Seconds of one core up to which a job stays in this process: workers take a second or two to start."""
OWNER = worker.LOCAL

Watch = Callable[[Job], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """What came of one request."""

    job: Job
    """The job, whose status is DONE."""
    folder: Path
    """Where its table and the fingerprints of its rows lie."""


class LazyExecutor:
    """An executor that is made when the analysis has told how long the job takes."""

    def __init__(self, slots: int, make: Callable[[], Executor]) -> None:
        self._slots = slots
        self._make = make
        self._chosen: Executor | None = None

    @property
    def slots(self) -> int:
        return self._slots

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> Ticket:
        self._chosen = self._chosen or self._make()
        return self._chosen.submit(function, lease)

    def close(self) -> None:
        if self._chosen is not None:
            self._chosen.close()


class LocalAnalysis:
    """The analysis of a server's runner: an image that only GDAL can read is opened by a process that may die."""

    def __init__(self, settings: Settings, services: Services) -> None:
        self._settings = settings
        self._reading = wiring.feature_processes(settings)
        self._reader = wiring.header_reader(settings, self._submit)
        self._services = replace(services, reader=self._reader)
        self.needs_gdal = False
        """Whether there was such an image. Its pixels are not to be read in this process either."""
        self.problem: Exception | None = None
        """The last error, which a job knows as a sentence only."""

    def analyse(self, job: Job, slots: int, wanted: Callable[[], bool]) -> Analysis:
        """As `wiring.analysis`."""
        self.problem = None
        try:
            return wiring.analysis(job, self._services, wiring.operator_limits(self._settings, slots), wanted)
        except Exception as error:
            self.problem = error
            raise

    def close(self) -> None:
        """End the process."""
        self._reader.close()
        self._reading.close()

    def _submit(self, *call: Any, **options: Any) -> PendingCall[Any]:
        self.needs_gdal = True
        return self._reading.submit(*call, **options)


def run_features(settings: Settings, body: str, features: Features, watch: Watch) -> FinishedRun:
    """Carry one batch request out over these features. `settings.buckets` is a folder with `fields` and `results`;
    where no `executor` is set, small jobs run in this process and others in workers. `watch` sees the job again and
    again. Raises CallerError, ScriptError or WorldError; ArpentError if the job failed."""
    announce(unfiltered=settings.unfiltered_scripts)
    assert settings.buckets is not None, "results go into a folder"
    tables = Tables()
    jobs, work = MemoryJobStore(tables), MemoryWorkStore(tables)
    services = replace(worker.services_of(settings), features=GivenFeatures(features))
    check = lambda _, request: wiring.check_request(services.collections, request)  # noqa: E731
    service = JobService(jobs, settings.policy, check, wiring.now)
    job, request = service.create(OWNER, body), parse_batch(body, OWNER)
    analysing = LocalAnalysis(settings, services)

    def is_small(slots: int) -> bool:
        seconds = service.get(OWNER, job.id).estimate.get("minutes", 0.0) * 60 * slots
        return seconds < SMALL_SECONDS and not analysing.needs_gdal

    executor = _executor(settings, is_small)
    functions = WorkFunctions(
        analyse=lambda job, wanted: analysing.analyse(job, executor.slots, wanted),
        process=partial(worker.process_lease, worker.for_workers(settings)),
        parse=lambda _: request,
        give_up=lambda lease, error: wiring.give_up_lease(job, lease, error, services),
        close=analysing.close,
    )
    runner = Runner(jobs, work, executor, functions, settings.policy)

    def ended() -> bool:
        now = service.get(OWNER, job.id)
        watch(now)
        return now.status in ENDED

    service.act(OWNER, job.id, UserAction.START)
    try:
        runner.run_until(ended)
    finally:
        runner.close()
        executor.close()
    done = service.get(OWNER, job.id)
    if done.status is not Status.DONE:
        raise analysing.problem if isinstance(analysing.problem, ArpentError) else ArpentError(_why(done))
    return FinishedRun(job=done, folder=settings.buckets / "results" / job.id)


def _executor(settings: Settings, is_small: Callable[[int], bool]) -> Executor:
    """As the setting says, if it was set; else this process for a small job, and workers for others, once that is
    known."""
    if "executor" in settings.model_fields_set:
        return wiring.executor_of(settings)
    slots = os.cpu_count() or 1
    return LazyExecutor(slots, lambda: InlineExecutor() if is_small(slots) else wiring.executor_of(settings))


def _why(job: Job) -> str:
    return job.error or f"the job ended as {job.status}"
