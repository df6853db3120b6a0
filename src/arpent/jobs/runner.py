"""Runner: claims leases on work, submits the work to the executor, stores the outcomes, and advances jobs. Any number
of runners may run at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event as Flag

from arpent.domain.boundary.trace import read_trace, traced
from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors
from arpent.domain.errors import (
    Conflict,
    DatabaseRefused,
    EnvironmentFault,
    JobNotFound,
    LeaseLost,
    WorkerDied,
    WorkLost,
    WorldError,
)
from arpent.domain.job import Status
from arpent.domain.partition import Outcome
from arpent.domain.ports.execution import Executor, Ticket
from arpent.domain.ports.jobs import JobStore, Lease, WorkStore
from arpent.jobs.analysis_task import AnalysisTask
from arpent.jobs.in_flight import BackgroundCall, InFlight, glance, next_lease, raising
from arpent.jobs.policy import Policy
from arpent.jobs.request_cache import RequestCache
from arpent.jobs.state_machine import TRANSITIONS, Event, advance, due, trouble
from arpent.jobs.work_functions import (
    WorkFunctions,
    pause_before_retry,
    policy_for,
    retry_while_away,
    transient,
    unwritten,
    without_texts,
)
from arpent.jobs.worker_deaths import blamed, deaths_of_a_half, gone, suspected

log = logging.getLogger(__name__)

LONGEST_TROUBLE_SECONDS = 10.0
"""Longest pause after the database failed, in seconds."""


class Runner:
    """A loop in one thread; an error in one turn does not end it."""

    def __init__(
        self,
        jobs: JobStore,
        work: WorkStore,
        executor: Executor,
        functions: WorkFunctions,
        policy: Policy,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: float = 0.5,
    ) -> None:
        """`pause`: seconds between searches for new work when there was none."""
        self._jobs = jobs
        self._work = work
        self._executor = executor
        self._functions = functions
        self._policy = policy
        self._now = now
        self._pause = pause
        self._analysis = AnalysisTask(jobs, work, functions=functions, policy=policy, now=now)
        self._requests = RequestCache(functions.parse, jobs.script)
        self._in_flight: list[InFlight] = []
        self._look_at = self._ask_at = self._moved_at = 0.0
        self._troubles = 0

    def run(self, stop: Flag) -> None:
        """Run until `stop` is set; then give back all work, for another runner to claim at once."""
        while not stop.is_set():
            if not self.turn():
                stop.wait(self._rest())
        self.leave()

    def run_until(self, reached: Callable[[], bool]) -> None:
        """Run until `reached` returns True; it is called after each turn that changed something, and periodically."""
        moved, look_at = True, 0.0
        while not ((moved or time.monotonic() >= look_at) and reached()):
            look_at = time.monotonic() + self._pause if moved or time.monotonic() >= look_at else look_at
            if not (moved := self.turn()):
                time.sleep(self._rest())

    def run_until_idle(self) -> None:
        """Run until no work is in flight and none can be claimed."""
        while True:
            self._look_at = 0.0
            if self.turn():
                continue
            if not self._in_flight and not self._troubles:
                return
            time.sleep(self._rest())

    def turn(self) -> bool:
        """Do one turn of the loop; returns whether anything changed."""
        before = self._troubles
        moved = False
        for running in tuple(self._in_flight):
            moved |= self._guarded(partial(self._attend, running), running.lease.job_id, running.lease.trace)
        if moved or time.monotonic() >= self._look_at:
            moved |= self._guarded(self._take_back)
            moved |= self._guarded(self._settle_all)
            moved |= self._guarded(self._claim_all)
            self._requests.expire()
        self._troubles = 0 if self._troubles == before else self._troubles
        self._moved_at = time.monotonic() if moved else self._moved_at
        return moved

    def leave(self) -> None:
        """Give back all work in flight."""
        for running in tuple(self._in_flight):
            running.ticket.cancel()
            self._guarded(partial(self._release, running, None), running.lease.job_id)
        self.close()

    def close(self) -> None:
        """Release the resources that analyses use. Claim nothing afterwards."""
        self._functions.close()

    def _rest(self) -> float:
        if self._troubles:
            return min(LONGEST_TROUBLE_SECONDS, self._policy.lease_seconds / 6, 0.1 * 2.0 ** min(self._troubles, 10))
        return glance(time.monotonic() - self._moved_at) if self._in_flight else self._pause

    def _guarded(self, step: Callable[[], bool], job_id: str | None = None, trace: str | None = None) -> bool:
        """Run a step of the loop; errors are logged and do not end the loop: it repeats the step in a later turn."""
        try:
            with traced(read_trace(trace)), panics_as_errors():
                return step()
        except (Conflict, JobNotFound) as error:
            log.debug("%s", error, extra={"job": job_id})
        except Exception as error:
            self._troubles += 1
            log.warning("The runner goes on: %s", error, exc_info=not transient(error), extra={"job": job_id})
        return False

    # ---- work in flight ----------------------------------------------------------------------------------------

    def _attend(self, running: InFlight) -> bool:
        if running.ticket.done():
            self._collect(running)
            return True
        now = self._now()
        if not now < running.renew_at <= self._next_renewal(now):  # due, or the clock was set back
            self._renewed(running, now)
            running.renew_at = self._next_renewal(now)
        return False

    def _renewed(self, running: InFlight, now: datetime) -> bool:
        """Renew the lease; returns whether it is still held."""
        try:
            self._work.renew(running.lease, now, self._policy.lease_seconds)
            running.held(self._policy, self._now() - now)
        except LeaseLost as error:
            if running.lease.partition is not None:  # an analysis keeps its place until its thread ends
                self._drop(running, error)
            return False
        return True

    def _collect(self, running: InFlight) -> None:
        if running.lease.partition is None:
            self._in_flight.remove(running)
            running.ticket.result()
            return
        if running.outcome is None:
            try:
                running.outcome = running.ticket.result()
            except Exception as error:
                if self._renewed(running, self._now()):  # or its errors would overwrite another worker's results
                    self._failed(running, error)
                return
        assert running.outcome is not None
        try:
            progress = self._work.finish(running.lease, running.outcome)
        except LeaseLost as error:
            self._drop(running, error)
            return
        except DatabaseRefused as error:
            self._refused(running, error)
            return
        self._in_flight.remove(running)
        running.tell()
        self._functions.finished(running.lease, running.outcome)
        if progress.open == 0 or trouble(progress, policy_for(running.lease.owner, self._policy, self._functions)):
            self._settle(running.lease.job_id)

    def _refused(self, running: InFlight, error: DatabaseRefused) -> None:
        """Replace an outcome that the database refuses by one with plain texts; if that is refused, the job fails."""
        assert running.outcome is not None
        log.error("A partition's outcome is refused: %s", error, exc_info=error, extra={"job": running.lease.job_id})
        if running.refused:
            self._obstructed(running, error)
        running.outcome, running.refused = without_texts(running.outcome), True

    def _failed(self, running: InFlight, error: Exception) -> None:
        """Have a failed partition tried again later, or write the reason for each of its features; if even that fails,
        only the report states it. If no feature is to blame, fail the job."""
        lease, about = running.lease, {"job": running.lease.job_id}
        error = environment_fault(error) or error
        if isinstance(error, WorkLost):  # not a failed attempt; counted like a lease that expired
            log.warning("A partition is free again: %s", error, extra=about)
            self._release(running, None, lost=True)
            self._functions.retried(lease, error)
            return
        if isinstance(error, WorkerDied):
            if self._survived(running, error):
                return
            error = blamed(lease, error, self._jobs)
        if self._waits(running, error):
            return
        tries = self._policy.attempts * (2 if running.giving_up else 1)
        if transient(error) and lease.attempt < tries and running.counts(error, self._now(), self._policy):
            log.warning("Attempt %d of a partition failed: %s", lease.attempt, error, extra=about)
            self._release(running, self._now() + pause_before_retry(lease.attempt, self._policy))
            self._functions.retried(lease, error)
        elif isinstance(error, EnvironmentFault):
            self._obstructed(running, error)
        elif running.giving_up:
            log.error("The errors of a partition cannot be written: %s", error, extra=about)
            running.outcome = unwritten(lease, error)
        else:
            self._in_flight[self._in_flight.index(running)] = self._given_up(lease, error)

    def _waits(self, running: InFlight, error: Exception) -> bool:
        """If the error is that something is unavailable, let the partition wait, and return True. The job shows why."""
        lease, now = running.lease, self._now()
        if (retry_at := retry_while_away(lease, error, now, self._policy)) is None:
            return False
        log.warning("A partition waits: %s", error, extra={"job": lease.job_id})
        self._work.wait(lease, now, retry_at, str(error))
        self._in_flight.remove(running)
        self._functions.retried(lease, error)
        return True

    def _obstructed(self, running: InFlight, error: WorldError) -> None:
        """Fail the job but leave its partition open, so that START can continue it."""
        try:
            self._fail_job(running.lease.job_id, str(error))
        finally:  # even if the job was deleted meanwhile: the place is needed
            self._release(running, None)

    def _fail_job(self, job_id: str, error: str) -> None:
        job = self._jobs.get(job_id)
        if job.unreadable:
            self._jobs.save(job)
        elif (job.status, Event.ENVIRONMENT_FAILED) in TRANSITIONS:
            self._jobs.save(advance(job, Event.ENVIRONMENT_FAILED, self._now(), self._policy, error=error))
        else:
            return
        log.error("%s: %s", Status.FAILED, error, extra={"job": job_id})

    def _given_up(self, lease: Lease, error: Exception) -> InFlight:
        """Start writing the reason for each feature of a partition that is given up, in a thread of its own."""
        unforeseen = None if isinstance(error, WorldError) else error
        log.error("A partition is given up: %s", error, exc_info=unforeseen, extra={"job": lease.job_id})
        ticket = BackgroundCall(lambda: self._functions.give_up(lease, error))
        now = self._now()
        return InFlight(lease=lease, ticket=ticket, renew_at=self._next_renewal(now), began=now, giving_up=True)

    def _survived(self, running: InFlight, error: WorkerDied) -> bool:
        """Have a partition whose worker died tried again, whole or in halves. Returns False if it is not."""
        lease, deaths = running.lease, running.lease.deaths + 1
        if deaths < self._policy.attempts:
            retry_at = self._now() + pause_before_retry(deaths, self._policy)
            self._work.release(lease, retry_at, died=True)
            then = "is tried again"
        else:
            try:
                if not self._work.cut(lease, deaths_of_a_half(self._policy)):
                    return False
            except DatabaseRefused:
                return False
            except LeaseLost as lost:
                self._drop(running, lost)
                return True
            then = "is halved"
        self._in_flight.remove(running)
        log.warning("Death %d of a partition's worker, which %s: %s", deaths, then, error, extra={"job": lease.job_id})
        self._functions.retried(lease, error)
        return True

    def _release(self, running: InFlight, retry_at: datetime | None, *, lost: bool = False) -> bool:
        with suppress(DatabaseRefused):  # of a damaged row: its lease runs out
            self._work.release(running.lease, retry_at, lost=lost)
        self._in_flight.remove(running)
        return True

    def _drop(self, running: InFlight, error: LeaseLost) -> None:
        log.info("%s", error, extra={"job": running.lease.job_id})
        running.ticket.cancel()
        self._in_flight.remove(running)

    def _take_back(self) -> bool:
        """After STOP, give back work that still waits in a cluster. Work that has begun is finished."""
        if time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + self._pause
        waiting = [running for running in self._in_flight if not running.ticket.begun()]
        stopped = {job for job in {running.lease.job_id for running in waiting} if self._is_over(job)}
        for running in waiting:
            if running.lease.job_id in stopped:
                if running.unwanted:
                    running.ticket.cancel()
                    self._release(running, None)
                running.unwanted = True
        return bool(stopped)

    def _is_over(self, job_id: str) -> bool:
        with suppress(JobNotFound):
            return self._jobs.get(job_id).status is not Status.PROCESSING
        return True

    # ---- new work ----------------------------------------------------------------------------------------------

    def _settle_all(self) -> bool:
        moved = False
        for job_id in self._jobs.unsettled():
            moved |= self._guarded(partial(self._settle, job_id), job_id)
        return moved

    def _settle(self, job_id: str) -> bool:
        """Advance a job as far as is possible without doing work."""
        job = self._jobs.get(job_id)
        if job.unreadable:
            self._fail_job(job_id, str(job.error))
        moved = False
        while (event := due(job, policy_for(job.owner, self._policy, self._functions))) is not None:
            if event is Event.BEGUN and job.retry:
                try:
                    self._work.reopen(job_id, job.version)
                except DatabaseRefused as error:
                    self._fail_job(job_id, str(error))
                    return True
            job = self._jobs.save(advance(job, event, self._now(), self._policy))
            with traced(read_trace(job.trace)):
                log.info("%s", job.status, extra={"job": job_id})
            moved = True
        return moved

    def _claim_all(self) -> bool:
        moved = False
        claim = partial(self._work.claim, now := self._now(), self._policy.lease_seconds)
        while (lease := next_lease(claim, self._in_flight, self._executor.slots)) is not None:
            self._take(lease, now)
            moved = True
        if not moved:
            self._look_at = time.monotonic() + self._pause
        return moved

    def _take(self, lease: Lease, claimed: datetime) -> None:
        ticket: Ticket | BackgroundCall[None] | BackgroundCall[Outcome]
        if lease.partition is None:
            ticket = BackgroundCall(lambda: self._analysis.perform(lease))
        else:
            try:
                with panics_as_errors():
                    if self._suspected(lease):
                        return
                    # Workers have no access to the database, so the request is sent with the lease.
                    job = self._jobs.get(lease.job_id)
                    if job.unreadable:
                        self._fail_job(job.id, str(job.error))
                        self._work.release(lease, None)
                        return
                    lease = replace(lease, request=self._requests.request_of(job), owner=job.owner, trace=job.trace)
                    ticket = self._executor.submit(self._functions.process, lease)
            except Exception as error:
                if transient(error) or isinstance(error, Conflict | JobNotFound | LeaseLost):
                    self._work.release(lease, None)
                    raise
                # Treated like any other failure of this partition.
                ticket = BackgroundCall(partial(raising, error))
        running = InFlight(lease=lease, ticket=ticket, renew_at=self._next_renewal(claimed), began=claimed)
        self._in_flight.append(running.held(self._policy, self._now() - claimed))

    def _suspected(self, lease: Lease) -> bool:
        """Halve or give up a partition whose leases expired too often. Returns False if it is to be tried as it is."""
        if not suspected(lease, self._policy):
            return False
        if self._work.cut(lease, deaths_of_a_half(self._policy)):
            log.warning("A partition whose leases ran out is halved", extra={"job": lease.job_id})
            return True
        if (error := gone(lease, self._policy)) is not None:
            self._in_flight.append(self._given_up(lease, error))
        return error is not None

    def _next_renewal(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._policy.lease_seconds / 3)
