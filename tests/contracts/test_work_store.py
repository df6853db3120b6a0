"""What every WorkStore does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine

from arpent.adapters.sql.work import SqlWorkStore
from arpent.errors import Conflict, LeaseLost
from arpent.model.job import Status, UserAction
from arpent.model.partition import Outcome
from arpent.ports import JobStore, Lease, WorkStore
from tests.support.jobs import Clock, all_done, cut, failure, make_job, processing_job


def claim(work: WorkStore, clock: Clock) -> Lease:
    lease = work.claim(clock(), 60)
    assert lease is not None
    return lease


def number(lease: Lease) -> int:
    assert lease.partition is not None
    return lease.partition.number


class TestClaiming:
    def test_hands_out_each_partition_once(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        processing_job(jobs, work, clock, cut(25, 10))
        leases = [claim(work, clock) for _ in range(3)]
        assert {number(lease) for lease in leases} == {0, 1, 2}
        assert len({lease.token for lease in leases}) == 3
        assert work.claim(clock(), 60) is None

    def test_gives_the_features_back(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        (partition,) = cut(5, 5)
        processing_job(jobs, work, clock, [partition])
        given = claim(work, clock).partition
        assert given is not None
        assert given.features.ids.tolist() == [1, 2, 3, 4, 5]
        assert given.features.identifiers == partition.features.identifiers
        assert given.features.crs == partition.features.crs
        assert (given.features.geometries == partition.features.geometries).all()

    def test_jobs_take_turns(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        ids = [processing_job(jobs, work, clock, cut(3, 1)).id for _ in range(3)]
        served = []
        for _ in range(9):
            clock.tick(1)
            served.append(claim(work, clock).job_id)
        assert all(set(served[k : k + 3]) == set(ids) for k in (0, 3, 6))

    @pytest.mark.parametrize("status", sorted(set(Status) - {Status.PROCESSING, Status.ANALYSING}))
    def test_only_processing_jobs_have_work(
        self, jobs: JobStore, work: WorkStore, clock: Clock, status: Status
    ) -> None:
        job = processing_job(jobs, work, clock, cut(2, 1))
        jobs.save(replace(job, status=status))
        assert work.claim(clock(), 60) is None

    def test_an_analysis_is_work_of_one(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = make_job(status=Status.ANALYSING)
        jobs.add(job)
        assert work.claim(clock(), 60, analyses=False) is None
        lease = claim(work, clock)
        assert (lease.job_id, lease.partition, lease.attempt) == (job.id, None, 1)
        assert work.claim(clock(), 60) is None

    def test_partitions_are_left_if_not_wanted(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        processing_job(jobs, work, clock, cut(2, 1))
        assert work.claim(clock(), 60, partitions=False) is None

    def test_two_claimers_never_get_the_same(self, jobs: JobStore, work: WorkStore, engine: Engine) -> None:
        clock = Clock()
        for _ in range(2):
            processing_job(jobs, work, clock, cut(40, 1))
        got: list[tuple[str, int]] = []
        barrier = Barrier(4)

        def take_all() -> None:
            own = SqlWorkStore(engine)
            barrier.wait()
            while (lease := own.claim(clock(), 600)) is not None:
                got.append((lease.job_id, number(lease)))

        threads = [Thread(target=take_all) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == len(set(got))
        while (lease := work.claim(clock(), 600)) is not None:  # a claimer that lost every race may have left early
            got.append((lease.job_id, number(lease)))
        assert len(set(got)) == 80


class TestLeases:
    def test_a_lease_that_ran_out_goes_to_somebody_else(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(1, 1))
        slow = claim(work, clock)
        clock.tick(59)
        assert work.claim(clock(), 60) is None
        clock.tick(1)
        quick = claim(work, clock)
        assert quick.token != slow.token
        assert quick.attempt == 1, "nobody said that it failed"
        with pytest.raises(LeaseLost):
            work.renew(slow, clock(), 60)
        with pytest.raises(LeaseLost):
            work.finish(slow, Outcome(done=0, failed=1, findings=(failure(1),)))
        work.release(slow, clock())
        assert work.finish(quick, all_done(quick)).done == 1
        assert jobs.findings(job.id, 0, 9) == ()

    def test_renewing_holds_it(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        processing_job(jobs, work, clock, cut(1, 1))
        lease = claim(work, clock)
        clock.tick(50)
        work.renew(lease, clock(), 60)
        clock.tick(50)
        assert work.claim(clock(), 60) is None

    def test_a_finished_partition_cannot_be_finished_again(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        processing_job(jobs, work, clock, cut(1, 1))
        lease = claim(work, clock)
        work.finish(lease, all_done(lease))
        with pytest.raises(LeaseLost):
            work.finish(lease, all_done(lease))

    def test_what_is_in_hand_is_finished_after_a_stop(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(4, 2))
        lease = claim(work, clock)
        jobs.save(replace(jobs.get(job.id), status=Status.STOPPED))
        clock.tick(5)
        assert work.finish(lease, all_done(lease)).done == 2
        assert jobs.get(job.id).last_updated == clock()
        assert work.claim(clock(), 60) is None

    def test_released_for_later_it_counts_an_attempt(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        processing_job(jobs, work, clock, cut(1, 1))
        work.release(claim(work, clock), clock() + timedelta(seconds=30))
        assert work.claim(clock(), 60) is None
        clock.tick(30)
        again = claim(work, clock)
        assert again.attempt == 2
        work.release(again, None)
        assert claim(work, clock).attempt == 2

    def test_an_analysis_can_be_released_too(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        jobs.add(make_job(status=Status.ANALYSING))
        work.release(claim(work, clock), clock() + timedelta(seconds=30))
        assert work.claim(clock(), 60) is None
        clock.tick(31)
        assert claim(work, clock).attempt == 2


class TestAnalyses:
    def test_a_crash_between_add_and_save_loses_nothing(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = make_job(status=Status.ANALYSING, user_action=UserAction.START)
        jobs.add(job)
        work.add(claim(work, clock), cut(100, 7), [failure(1, "empty"), failure(3, "empty")])
        clock.tick(61)  # the analyst is gone
        assert jobs.get(job.id).status is Status.ANALYSING
        work.add(claim(work, clock), cut(9, 4), [failure(2, "empty")])
        progress = jobs.get(job.id).progress
        assert (progress.features, progress.partitions, progress.open) == (9, 3, 3)
        assert [each.feature for each in jobs.findings(job.id, 0, 9)] == [2]

    def test_who_was_overtaken_adds_and_saves_nothing(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = make_job(status=Status.ANALYSING)
        jobs.add(job)
        slow = claim(work, clock)
        read = jobs.get(job.id)
        clock.tick(61)
        quick = claim(work, clock)
        with pytest.raises(LeaseLost):
            work.add(slow, cut(1, 1), ())
        with pytest.raises(Conflict):
            jobs.save(replace(read, status=Status.ANALYSIS_DONE))
        work.add(quick, cut(2, 1), ())
        jobs.save(replace(jobs.get(job.id), status=Status.PROCESSING))
        with pytest.raises(LeaseLost):
            work.add(quick, cut(3, 1), ())
        assert jobs.get(job.id).progress.features == 2

    def test_takes_a_lazy_stream(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        jobs.add(make_job(status=Status.ANALYSING))
        lease = claim(work, clock)

        def stream() -> object:
            for partition in cut(300, 1):
                work.renew(lease, clock(), 60)  # nobody has to wait for the stream to end
                yield partition

        work.add(lease, stream(), ())  # type: ignore[arg-type]
        assert jobs.get(lease.job_id).progress.partitions == 300


class TestReopening:
    def test_only_what_failed_is_done_again(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(6, 3))
        first, second = claim(work, clock), claim(work, clock)
        work.finish(first, Outcome(done=1, failed=2, findings=(failure(1), failure(3)), processing_units=1.0))
        work.finish(second, all_done(second))
        work.reopen(job.id)
        work.reopen(job.id)
        progress = jobs.get(job.id).progress
        assert (progress.done, progress.failed, progress.open, progress.features) == (4, 0, 1, 6)
        assert jobs.findings(job.id, 0, 9) == ()
        again = claim(work, clock)
        assert again.partition is not None
        assert again.partition.features.ids.tolist() == [1, 3]
        final = work.finish(again, Outcome(done=1, failed=1, findings=(failure(3),), processing_units=0.5))
        assert (final.done, final.failed, final.open, final.processing_units) == (5, 1, 0, 1.5)

    def test_without_reasons_all_are_done_again(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(3, 3))
        work.finish(claim(work, clock), Outcome(done=1, failed=2, findings=(failure(3),)))
        work.reopen(job.id)
        again = claim(work, clock)
        assert again.partition is not None
        assert again.partition.features.ids.tolist() == [1, 2, 3]
        assert work.finish(again, all_done(again)).done == 3
