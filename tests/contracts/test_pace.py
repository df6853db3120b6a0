"""How fast a job goes, and when it will have ended, as every JobStore tells it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from arpent.domain.job import Job, Progress, Status
from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import JobStore, SortKey, WorkStore
from tests.support.jobs import Clock, all_done, cut, failure, make_job, processing_job


@pytest.fixture
def job(jobs: JobStore, work: WorkStore, clock: Clock) -> Job:
    """A thousand features in a hundred partitions, begun now."""
    return begin(jobs, processing_job(jobs, work, clock, cut(1000, 10)), clock)


def begin(jobs: JobStore, job: Job, clock: Clock) -> Job:
    """Anew, as the runner does it."""
    return jobs.save(replace(jobs.get(job.id), status=Status.PROCESSING, begun=clock()))


def finish(work: WorkStore, clock: Clock, count: int, seconds: float) -> Progress:
    """So many partitions, one after the other, each after so many seconds."""
    progress = Progress()
    for _ in range(count):
        lease = work.claim(clock(), 600)
        assert lease is not None
        clock.tick(seconds)
        progress = work.finish(lease, replace(all_done(lease), seconds=(("read", seconds / 2), ("write", seconds / 2))))
    return progress


def test_nothing_is_known_before_anything_ended(jobs: JobStore, work: WorkStore, clock: Clock, job: Job) -> None:
    clock.tick(5)
    progress = jobs.get(job.id).progress
    assert (progress.rate, progress.seconds_left, progress.end) == (None, None, None)
    never_begun = make_job()
    jobs.add(never_begun)
    assert jobs.get(never_begun.id).progress.rate is None


def test_rate_and_end_follow_from_what_was_finished(jobs: JobStore, work: WorkStore, clock: Clock, job: Job) -> None:
    told = finish(work, clock, 20, 2)
    progress = jobs.get(job.id).progress
    assert told.rate == progress.rate == pytest.approx(5.0)
    assert progress.seconds_left == pytest.approx(160)
    assert progress.end == clock() + timedelta(seconds=160)
    assert jobs.list("anna", SortKey.CREATED, 0, 9)[0].progress == progress


def test_the_last_minute_counts(jobs: JobStore, work: WorkStore, clock: Clock, job: Job) -> None:
    finish(work, clock, 30, 60)
    finish(work, clock, 60, 1)
    assert jobs.get(job.id).progress.rate == pytest.approx(10, rel=0.05)


def test_a_minute_with_too_little_in_it_does_not(jobs: JobStore, work: WorkStore, clock: Clock, job: Job) -> None:
    """Partitions that take long: a minute holds none or one of them, by chance."""
    finish(work, clock, 12, 45)
    before = jobs.get(job.id).progress.rate
    clock.tick(44)
    assert before == pytest.approx(10 / 45)
    assert jobs.get(job.id).progress.rate == pytest.approx(10 / 45, rel=0.1)


def test_workers_that_end_together_tell_no_wonders(jobs: JobStore, work: WorkStore, clock: Clock, job: Job) -> None:
    """Thirty workers, five minutes a partition: at the first burst the last minute would say five times too much."""
    for _ in range(2):
        leases = [work.claim(clock(), 900) for _ in range(30)]
        clock.tick(300)
        for done, lease in enumerate(leases):
            assert lease is not None
            work.finish(lease, replace(all_done(lease), seconds=(("script", 300.0),)))
            if done > 20:
                assert jobs.get(job.id).progress.rate == pytest.approx(1, rel=0.35)
    assert jobs.get(job.id).progress.rate == pytest.approx(1)


def test_a_pause_does_not_count(jobs: JobStore, work: WorkStore, clock: Clock, job: Job) -> None:
    finish(work, clock, 20, 1)
    jobs.save(replace(jobs.get(job.id), status=Status.STOPPED))
    assert jobs.get(job.id).progress.rate is None
    clock.tick(86_400)
    begin(jobs, job, clock)
    assert jobs.get(job.id).progress.rate is None
    finish(work, clock, 1, 2)
    assert jobs.get(job.id).progress.rate == pytest.approx(5)


def test_a_job_that_stands_still_gets_slower_and_slower(
    jobs: JobStore, work: WorkStore, clock: Clock, job: Job
) -> None:
    finish(work, clock, 20, 1)
    rates, ends = [], []
    for _ in range(12):
        clock.tick(100)
        progress = jobs.get(job.id).progress
        rates.append(progress.rate or 0.0)
        ends.append(progress.end or clock())
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0
    assert ends == sorted(ends)
    clock.tick(86_400 * 3650)
    assert jobs.get(job.id).progress.end is None, "a date decades away is none"


def test_what_is_done_again_counts_for_what_it_is(jobs: JobStore, work: WorkStore, clock: Clock) -> None:
    job = begin(jobs, processing_job(jobs, work, clock, cut(100, 50)), clock)
    for bad in (3, 60):
        lease = work.claim(clock(), 60)
        assert lease is not None
        work.finish(lease, Outcome(done=49, failed=1, findings=(failure(bad),)))
    work.reopen(job.id)
    clock.tick(100)
    begin(jobs, job, clock)
    progress = finish(work, clock, 1, 1)
    assert (progress.rate, progress.seconds_left) == (pytest.approx(1), pytest.approx(1))
