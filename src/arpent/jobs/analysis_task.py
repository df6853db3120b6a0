"""Analysis task: one analysis from lease to ANALYSIS_DONE, STOPPED or FAILED. It may be repeated, and may lose its
lease, without harm."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from time import perf_counter

from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors, sentence
from arpent.domain.errors import (
    ActionNotAllowed,
    CallerError,
    Conflict,
    DatabaseRefused,
    JobNotFound,
    LeaseLost,
    ReadingStopped,
    ScriptError,
    WorldError,
)
from arpent.domain.job import Job, Status, UserAction
from arpent.domain.partition import Analysis
from arpent.domain.ports.jobs import JobStore, Lease, WorkStore
from arpent.jobs.policy import Policy
from arpent.jobs.state_machine import Event, advance
from arpent.jobs.work_functions import WorkFunctions, pause_before_retry
from arpent.jobs.worker_deaths import analysis_kills

log = logging.getLogger(__name__)


class AnalysisTask:
    """Performs analyses in threads beside the runner's loop."""

    def __init__(
        self, jobs: JobStore, work: WorkStore, *, functions: WorkFunctions, policy: Policy, now: Callable[[], datetime]
    ) -> None:
        self._jobs = jobs
        self._work = work
        self._functions = functions
        self._policy = policy
        self._now = now

    def perform(self, lease: Lease) -> None:
        """Analyse the job. An error is stored in the job, or the lease runs out and the analysis is repeated."""
        about = {"job": lease.job_id}
        try:
            with panics_as_errors():
                self._perform(lease)
        except LeaseLost as error:
            log.info("%s", error, extra=about)
        except ReadingStopped as error:
            log.info("The analysis is given up: %s", error, extra=about)
            self._give_up(lease)
        except (CallerError, ScriptError) as error:
            log.info("The analysis failed: %s", error, extra=about)
            self._fail(lease, str(error))
        except WorldError as error:
            self._trouble(lease, error)
        except Exception as error:
            log.exception("The analysis broke", extra=about)
            if (fault := environment_fault(error)) is not None:
                self._trouble(lease, fault)
            else:
                self._fail(lease, sentence(error, "The analysis broke"))

    def _perform(self, lease: Lease) -> None:
        job = self._jobs.get(lease.job_id)
        if job.unreadable:
            self._jobs.save(job)
            self._work.finish(lease, None)
        elif (reason := analysis_kills(lease, self._policy)) is not None:
            log.error("%s", reason, extra={"job": job.id})
            self._fail(lease, reason)
        else:
            self._analyse(lease, job)

    def _analyse(self, lease: Lease, job: Job) -> None:
        began = perf_counter()
        analysis = self._functions.analyse(job)
        self._functions.analysed(lease, perf_counter() - began)
        self._work.add(lease, analysis.partitions, analysis.findings)
        self._conclude(lease, Event.ANALYSED, analysis=analysis)

    def _trouble(self, lease: Lease, error: WorldError) -> None:
        """Something is unavailable: the analysis waits, and the job says for what, until the time limit for waiting is
        over."""
        now = self._now()
        seconds = self._policy.analysis_seconds if error.transient else self._policy.absence_seconds
        last = (lease.waiting_since or now) + timedelta(seconds=seconds)
        stopped = self._jobs.get(lease.job_id).user_action is UserAction.STOP
        if now >= last or stopped or isinstance(error, DatabaseRefused):
            log.warning("The analysis failed: %s", error, extra={"job": lease.job_id})
            self._fail(lease, str(error))
            return
        log.warning("The analysis is tried again: %s", error, extra={"job": lease.job_id})
        self._functions.retried(lease, error)
        self._work.wait(lease, now, min(last, now + pause_before_retry(lease.attempt, self._policy)), str(error))

    def _fail(self, lease: Lease, reason: str) -> None:
        self._conclude(lease, Event.ANALYSIS_FAILED, error=reason)

    def _give_up(self, lease: Lease) -> None:
        """STOP came while features were read. If the user has asked to go on since, the analysis starts again."""
        try:
            self._conclude(lease, Event.ANALYSIS_STOPPED)
        except ActionNotAllowed:
            self._work.release(lease, None)
        except JobNotFound as error:
            log.info("%s", error, extra={"job": lease.job_id})

    def _conclude(
        self, lease: Lease, event: Event, *, analysis: Analysis | None = None, error: str | None = None
    ) -> None:
        """Save the job's next status, whatever its user asks for meanwhile. The lease is checked after the job is read:
        if it passes to somebody else later, the job's version changes with it and the save is refused."""
        while True:
            job = self._jobs.get(lease.job_id)
            if job.status is not Status.ANALYSING:
                return
            self._work.renew(lease, self._now(), self._policy.lease_seconds)
            told = replace(
                job,
                estimate={} if analysis is None else analysis.estimate,
                hints=() if analysis is None else analysis.hints,
            )
            after = advance(told, event, self._now(), self._policy, error=error)
            try:
                self._jobs.save(after)
            except Conflict:
                continue
            self._work.finish(lease, None)
            log.info("%s", after.status, extra={"job": job.id})
            return
