"""Run: executes one batch request with the engine, in this process and its workers, with stores in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from arpent import worker
from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.features.given import GivenFeatures
from arpent.adapters.memory.jobs import MemoryJobStore
from arpent.adapters.memory.tables import Tables
from arpent.adapters.memory.work import MemoryWorkStore
from arpent.adapters.scripts.v8.runtime import announce
from arpent.domain.boundary.client_ids import LOCAL
from arpent.domain.errors import ArpentError
from arpent.domain.feature import Features
from arpent.domain.finding import Finding
from arpent.domain.job import ENDED, Job, Status, UserAction
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.execution import Executor, PendingCall, Ticket
from arpent.domain.ports.features import FeatureSource
from arpent.domain.ports.jobs import Lease
from arpent.domain.request import Request
from arpent.engine.services import Services
from arpent.jobs.runner import Runner
from arpent.jobs.service import JobService
from arpent.jobs.work_functions import WorkFunctions, is_away
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch
from arpent.wiring import local

SMALL_SECONDS = 10.0
"""CPU seconds up to which a job stays in this process: workers take a second or two to start."""
OWNER = LOCAL
MOST_FINDINGS = 1_000_000

Watch = Callable[[Job], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """The outcome of one request."""

    job: Job
    """The job, which has ended."""
    findings: tuple[Finding, ...]
    """Errors and warnings about its features."""
    problem: Exception | None
    """The last error of its analysis; None: there was none."""
    away: Exception | None = None
    """The error of an unavailable catalogue or bucket that left some features without numbers; None: no error."""


class LazyExecutor:
    """An executor that is created on first use, when the analysis has estimated how long the job takes."""

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
    """Analyses a job as a server's runner does: images that only GDAL can read, and large files of features, are opened
    in another process, which may crash."""

    def __init__(self, settings: Settings, services: Services, features: Features | None) -> None:
        """`features`: those of the request; None: they are read from its file."""
        self._settings = settings
        self._reading = local.feature_processes(settings, reserve=0)
        self._reader = local.header_reader(settings, self._submit)
        self._services = replace(services, reader=self._reader)
        self._features = features
        self.needs_gdal = False
        """Whether there was an image that only GDAL can read; its pixels must not be read in this process either."""
        self.problem: Exception | None = None
        """The last error itself, of which a job keeps only the message."""

    def analyse(self, job: Job, slots: int, wanted: Callable[[], bool]) -> Analysis:
        """Analyse a job as `local.analysis` does."""
        self.problem = None
        services = replace(self._services, features=self._source(job.owner, wanted))
        allowed = local.operator_limits(self._settings, max(1, slots))
        try:
            return local.analysis(job, services, self._settings, allowed, wanted)
        except Exception as error:
            self.problem = error
            raise

    def close(self) -> None:
        """Close the image reader, and end the reading process."""
        self._reader.close()
        self._reading.close()

    def _source(self, client: str, wanted: Callable[[], bool]) -> FeatureSource:
        if self._features is not None:
            return GivenFeatures(self._features)
        return local.file_features(self._settings, self._services.objects, self._reading, client, wanted)

    def _submit(self, *call: Any, **options: Any) -> PendingCall[Any]:
        self.needs_gdal = True
        return self._reading.submit(*call, **options)


def run_features(settings: Settings, body: str, features: Features, watch: Watch) -> FinishedRun:
    """Run one batch request over these features. `settings.buckets` is a folder with `fields` and `results`. Works like
    `run_request`, but raises ArpentError if the job is not DONE."""
    ran = run_request(settings, body, watch, features)
    if ran.job.status is not Status.DONE:
        raise ran.problem if isinstance(ran.problem, ArpentError) else ArpentError(_why(ran.job))
    return ran


def run_request(settings: Settings, body: str, watch: Watch, features: Features | None = None) -> FinishedRun:
    """Run one batch request, over these features if given. If `executor` is not set, small jobs run in this process and
    others in workers, which start after the analysis. `watch` is called repeatedly with the job. Raises CallerError for
    an invalid request; later errors are in the returned value."""
    announce(unfiltered=settings.unfiltered_scripts)
    tables = Tables()
    jobs, work = MemoryJobStore(tables), MemoryWorkStore(tables)
    services = worker.services_for(OWNER, settings)

    def check(_: str, request: Request) -> None:
        local.check_request(services.collections, request)
        worker.grants(OWNER, settings).check(request)

    service = JobService(jobs, settings.policy, check, local.now)
    job, request = service.create(OWNER, body), parse_batch(body, OWNER)
    analysing = LocalAnalysis(settings, services, features)

    def is_small(slots: int) -> bool:
        seconds = service.get(OWNER, job.id).estimate.get("minutes", 0.0) * 60 * slots
        return seconds < SMALL_SECONDS and not analysing.needs_gdal

    away: list[Exception] = []

    def give_up(lease: Lease, error: Exception) -> Outcome:
        away.extend([error] if is_away(error) else [])
        return local.give_up_lease(job, lease, error, services, settings)

    executor = _executor(settings, is_small)
    functions = WorkFunctions(
        analyse=lambda job, wanted: analysing.analyse(job, executor.slots, wanted),
        process=partial(worker.process_lease, worker.for_workers(settings)),
        parse=lambda _: request,
        give_up=give_up,
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
    return FinishedRun(
        job=service.get(OWNER, job.id),
        findings=service.findings(OWNER, job.id, 0, MOST_FINDINGS),
        problem=analysing.problem,
        away=away[0] if away else None,
    )


def _executor(settings: Settings, is_small: Callable[[int], bool]) -> Executor:
    """The executor that was set, if one was; else this process for a small job and workers for others, chosen when the
    size is known."""
    if "executor" in settings.model_fields_set:
        return local.executor_of(settings, ready=True)  # they start while the analysis runs
    slots = os.cpu_count() or 1
    return LazyExecutor(slots, lambda: InlineExecutor() if is_small(slots) else local.executor_of(settings))


def _why(job: Job) -> str:
    return job.error or f"the job ended as {job.status}"
