"""Run: a batch request over features in memory by the engine itself, with stores in memory and a folder for results."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from arpent import worker
from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.executors.processes.executor import ProcessExecutor
from arpent.adapters.features.given import GivenFeatures
from arpent.adapters.memory.jobs import MemoryJobStore
from arpent.adapters.memory.tables import Tables
from arpent.adapters.memory.work import MemoryWorkStore
from arpent.adapters.scripts.v8.runtime import announce
from arpent.domain.boundary.unforeseen import sentence
from arpent.domain.errors import ArpentError
from arpent.domain.feature import Features
from arpent.domain.finding import Finding
from arpent.domain.job import ENDED, Job, Status, UserAction
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.execution import Executor, Ticket
from arpent.domain.ports.jobs import Lease
from arpent.engine.analysis.analyse import analyse
from arpent.engine.processing.process import give_up
from arpent.engine.services import Limits
from arpent.jobs.in_flight import SPARE_PLACES
from arpent.jobs.runner import Runner
from arpent.jobs.service import JobService
from arpent.jobs.work_functions import WorkFunctions
from arpent.settings import Settings
from arpent.wire.request.parse import check_collections, parse_batch

SMALL_SECONDS = 10.0
"""Seconds of one core up to which a job stays in this process: workers take a second or two to start."""
OWNER = worker.LOCAL
MOST_FINDINGS = 1_000_000

Watch = Callable[[Job], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of one request."""

    job: Job
    """The job, whose status is DONE."""
    findings: tuple[Finding, ...]
    """What is known of its features."""
    folder: Path
    """Where its table lies."""


class ChosenLater:
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


def run_features(settings: Settings, body: str, features: Features, watch: Watch, kind: str | None) -> Ran:
    """Carry one batch request out over these features. `settings.buckets` is a folder with `fields` and `results`;
    `kind`: how to execute, as the setting `executor`; None: small jobs in this process, others in workers. `watch` sees
    the job again and again. Raises CallerError, ScriptError or WorldError; ArpentError if the job failed."""
    announce(unfiltered=settings.unfiltered_scripts)
    assert settings.buckets is not None, "results go into a folder"
    tables = Tables()
    jobs, work = MemoryJobStore(tables), MemoryWorkStore(tables)
    services = replace(worker.services_of(settings), features=GivenFeatures(features))
    check = lambda _, request: check_collections(request, services.collections.get)  # noqa: E731
    service = JobService(jobs, settings.policy, check, _now)
    job, request = service.create(OWNER, body), parse_batch(body, OWNER)
    executor = _executor(settings, kind, lambda: service.get(OWNER, job.id))
    limits = Limits(
        pixel_budget=settings.pixel_budget,
        parallelism=executor.slots,
        maximum_features=settings.policy.maximum_features,
        lenient_histograms=settings.lenient_histograms,
    )
    problems: list[Exception] = []

    def analyse_job(job: Job, wanted: Callable[[], bool]) -> Analysis:
        try:
            return analyse(job.id, request, services, limits, wanted)
        except Exception as error:
            problems.append(error)
            raise

    def give_up_lease(lease: Lease, error: Exception) -> Outcome:
        assert lease.partition is not None, "an analysis has no files"
        reason = ArpentError(sentence(error))
        return give_up(lease.job_id, request, lease.partition, reason, services)

    functions = WorkFunctions(
        analyse=analyse_job,
        process=partial(worker.process_lease, worker.for_workers(settings)),
        parse=lambda _: request,
        give_up=give_up_lease,
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
    job = service.get(OWNER, job.id)
    if job.status is not Status.DONE:
        raise problems[-1] if problems and isinstance(problems[-1], ArpentError) else ArpentError(_why(job))
    return Ran(
        job=job,
        findings=service.findings(OWNER, job.id, 0, MOST_FINDINGS),
        folder=settings.buckets / "results" / job.id / "parquet",
    )


def _executor(settings: Settings, kind: str | None, job: Callable[[], Job]) -> Executor:
    """As the setting says; None: by the size of the job, once that is known."""
    name, _, rest = (kind or "").partition(":")
    if name == "inline":
        return InlineExecutor()
    if name == "processes":
        return _processes(int(rest) if rest else os.cpu_count() or 1)
    if name:
        from arpent import wiring  # clusters are an extra

        return wiring.executor_of(settings.model_copy(update={"executor": kind}))
    slots = os.cpu_count() or 1

    def make() -> Executor:
        seconds = job().estimate.get("minutes", 0.0) * 60 * slots
        return InlineExecutor() if seconds < SMALL_SECONDS else _processes(slots)

    return ChosenLater(slots, make)


def _processes(count: int) -> Executor:
    return ProcessExecutor(count, spare=SPARE_PLACES)


def _why(job: Job) -> str:
    return job.error or f"the job ended as {job.status}"


def _now() -> datetime:
    return datetime.now(UTC)
