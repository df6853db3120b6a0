"""Runner: claims work by lease, feeds the executor, reports back, and moves jobs on; any number may run at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event as Flag

from arpent.domain.errors import Conflict, JobNotFound, LeaseLost, WorkerDied, WorkLost
from arpent.domain.job import Status
from arpent.domain.partition import Outcome
from arpent.domain.ports.execution import Executor, Ticket
from arpent.domain.ports.jobs import JobStore, Lease, WorkStore
from arpent.jobs.analysis_task import Analyst
from arpent.jobs.background_thread import Aside
from arpent.jobs.policy import Policy
from arpent.jobs.state_machine import Event, advance, due, trouble
from arpent.jobs.work_functions import Duties, pause_before_retry, transient, unwritten
from arpent.jobs.worker_deaths import deaths_of_a_half, gone, reason, suspected

log = logging.getLogger(__name__)

ANALYSES_AT_ONCE = 2
"""Threads for analyses; partitions of other jobs go on meanwhile."""
GLANCE_SECONDS = 0.02
"""Pause between looks at work in hand."""
LONGEST_TROUBLE_SECONDS = 10.0
"""Longest pause after the database failed."""


@dataclass(slots=True, kw_only=True)
class Hand:
    """A piece of work in hand."""

    lease: Lease
    """The right to it."""
    ticket: Ticket | Aside[None] | Aside[Outcome]
    """Where it is under way."""
    renew_at: datetime
    """When to hold the lease longer."""
    giving_up: bool = False
    """The ticket writes errors, not results."""
    outcome: Outcome | None = None
    """What came of it, until the store has it."""
    unwanted: bool = False
    """Its job was stopped before it had begun; the news of its beginning may still be under way."""


class Runner:
    """A loop in one thread; nothing that fails in a turn ends it."""

    def __init__(
        self,
        jobs: JobStore,
        work: WorkStore,
        executor: Executor,
        duties: Duties,
        policy: Policy,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: float = 0.5,
    ) -> None:
        """`pause`: seconds between looks for new work when there was none."""
        self._jobs = jobs
        self._work = work
        self._executor = executor
        self._duties = duties
        self._policy = policy
        self._now = now
        self._pause = pause
        self._analyst = Analyst(jobs, work, duties=duties, policy=policy, now=now)
        self._hands: list[Hand] = []
        self._look_at = 0.0
        self._ask_at = 0.0
        self._troubles = 0

    def run(self, stop: Flag) -> None:
        """Until `stop` is set; then gives back what is in hand, for another runner to take at once."""
        while not stop.is_set():
            if not self.turn():
                stop.wait(self._rest())
        self.leave()

    def run_until(self, reached: Callable[[], bool]) -> None:
        """Until the condition holds; it is asked between turns."""
        while not reached():
            if not self.turn():
                time.sleep(self._rest())

    def run_until_idle(self) -> None:
        """Until nothing is in hand and nothing can be claimed now."""
        while self.turn() or self._hands or self._troubles:
            time.sleep(GLANCE_SECONDS)
            self._look_at = 0.0

    def turn(self) -> bool:
        """One round; tells whether anything moved."""
        before = self._troubles
        moved = False
        for hand in tuple(self._hands):
            moved |= self._guarded(partial(self._attend, hand), hand.lease.job_id)
        if moved or time.monotonic() >= self._look_at:
            moved |= self._guarded(self._take_back)
            moved |= self._guarded(self._settle_all)
            moved |= self._guarded(self._claim_all)
        if self._troubles == before:
            self._troubles = 0
        return moved

    def leave(self) -> None:
        """Give back everything in hand."""
        for hand in tuple(self._hands):
            hand.ticket.cancel()
            self._guarded(partial(self._release, hand, None), hand.lease.job_id)

    def _rest(self) -> float:
        if self._troubles:
            return min(LONGEST_TROUBLE_SECONDS, self._policy.lease_seconds / 6, 0.1 * 2.0 ** min(self._troubles, 10))
        return GLANCE_SECONDS if self._hands else self._pause

    def _guarded(self, step: Callable[[], bool], job_id: str | None = None) -> bool:
        """A store that fails must not end the loop: the step is done again in a later turn."""
        about = {"job": job_id}
        try:
            return step()
        except (Conflict, JobNotFound) as error:
            log.debug("%s", error, extra=about)
        except Exception as error:
            self._troubles += 1
            log.warning("The runner carries on after: %s", error, exc_info=not transient(error), extra=about)
        return False

    # ---- work in hand ------------------------------------------------------------------------------------------

    def _attend(self, hand: Hand) -> bool:
        if hand.ticket.done():
            self._collect(hand)
            return True
        now = self._now()
        if now >= hand.renew_at:
            try:
                self._work.renew(hand.lease, now, self._policy.lease_seconds)
            except LeaseLost as error:
                self._drop(hand, error)
            hand.renew_at = self._next_renewal(now)
        return False

    def _collect(self, hand: Hand) -> None:
        if hand.lease.partition is None:
            self._hands.remove(hand)
            hand.ticket.result()
            return
        if hand.outcome is None:
            try:
                hand.outcome = hand.ticket.result()
            except Exception as error:
                self._failed(hand, error)
                return
        assert hand.outcome is not None
        try:
            progress = self._work.finish(hand.lease, hand.outcome)
        except LeaseLost as error:
            self._drop(hand, error)
            return
        self._hands.remove(hand)
        _tell(hand.lease, hand.outcome)
        self._duties.finished(hand.lease, hand.outcome)
        if progress.open == 0 or trouble(progress, self._policy):
            self._settle(hand.lease.job_id)

    def _failed(self, hand: Hand, error: Exception) -> None:
        """Try again later, or write the reason into every feature; if even that fails, keep it in the report."""
        lease, about = hand.lease, {"job": hand.lease.job_id}
        if isinstance(error, WorkLost):  # like a lease that ran out: no failed attempt, but counted with those
            log.warning("A partition is free again: %s", error, extra=about)
            self._release(hand, None, lost=True)
            self._duties.retried(lease, error)
            return
        if isinstance(error, WorkerDied):
            if self._survived(hand, error):
                return
            error = reason(lease, error)
        tries = self._policy.attempts * (2 if hand.giving_up else 1)
        if transient(error) and lease.attempt < tries:
            log.warning("Attempt %d of a partition failed: %s", lease.attempt, error, extra=about)
            self._release(hand, self._now() + pause_before_retry(lease.attempt, self._policy))
            self._duties.retried(lease, error)
        elif hand.giving_up:
            log.error("The errors of a partition cannot be written: %s", error, extra=about)
            hand.outcome = unwritten(lease, error)
        else:
            self._hands[self._hands.index(hand)] = self._given_up(lease, error)

    def _given_up(self, lease: Lease, error: Exception) -> Hand:
        """Its features get the reason, written beside the loop."""
        log.error("A partition is given up: %s", error, exc_info=error, extra={"job": lease.job_id})
        ticket = Aside(lambda: self._duties.give_up(lease, error))
        return Hand(lease=lease, ticket=ticket, renew_at=self._next_renewal(self._now()), giving_up=True)

    def _survived(self, hand: Hand, error: WorkerDied) -> bool:
        """Whether there is hope yet for a partition whose worker died: another try, or one of its halves."""
        lease, deaths = hand.lease, hand.lease.deaths + 1
        if deaths < self._policy.attempts:
            retry_at = self._now() + pause_before_retry(deaths, self._policy)
            self._work.release(lease, retry_at, died=True)
            then = "is tried again"
        else:
            try:
                if not self._work.cut(lease, deaths_of_a_half(self._policy)):
                    return False
            except LeaseLost as lost:
                self._drop(hand, lost)
                return True
            then = "is cut in halves"
        self._hands.remove(hand)
        log.warning("Death %d of a partition's worker, which %s: %s", deaths, then, error, extra={"job": lease.job_id})
        self._duties.retried(lease, error)
        return True

    def _release(self, hand: Hand, retry_at: datetime | None, *, lost: bool = False) -> bool:
        self._work.release(hand.lease, retry_at, lost=lost)
        self._hands.remove(hand)
        return True

    def _drop(self, hand: Hand, error: LeaseLost) -> None:
        log.info("%s", error, extra={"job": hand.lease.job_id})
        hand.ticket.cancel()
        self._hands.remove(hand)

    def _take_back(self) -> bool:
        """STOP: what has begun is finished, what waits for a worker of a cluster is given back."""
        if time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + self._pause
        waiting = [hand for hand in self._hands if not hand.ticket.begun()]
        stopped = {job for job in {hand.lease.job_id for hand in waiting} if self._is_over(job)}
        for hand in waiting:
            if hand.lease.job_id in stopped:
                if hand.unwanted:
                    hand.ticket.cancel()
                    self._release(hand, None)
                hand.unwanted = True
        return bool(stopped)

    def _is_over(self, job_id: str) -> bool:
        try:
            return self._jobs.get(job_id).status is not Status.PROCESSING
        except JobNotFound:
            return True

    # ---- new work ----------------------------------------------------------------------------------------------

    def _settle_all(self) -> bool:
        moved = False
        for job_id in self._jobs.unsettled():
            moved |= self._guarded(partial(self._settle, job_id), job_id)
        return moved

    def _settle(self, job_id: str) -> bool:
        """Move a job on as far as it goes without work."""
        job = self._jobs.get(job_id)
        moved = False
        while (event := due(job, self._policy)) is not None:
            if event is Event.BEGUN and job.retry:
                self._work.reopen(job_id)
            job = self._jobs.save(advance(job, event, self._now(), self._policy))
            log.info("%s", job.status, extra={"job": job_id})
            moved = True
        return moved

    def _claim_all(self) -> bool:
        moved = False
        while True:
            analyses = sum(hand.lease.partition is None for hand in self._hands)
            room_for_analysis = analyses < ANALYSES_AT_ONCE
            room_for_partition = len(self._hands) - analyses < self._executor.slots
            if not room_for_analysis and not room_for_partition:
                return moved
            lease = self._work.claim(
                self._now(), self._policy.lease_seconds, analyses=room_for_analysis, partitions=room_for_partition
            )
            if lease is None:
                self._look_at = time.monotonic() + self._pause
                return moved
            self._take(lease)
            moved = True

    def _take(self, lease: Lease) -> None:
        ticket: Ticket | Aside[None]
        if lease.partition is None:
            ticket = Aside(lambda: self._analyst.perform(lease))
        else:
            try:
                if self._suspected(lease):
                    return
                # Workers know no database: the request travels with the lease.
                job = self._jobs.get(lease.job_id)
                lease = replace(lease, body=job.body, owner=job.owner)
                ticket = self._executor.submit(self._duties.process, lease)
            except Exception:
                self._work.release(lease, None)
                raise
        self._hands.append(Hand(lease=lease, ticket=ticket, renew_at=self._next_renewal(self._now())))

    def _suspected(self, lease: Lease) -> bool:
        """Whether the partition is not tried as it is, since leases on it ran out too often."""
        if not suspected(lease, self._policy):
            return False
        if self._work.cut(lease, deaths_of_a_half(self._policy)):
            log.warning("A partition whose leases ran out is cut in halves", extra={"job": lease.job_id})
            return True
        error = gone(lease, self._policy)
        if error is not None:
            self._hands.append(self._given_up(lease, error))
        return error is not None

    def _next_renewal(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._policy.lease_seconds / 3)


def _tell(lease: Lease, outcome: Outcome) -> None:
    """One line per partition."""
    assert lease.partition is not None, "an analysis has no outcome"
    log.info(
        "Partition %d is finished: %d features done, %d failed, %.1f MB read, %.1f s",
        lease.partition.number,
        outcome.done,
        outcome.failed,
        outcome.bytes_read / 1e6,
        sum(seconds for _, seconds in outcome.seconds),
        extra={"job": lease.job_id},
    )
