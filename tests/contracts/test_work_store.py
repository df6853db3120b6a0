"""What every WorkStore does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from threading import Barrier, Thread

import pytest

from arpent.domain.errors import Conflict, LeaseLost, WorldError
from arpent.domain.finding import INCOMPLETE, Finding, Verdict
from arpent.domain.job import MOST_REASONS, RowCounts, Status, UserAction
from arpent.domain.partition import MOST_SUSPECTS, Outcome
from arpent.domain.ports.jobs import JobStore, Lease, SortKey, WorkStore
from arpent.jobs.policy import DAY
from tests.support.jobs import Clock, all_done, cut, failure, make_job, processing_job
from tests.support.stores import Stores


def claim(work: WorkStore, clock: Clock) -> Lease:
    lease = work.claim(clock(), 60)
    assert lease is not None
    return lease


def number(lease: Lease) -> int:
    assert lease.partition is not None
    return lease.partition.number


class TestWaiting:
    def test_an_analysis_waits_and_says_for_what(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = make_job(status=Status.ANALYSING)
        jobs.add(job)
        began = clock()
        for attempt in (1, 2, 3):
            lease = work.claim(clock(), 60)
            assert lease is not None
            assert (lease.attempt, lease.waiting_since) == (attempt, None if attempt == 1 else began)
            work.wait(lease, clock(), clock() + timedelta(seconds=5), f"there is no bucket \0 {attempt}")
            found = jobs.get(job.id)
            assert (found.waiting_since, found.waiting_for) == (began, f"there is no bucket \ufffd {attempt}")
            assert work.claim(clock() + timedelta(seconds=4), 60) is None, "not before its time"
            clock.tick(5)
        lease = work.claim(clock(), 60)
        assert lease is not None
        work.finish(lease, None)
        found = jobs.get(job.id)
        assert (found.waiting_since, found.waiting_for) == (None, None)
        again = work.claim(clock(), 60)
        assert again is not None
        assert (again.attempt, again.waiting_since) == (1, None), "with all its patience"

    def test_a_lost_lease_waits_for_nothing(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = make_job(status=Status.ANALYSING)
        jobs.add(job)
        lost = work.claim(clock(), 1)
        clock.tick(2)
        held = work.claim(clock(), 60)
        assert lost is not None
        assert held is not None
        work.wait(lost, clock(), clock(), "nothing")
        work.renew(held, clock(), 60)
        assert jobs.get(job.id).waiting_for is None

    def test_a_partition_waits_and_says_for_what(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        """Waiting is no failed attempt, and any other end of an attempt ends it."""
        job = processing_job(jobs, work, clock, cut(2, 1)).id
        began = clock()
        for turn in range(3):
            lease = claim(work, clock)
            assert (number(lease), lease.attempt, lease.waiting_since) == (0, 1, None if turn == 0 else began)
            work.wait(lease, clock(), clock() + timedelta(seconds=5), f"the catalogue is away \0 {turn}")
            found = jobs.get(job)
            assert (found.waiting_since, found.waiting_for) == (began, f"the catalogue is away \ufffd {turn}")
            other = claim(work, clock)
            assert (number(other), other.waiting_since) == (1, None), "nobody else waits"
            work.release(other, None)
            clock.tick(5)
        lease = claim(work, clock)
        work.release(lease, clock())
        lease = claim(work, clock)
        assert (lease.attempt, lease.waiting_since) == (2, None)
        work.wait(lease, clock(), clock(), "away again")
        lease = claim(work, clock)
        assert lease.waiting_since == clock()
        work.finish(lease, all_done(lease))
        found = jobs.get(job)
        assert (found.waiting_since, found.waiting_for) == (None, None)

    @pytest.mark.parametrize("analysis", [True, False], ids=["analysis", "partition"])
    def test_only_time_in_which_somebody_tries_is_waited(
        self, jobs: JobStore, work: WorkStore, clock: Clock, *, analysis: bool
    ) -> None:
        """Not the hours of a STOP, or in which no server ran: the first error after them would be the last."""
        if analysis:
            jobs.add(make_job(status=Status.ANALYSING))
        else:
            processing_job(jobs, work, clock, cut(1, 1))
        began = clock()
        work.wait(claim(work, clock), clock(), clock() + timedelta(seconds=5), "the catalogue is away")
        clock.tick(8)
        lease = claim(work, clock)
        assert lease.waiting_since == began, "it was tried soon after its pause"
        work.wait(lease, clock(), clock() + timedelta(seconds=7), "the catalogue is away")
        clock.tick(7 + 3600)
        lease = claim(work, clock)
        assert lease.waiting_since == began + timedelta(hours=1)
        work.wait(lease, clock(), clock(), "it is away again")
        assert claim(work, clock).waiting_since == began + timedelta(hours=1)

    def test_which_holds_for_all_partitions_of_a_job(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        """Also after the claim of one that waits for nothing."""
        processing_job(jobs, work, clock, cut(3, 1))
        began, leases = clock(), [claim(work, clock) for _ in range(3)]
        work.release(leases[0], None)
        for lease in leases[1:]:
            work.wait(lease, clock(), clock(), "the catalogue is away")
        clock.tick(3600)
        later = began + timedelta(hours=1)
        assert [claim(work, clock).waiting_since for _ in range(3)] == [None, later, later]

    def test_and_for_two_runners_that_look_at_once(
        self, jobs: JobStore, work: WorkStore, stores: Stores, clock: Clock
    ) -> None:
        """Neither waits for partitions that the other holds."""
        processing_job(jobs, work, clock, cut(30, 1))
        began = clock()
        for lease in [claim(work, clock) for _ in range(30)]:
            work.wait(lease, began, began, "the catalogue is away")
        runners, barrier = [stores.another().work for _ in range(2)], Barrier(2)

        def take(runner: WorkStore) -> Lease | None:
            barrier.wait()
            return runner.claim(clock(), 60)  # None while the other has locked all

        with ThreadPoolExecutor(2) as pool:
            for hours in range(1, 6):
                clock.tick(3600)
                found = [lease for lease in pool.map(take, runners) if lease is not None]
                since = {lease.waiting_since for lease in found}
                assert None not in since
                assert min(filter(None, since)) >= began + timedelta(hours=hours)

    def test_a_job_of_which_others_are_tried_is_waited_for(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        """Its workers are busy with other partitions that wait for the same."""
        processing_job(jobs, work, clock, cut(2, 1))
        began, first, second = clock(), claim(work, clock), claim(work, clock)
        work.wait(first, clock(), clock() + timedelta(seconds=60), "the catalogue is away")
        for _ in range(4):
            work.release(second, clock())
            second = claim(work, clock)
            assert number(second) == 1
            clock.tick(15)
        work.release(second, clock())
        clock.tick(10)
        assert (number(lease := claim(work, clock)), lease.waiting_since) == (0, began)


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

    def test_clients_take_turns_however_many_jobs_they_have(
        self, jobs: JobStore, work: WorkStore, clock: Clock
    ) -> None:
        many = {processing_job(jobs, work, clock, cut(3, 1), owner="many").id for _ in range(6)}
        few = processing_job(jobs, work, clock, cut(3, 1), owner="few").id
        served = []
        for _ in range(6):
            clock.tick(1)
            served.append(claim(work, clock).job_id)
        assert served.count(few) == 3, "half of the turns, until it has none left"
        assert all((one in many) is not (other in many) for one, other in pairwise(served))
        assert len(set(served) & many) == 3, "and the jobs of a client take its turns in turn"

    def test_clients_take_turns_with_analyses(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        """Ended jobs count: a client whose jobs fail one after the other has had its turns."""
        many = [make_job(status=Status.ANALYSING, owner="many", created=clock()) for _ in range(20)]
        for job in many:
            jobs.add(job)
        clock.tick(1)
        other = make_job(status=Status.ANALYSING, owner="few", created=clock())
        jobs.add(other)
        first = claim(work, clock)
        jobs.save(replace(jobs.get(first.job_id), status=Status.FAILED))
        work.finish(first, None)
        clock.tick(1)
        assert (first.owner, claim(work, clock).owner) == ("many", "few")

    def test_some_clients_can_be_left_out(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        processing_job(jobs, work, clock, cut(3, 1), owner="many")
        jobs.add(make_job(status=Status.ANALYSING, owner="many"))
        assert work.claim(clock(), 60, but={"many"}) is None
        few = processing_job(jobs, work, clock, cut(3, 1), owner="few")
        lease = work.claim(clock(), 60, but={"many"})
        assert lease is not None
        assert lease.job_id == few.id

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

    def test_two_claimers_never_get_the_same(
        self, jobs: JobStore, work: WorkStore, stores: Stores, clock: Clock
    ) -> None:
        for _ in range(2):
            processing_job(jobs, work, clock, cut(40, 1))
        got: list[tuple[str, int]] = []
        barrier = Barrier(4)

        def take_all() -> None:
            own = stores.another().work
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
        assert (slow.vanished, quick.vanished, quick.deaths) == (0, 1, 0)
        with pytest.raises(LeaseLost):
            work.renew(slow, clock(), 60)
        with pytest.raises(LeaseLost):
            work.finish(slow, Outcome(done=0, failed=1, findings=(failure(1),)))
        work.release(slow, clock())
        assert work.finish(quick, all_done(quick)).done == 1
        assert jobs.findings(job.id, 0, 9) == ()

    @pytest.mark.parametrize("ended", ["held", "tried later", "waiting"])
    def test_a_clock_that_was_set_back_keeps_nothing_from_all(
        self, jobs: JobStore, work: WorkStore, clock: Clock, ended: str
    ) -> None:
        """A lease or pause that was written while the clock was ahead would hold the work until it has caught up."""
        processing_job(jobs, work, clock, cut(1, 1))
        jobs.add(make_job(status=Status.ANALYSING))
        clock.tick(DAY)
        for lease in (claim(work, clock), claim(work, clock)):
            if ended == "tried later":
                work.release(lease, clock() + timedelta(seconds=90))
            elif ended == "waiting":
                work.wait(lease, clock(), clock() + timedelta(seconds=90), "there is no bucket")
        assert work.claim(clock(), 60) is None
        clock.tick(-DAY)
        leases = [claim(work, clock), claim(work, clock)]
        assert {lease.partition is None for lease in leases} == {True, False}
        assert work.claim(clock(), 60) is None, "they are held now"
        for lease in leases:
            work.wait(lease, clock(), clock(), "there is still none")
        assert {claim(work, clock).waiting_since, claim(work, clock).waiting_since} == {clock()}

    def test_a_partition_that_ended_has_failed_no_more(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(1, 1))
        work.release(claim(work, clock), clock())
        work.finish(claim(work, clock), Outcome(done=0, failed=1, findings=(failure(1),)))
        work.reopen(job.id)
        assert claim(work, clock).attempt == 1

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

    def test_released_as_lost_it_counts_as_vanished(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        processing_job(jobs, work, clock, cut(1, 1))
        work.release(claim(work, clock), None, lost=True)
        again = claim(work, clock)
        assert (again.attempt, again.deaths, again.vanished) == (1, 0, 1)

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

    def test_the_script_that_was_analysed_is_kept(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = make_job(status=Status.ANALYSING)
        jobs.add(job)
        assert jobs.script(job.id) is None
        for script in ("//VERSION=3 \0 é", "another", None):
            work.add(claim(work, clock), cut(1, 1), (), script)
            assert jobs.script(job.id) == script
            clock.tick(61)
        assert jobs.script("none") is None

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
                work.renew(lease, clock(), 60)  # no other call waits for the end of the stream
                yield partition

        work.add(lease, stream(), ())  # type: ignore[arg-type]
        assert jobs.get(lease.job_id).progress.partitions == 300


class TestReopening:
    def test_nothing_of_a_job_that_another_runner_has_begun(
        self, jobs: JobStore, work: WorkStore, clock: Clock
    ) -> None:
        """Both read that it is to begin again; the other was quicker, and has ended it with a failure."""
        job = processing_job(jobs, work, clock, cut(1, 1))
        work.finish(claim(work, clock), Outcome(done=0, failed=1, findings=(failure(1),)))
        read = jobs.save(replace(jobs.get(job.id), status=Status.ANALYSIS_DONE))
        work.reopen(job.id, read.version)
        jobs.save(replace(jobs.get(job.id), status=Status.PROCESSING))
        work.finish(claim(work, clock), Outcome(done=0, failed=1, findings=(failure(1),)))
        with pytest.raises(Conflict):
            work.reopen(job.id, read.version)
        progress = jobs.get(job.id).progress
        assert (progress.done, progress.failed, progress.open) == (0, 1, 0)

    def test_beside_a_worker_that_ends(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        """The job failed while the worker was busy, and was started again. Neither waits for what the other holds."""
        job, faults = processing_job(jobs, work, clock, cut(2, 1)), []
        lease, read = claim(work, clock), jobs.get(job.id)

        def reopen() -> None:
            try:
                work.reopen(job.id, read.version)
            except WorldError as error:
                faults.append(error)

        thread = Thread(target=reopen)

        class Found(tuple[Finding, ...]):
            """Findings during whose storing the job is reopened."""

            def __iter__(self) -> Iterator[Finding]:
                if thread.ident is None:
                    thread.start()
                    time.sleep(0.3)
                return super().__iter__()

        work.finish(lease, Outcome(done=0, failed=1, findings=Found([failure(number(lease) + 1)])))
        thread.join()
        assert faults == []

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

    def test_what_lacks_intervals_is_bettered(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(4, 4))
        incomplete = replace(failure(2, INCOMPLETE), verdict=Verdict.WARNING)
        other = replace(failure(4, "intervals-failed"), verdict=Verdict.WARNING)
        progress = work.finish(
            claim(work, clock), Outcome(done=4, failed=0, incomplete=1, findings=(incomplete, other))
        )
        assert (progress.done, progress.incomplete) == (4, 1)
        work.reopen(job.id)
        progress = jobs.get(job.id).progress
        assert (progress.done, progress.incomplete, progress.open) == (3, 0, 1)
        assert [each.feature for each in jobs.findings(job.id, 0, 9)] == [4]
        again = claim(work, clock)
        assert ids(again) == [2]
        assert work.finish(again, all_done(again)).done == 4

    def test_who_had_it_before_is_known(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        """For what they may have written: a crash, a polite end, a retry."""
        job = processing_job(jobs, work, clock, cut(2, 2))
        told = []
        for _ in range(2):
            told.append(claim(work, clock))
            clock.tick(61)
        told.append(claim(work, clock))
        work.finish(told[-1], Outcome(done=1, failed=1, findings=(failure(1),)))
        work.reopen(job.id)
        told.append(claim(work, clock))
        assert work.cut(told[-1], 0) is False
        partitions = [each.partition for each in told if each.partition]
        assert [(each.round, each.again) for each in partitions] == [(0, False), (0, True), (0, True), (1, True)]

    def test_it_begins_as_if_never_tried(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        """Failures, deaths and the family of a part that was cut count no more."""
        job = processing_job(jobs, work, clock, cut(4, 4))
        work.release(claim(work, clock), clock())
        assert work.cut(claim(work, clock), 2)
        for half in (claim(work, clock), claim(work, clock)):
            work.release(half, clock(), died=True)
        for half in (claim(work, clock), claim(work, clock)):
            assert (half.attempt, half.deaths) == (1, 3), "a half has not failed yet"
            work.finish(half, Outcome(done=0, failed=2, findings=tuple(map(failure, ids(half)))))
        work.reopen(job.id)
        assert [(each.attempt, each.deaths) for each in (claim(work, clock), claim(work, clock))] == [(1, 0)] * 2

    def test_what_the_analysis_found_stays(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        """Its findings are reasons, too, but nothing that another try takes back."""
        job = make_job(status=Status.ANALYSING)
        jobs.add(job)
        lease = claim(work, clock)
        work.add(lease, cut(3, 3), [failure(2, "empty")])
        jobs.save(replace(jobs.get(job.id), status=Status.PROCESSING))
        work.finish(lease, None)
        work.finish(claim(work, clock), Outcome(done=2, failed=1))
        work.reopen(job.id)
        assert [each.kind for each in jobs.findings(job.id, 0, 9)] == ["empty"]
        assert ids(claim(work, clock)) == [2]

    def test_rows_are_counted_and_those_of_another_try_replaced(
        self, jobs: JobStore, work: WorkStore, clock: Clock
    ) -> None:
        """Feature 2 of the first partition is taken up again; the rows of the others stay."""
        job = processing_job(jobs, work, clock, cut(6, 3))
        kept = RowCounts(numbers=7, masked=1, failed=1, reasons=(("it threw", 1),))
        lost = RowCounts(absent=2, failed=2, reasons=(("the image is broken", 2),))
        first = claim(work, clock)
        work.finish(first, Outcome(done=2, failed=1, settled=kept, unsettled=lost, findings=(failure(2),)))
        other = RowCounts(failed=12, reasons=(("the image is broken", 11), ("too dark", 1)))
        second = claim(work, clock)
        work.finish(second, Outcome(done=3, failed=0, settled=other))
        rows = jobs.get(job.id).progress.rows
        reasons = (("the image is broken", 13), ("it threw", 1), ("too dark", 1))
        assert rows == RowCounts(numbers=7, masked=1, absent=2, failed=15, reasons=reasons)
        work.reopen(job.id)
        work.reopen(job.id)
        assert jobs.get(job.id).progress.rows == kept + replace(
            other, reasons=(("the image is broken", 11), ("too dark", 1))
        )
        again = claim(work, clock)
        assert ids(again) == [2]
        work.finish(
            again, Outcome(done=1, failed=0, settled=RowCounts(numbers=3, failed=1, reasons=(("it threw", 1),)))
        )
        rows = jobs.get(job.id).progress.rows
        reasons = (("the image is broken", 11), ("it threw", 2), ("too dark", 1))
        assert rows == RowCounts(numbers=10, masked=1, failed=14, reasons=reasons)
        assert jobs.list("anna", SortKey.CREATED, 0, 9)[0].progress.rows == rows

    def test_the_commonest_reasons_of_each_job_of_a_page(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        expected = {}
        for first, letters in ((1, "abcdefg"), (20, "fgh"), (0, "")):
            job = processing_job(jobs, work, clock, cut(3, 3))
            counts = tuple((letter, first + number) for number, letter in enumerate(letters))
            rows = RowCounts(numbers=1, failed=sum(count for _, count in counts), reasons=counts)
            work.finish(claim(work, clock), Outcome(done=3, failed=0, settled=rows))
            expected[job.id] = counts[::-1][:MOST_REASONS]
        page = jobs.list("anna", SortKey.CREATED, 0, 9)
        assert {job.id: job.progress.rows.reasons for job in page if job.progress.rows is not None} == expected

    def test_rows_are_unknown_where_nobody_knows_whose_they_are(
        self, jobs: JobStore, work: WorkStore, clock: Clock
    ) -> None:
        job = processing_job(jobs, work, clock, cut(4, 4))
        rows = RowCounts(numbers=3)
        three = (failure(2), failure(3), failure(4))
        work.finish(claim(work, clock), Outcome(done=1, failed=3, settled=rows, findings=three))
        work.reopen(job.id)
        work.finish(claim(work, clock), Outcome(done=1, failed=2, settled=rows, findings=(failure(3),)))
        assert jobs.get(job.id).progress.rows == RowCounts(numbers=6)
        work.reopen(job.id)
        again = claim(work, clock)
        assert ids(again) == [2, 3, 4], "one of which the rows of the last try are"
        work.finish(again, Outcome(done=3, failed=0, settled=rows))
        progress = jobs.get(job.id).progress
        assert (progress.done, progress.rows) == (4, None)

    def test_rows_begin_anew_where_all_are_done_again(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(3, 3))
        lost = RowCounts(failed=2, reasons=(("it threw", 2),))
        work.finish(claim(work, clock), Outcome(done=1, failed=2, settled=lost, unsettled=lost, findings=(failure(3),)))
        work.reopen(job.id)
        again = claim(work, clock)
        assert ids(again) == [1, 2, 3]
        work.finish(again, Outcome(done=3, failed=0, settled=RowCounts(numbers=9, failed=1, reasons=(("new", 1),))))
        assert jobs.get(job.id).progress.rows == RowCounts(numbers=9, failed=1, reasons=(("new", 1),))

    def test_without_reasons_all_are_done_again(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(3, 3))
        work.finish(claim(work, clock), Outcome(done=1, failed=2, findings=(failure(3),)))
        work.reopen(job.id)
        again = claim(work, clock)
        assert again.partition is not None
        assert again.partition.features.ids.tolist() == [1, 2, 3]
        assert work.finish(again, all_done(again)).done == 3


def ids(lease: Lease) -> list[int]:
    assert lease.partition is not None
    return [int(each) for each in lease.partition.features.ids]


class TestDeaths:
    def test_they_are_counted_apart_and_such_work_comes_last(
        self, jobs: JobStore, work: WorkStore, clock: Clock
    ) -> None:
        processing_job(jobs, work, clock, cut(3, 1))
        killer = claim(work, clock)
        assert (number(killer), killer.attempt, killer.deaths) == (0, 1, 0)
        work.release(killer, clock(), died=True)
        leases = [claim(work, clock) for _ in range(3)]
        assert [number(lease) for lease in leases] == [1, 2, 0]
        assert (leases[2].attempt, leases[2].deaths) == (1, 1)
        work.release(leases[2], clock())
        again = claim(work, clock)
        assert (again.attempt, again.deaths) == (2, 1)


class TestCutting:
    def test_a_partition_becomes_two_and_every_sum_stays(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(9, 5))
        lease, other = claim(work, clock), claim(work, clock)
        work.finish(other, all_done(other))
        before = jobs.get(job.id).progress
        assert work.cut(lease, 2)
        after = jobs.get(job.id).progress
        assert (after.partitions, after.open, after.in_hand) == (3, 2, 0)
        assert after.percentage == before.percentage
        assert (after.features, after.done, after.failed) == (before.features, before.done, before.failed)
        halves = [claim(work, clock), claim(work, clock)]
        assert [ids(half) for half in halves] == [[1, 2, 3], [4, 5]]
        assert [number(half) for half in halves] == [0, 2]
        assert [(half.attempt, half.deaths) for half in halves] == [(1, 2), (1, 2)]
        with pytest.raises(LeaseLost):
            work.finish(lease, all_done(lease))
        assert [work.finish(half, all_done(half)).done for half in halves] == [7, 9]

    def test_what_was_done_before_counts_on(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        """A partition that START took up again holds only what had failed."""
        job = processing_job(jobs, work, clock, cut(6, 6))
        reasons = tuple(failure(each) for each in (2, 3, 5))
        work.finish(claim(work, clock), Outcome(done=3, failed=3, findings=reasons, processing_units=1.0))
        work.reopen(job.id)
        before = jobs.get(job.id).progress
        assert work.cut(claim(work, clock), 0)
        progress = jobs.get(job.id).progress
        assert (progress.features, progress.done, progress.percentage) == (6, 3, before.percentage)
        halves = [claim(work, clock), claim(work, clock)]
        assert [ids(half) for half in halves] == [[2, 3], [5]]
        assert [half.partition.round for half in halves if half.partition] == [1, 1]
        work.finish(halves[0], Outcome(done=1, failed=1, findings=(failure(3),)))
        final = work.finish(halves[1], Outcome(done=0, failed=1, findings=(failure(5),)))
        assert (final.done, final.failed, final.open, final.features) == (4, 2, 0, 6)
        work.reopen(job.id)
        again = [claim(work, clock), claim(work, clock)]
        assert sorted(ids(each) for each in again) == [[3], [5]]
        assert {each.deaths for each in again} == {0}
        assert [work.finish(each, all_done(each)).done for each in again] == [5, 6]

    def test_one_feature_cannot_be_cut(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        processing_job(jobs, work, clock, cut(1, 1))
        lease = claim(work, clock)
        assert not work.cut(lease, 0)
        assert work.finish(lease, all_done(lease)).done == 1, "it is still held"

    def test_nor_can_what_somebody_else_holds(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(4, 4))
        slow = claim(work, clock)
        clock.tick(61)
        quick = claim(work, clock)
        with pytest.raises(LeaseLost):
            work.cut(slow, 0)
        assert work.finish(quick, all_done(quick)).done == 4
        assert jobs.get(job.id).progress.partitions == 1

    def test_the_search_ends_where_everything_kills(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(200, 100))
        first, other = claim(work, clock), claim(work, clock)
        deaths = 1
        while work.cut(first, deaths):
            first, deaths = claim(work, clock), deaths + 1  # the largest part, as those with fewer deaths come first
        assert jobs.get(job.id).progress.partitions == MOST_SUSPECTS + 1
        assert not work.cut(other, 9), "no worker has lived at all: it is not the features"
        work.finish(other, all_done(other))
        assert not work.cut(first, 9), "one lived, but not with any of these"
        work.finish(first, all_done(first))
        assert work.cut(claim(work, clock), 9)

    def test_others_that_are_still_open_are_no_suspects(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        processing_job(jobs, work, clock, cut(6 * MOST_SUSPECTS, 3))
        lived, killer = claim(work, clock), claim(work, clock)
        work.finish(lived, all_done(lived))
        assert work.cut(killer, 1)

    def test_each_partition_has_a_search_of_its_own(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(201, 100))
        first, other = claim(work, clock), claim(work, clock)
        lived = claim(work, clock)
        work.finish(lived, all_done(lived))
        deaths = 1
        while work.cut(first, deaths):
            first, deaths = claim(work, clock), deaths + 1
        assert work.cut(other, 1), "the parts of the first are none of its own"
        assert jobs.get(job.id).progress.partitions == MOST_SUSPECTS + 3

    def test_a_retry_begins_the_search_anew(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(101, 100))
        lease, lived = claim(work, clock), claim(work, clock)
        work.finish(lived, all_done(lived))
        deaths = 1
        while work.cut(lease, deaths):
            lease, deaths = claim(work, clock), deaths + 1
        for part in (lease, *(claim(work, clock) for _ in range(MOST_SUSPECTS - 1))):
            findings = tuple(map(failure, ids(part)))
            work.finish(part, Outcome(done=0, failed=len(findings), findings=findings))
        work.reopen(job.id)
        parts = [claim(work, clock) for _ in range(MOST_SUSPECTS)]
        assert work.cut(next(part for part in parts if len(ids(part)) > 1), 0)

    def test_two_at_once_take_two_numbers(self, jobs: JobStore, work: WorkStore, stores: Stores, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(40, 5))
        leases = [claim(work, clock) for _ in range(8)]
        barrier = Barrier(4)

        def cut_two(mine: list[Lease]) -> None:
            own = stores.another().work
            barrier.wait()
            for lease in mine:
                assert own.cut(lease, 0)

        threads = [Thread(target=cut_two, args=(leases[k : k + 2],)) for k in (0, 2, 4, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        progress = jobs.get(job.id).progress
        assert (progress.features, progress.partitions) == (40, 16)
        assert sorted(each for _ in range(16) for each in ids(claim(work, clock))) == list(range(1, 41))
