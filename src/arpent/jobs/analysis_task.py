"""Analysis task: one analysis from lease to ANALYSIS_DONE, STOPPED or FAILED; safe to repeat, and to be overtaken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from time import perf_counter

from arpent.domain.errors import CallerError, Conflict, LeaseLost, ScriptError, WorldError
from arpent.domain.job import Status
from arpent.domain.partition import Analysis
from arpent.domain.ports.jobs import JobStore, Lease, WorkStore
from arpent.jobs.policy import Policy
from arpent.jobs.state_machine import Event, advance
from arpent.jobs.work_functions import WorkFunctions, pause_before_retry
from arpent.jobs.worker_deaths import analysis_kills

log = logging.getLogger(__name__)


class Analyst:
    """Runs beside the runner's loop, in a thread."""

    def __init__(
        self, jobs: JobStore, work: WorkStore, *, functions: WorkFunctions, policy: Policy, now: Callable[[], datetime]
    ) -> None:
        self._jobs = jobs
        self._work = work
        self._functions = functions
        self._policy = policy
        self._now = now

    def perform(self, lease: Lease) -> None:
        """Analyse the job. What goes wrong ends in the job, or the lease runs out and somebody tries again."""
        about = {"job": lease.job_id}
        try:
            if (reason := analysis_kills(lease, self._policy)) is not None:
                log.error("%s", reason, extra=about)
                self._conclude(lease, Event.ANALYSIS_FAILED, error=reason)
                return
            self._analyse(lease)
        except LeaseLost as error:
            log.info("%s", error, extra=about)
        except (CallerError, ScriptError) as error:
            log.info("The analysis failed: %s", error, extra=about)
            self._conclude(lease, Event.ANALYSIS_FAILED, error=str(error))
        except WorldError as error:
            self._trouble(lease, error)
        except Exception as error:
            log.exception("The analysis broke", extra=about)
            text = f"The analysis broke ({type(error).__name__}); the server's log has the details"
            self._conclude(lease, Event.ANALYSIS_FAILED, error=text)

    def _analyse(self, lease: Lease) -> None:
        job, began = self._jobs.get(lease.job_id), perf_counter()
        analysis = self._functions.analyse(job)
        self._functions.analysed(lease, perf_counter() - began)
        self._work.add(lease, analysis.partitions, analysis.findings)
        self._conclude(lease, Event.ANALYSED, analysis=analysis)

    def _trouble(self, lease: Lease, error: WorldError) -> None:
        if error.transient and lease.attempt < self._policy.attempts:
            log.warning("The analysis is tried again: %s", error, extra={"job": lease.job_id})
            self._functions.retried(lease, error)
            self._work.release(lease, self._now() + pause_before_retry(lease.attempt, self._policy))
            return
        log.warning("The analysis failed: %s", error, extra={"job": lease.job_id})
        self._conclude(lease, Event.ANALYSIS_FAILED, error=str(error))

    def _conclude(
        self, lease: Lease, event: Event, *, analysis: Analysis | None = None, error: str | None = None
    ) -> None:
        """Save the job's next status, whatever its user asks for meanwhile. The lease is looked at after the job is
        read: if it goes to somebody else later, the job's version goes up with it and the save is refused."""
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
