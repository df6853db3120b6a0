"""Analysis task: performs the analysis of a leased job, which ends as ANALYSIS_DONE, STOPPED or FAILED. Repeating an
analysis, or losing its lease, does no harm."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from threading import Event as Flag
from time import perf_counter

from arpent.domain.boundary.trace import read_trace, spanned
from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors, sentence
from arpent.domain.errors import (
    ActionNotAllowed,
    CallerError,
    Conflict,
    DatabaseRefused,
    JobNotFound,
    LeaseLost,
    NoLongerWanted,
    ScriptError,
    WorldError,
)
from arpent.domain.job import Job, Status, UserAction
from arpent.domain.partition import Analysis, Partition
from arpent.domain.ports.execution import WORK_NICENESS
from arpent.domain.ports.jobs import JobStore, Lease, WorkStore
from arpent.jobs.in_flight import BackgroundCall
from arpent.jobs.policy import IDLE_SECONDS, Policy
from arpent.jobs.state_machine import Event, advance
from arpent.jobs.work_functions import WorkFunctions, end_of_waiting, pause_before_retry
from arpent.jobs.worker_deaths import analysis_kills

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Seconds between checks of whether an analysis is still wanted."""
LONG_ATTEMPTS = 2
"""Multiple of the policy's `attempts` up to which a long attempt of an analysis starts a new wait."""
ENDING_SECONDS = 600.0
"""Maximum time in seconds for which a stopped analysis keeps its place while its current step ends."""


class AnalysisTask:
    """Performs analyses in threads alongside the runner's loop."""

    def __init__(
        self, jobs: JobStore, work: WorkStore, *, functions: WorkFunctions, policy: Policy, now: Callable[[], datetime]
    ) -> None:
        self._jobs = jobs
        self._work = work
        self._functions = functions
        self._policy = policy
        self._now = now

    def perform(self, lease: Lease) -> None:
        """Analyse the job. An error is stored in the job; if it cannot be, the lease expires and the analysis is
        repeated."""
        about, began = {"job": lease.job_id}, self._now()
        try:
            with spanned("analyse", read_trace(lease.trace), **{"arpent.job": lease.job_id}), panics_as_errors():
                self._perform(lease)
        except LeaseLost as error:
            log.info("%s", error, extra=about)
        except NoLongerWanted as error:
            log.info("The analysis is given up: %s", error, extra=about)
            self._stopped(lease)
        except (CallerError, ScriptError) as error:
            log.info("The analysis failed: %s", error, extra=about)
            self._fail(lease, str(error))
        except WorldError as error:
            self._trouble(lease, error, began)
        except Exception as error:
            log.exception("The analysis failed unexpectedly", extra=about)
            if (fault := environment_fault(error)) is not None:
                self._trouble(lease, fault, began)
            else:
                self._fail(lease, sentence(error, "The analysis failed unexpectedly"))

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
        analysis = self._while_wanted(lease, job)
        if analysis is None:
            return
        self._functions.analysed(lease, perf_counter() - began)
        self._work.add(lease, self._partitions(job, analysis), analysis.findings, analysis.script)
        self._conclude(lease, Event.ANALYSED, analysis=analysis)

    def _while_wanted(self, lease: Lease, job: Job) -> Analysis | None:
        """Run the analysis in its own thread and return it, or None if the user sent STOP meanwhile. The thread ends
        when it next checks `wanted`: each step between two checks (a search, a script, the header of an image) has a
        time limit, and the analysis keeps its place until then. Raises what the analysis raises."""
        stopped = Flag()
        analyse = self._functions.analyse
        call = BackgroundCall(lambda: analyse(job, lambda: not stopped.is_set()), niceness=WORK_NICENESS)
        while not call.wait(LOOK_SECONDS):
            if not self._is_wanted(job.id):
                stopped.set()
                self._stopped(lease)
                call.wait(ENDING_SECONDS)
                return None
        return call.result()

    def _partitions(self, job: Job, analysis: Analysis) -> Iterator[Partition]:
        """Yield the partitions, which are cut one by one as they are stored. Raises NoLongerWanted after STOP."""
        looked = perf_counter()
        for partition in analysis.partitions:
            if perf_counter() - looked > LOOK_SECONDS:
                if not self._is_wanted(job.id):
                    raise NoLongerWanted("STOP was requested")
                looked = perf_counter()
            yield partition

    def _is_wanted(self, job_id: str) -> bool:
        """Whether the job's analysis is still wanted: the job exists and its user has not stopped it."""
        try:
            job = self._jobs.get(job_id)
        except JobNotFound:
            return False
        except WorldError:
            return True
        return job.status is Status.ANALYSING and job.user_action is not UserAction.STOP

    def _trouble(self, lease: Lease, error: WorldError, began: datetime) -> None:
        """Handle something being unavailable: the analysis waits, and the job reports what for. After the time limit
        for waiting the analysis fails. STOP ends the waiting. An attempt (since `began`) that took longer than the
        limit had answers meanwhile, or the machine slept: a new wait begins."""
        now = self._now()
        worked = (now - began).total_seconds() > max(self._policy.outage_seconds, IDLE_SECONDS)
        if worked and lease.attempt <= LONG_ATTEMPTS * self._policy.attempts:
            lease = replace(lease, waiting_since=None)
        last = end_of_waiting(lease, error, now, self._policy)
        if self._jobs.get(lease.job_id).user_action is UserAction.STOP:
            self._stopped(lease)
            return
        if now >= last or isinstance(error, DatabaseRefused):
            log.warning("The analysis failed: %s", error, extra={"job": lease.job_id})
            self._fail(lease, str(error))
            return
        log.warning("The analysis is tried again: %s", error, extra={"job": lease.job_id})
        self._functions.retried(lease, error)
        self._work.wait(lease, now, min(last, now + pause_before_retry(lease.attempt, self._policy)), str(error))

    def _fail(self, lease: Lease, reason: str) -> None:
        self._conclude(lease, Event.ANALYSIS_FAILED, error=reason)

    def _stopped(self, lease: Lease) -> None:
        """Handle STOP during the analysis. If the user has sent START since, the analysis starts again."""
        try:
            # The next START would take partitions that this or an earlier analysis left behind for a complete set.
            self._work.add(lease, (), ())
            self._conclude(lease, Event.ANALYSIS_STOPPED)
        except ActionNotAllowed:
            self._work.release(lease, None)
        except (JobNotFound, LeaseLost) as error:
            log.info("%s", error, extra={"job": lease.job_id})

    def _conclude(
        self, lease: Lease, event: Event, *, analysis: Analysis | None = None, error: str | None = None
    ) -> None:
        """Save the job's next status, even if its user changes the job at the same time. The lease is checked after the
        job is read: if another runner takes it later, the job's version changes and the save is refused."""
        while True:
            job = self._jobs.get(lease.job_id)
            if job.status is not Status.ANALYSING:
                return
            self._work.renew(lease, self._now(), self._policy.lease_seconds)
            analysed = replace(
                job,
                estimate={} if analysis is None else analysis.estimate,
                hints=() if analysis is None else analysis.hints,
            )
            after = advance(analysed, event, self._now(), self._policy, error=error)
            try:
                self._jobs.save(after)
            except Conflict:
                continue
            self._work.finish(lease, None)
            log.info("%s", after.status, extra={"job": job.id})
            return
