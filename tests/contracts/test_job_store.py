"""What every JobStore does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from arpent.domain.errors import Conflict, JobNotFound
from arpent.domain.job import Progress, Status, StopReason, UserAction
from arpent.domain.ports.jobs import JobStore, SortKey, WorkStore
from tests.support.jobs import START, Clock, all_done, cut, failure, make_job, processing_job


class TestJobStore:
    def test_gives_back_what_it_was_given(self, jobs: JobStore) -> None:
        job = make_job(
            body='{"é": "}"}',
            status=Status.STOPPED,
            user_action=UserAction.STOP,
            user_action_updated=START + timedelta(microseconds=1),
            last_updated=START + timedelta(days=9, microseconds=999_999),
            error="no",
            stop_reason=StopReason.OUT_OF_PU,
            retry=True,
            estimate={"features": 3.0, "minutes": 0.25},
            hints=("look twice", "é"),
        )
        jobs.add(job)
        assert jobs.get(job.id) == job

    def test_knows_only_its_jobs(self, jobs: JobStore) -> None:
        with pytest.raises(JobNotFound):
            jobs.get(make_job().id)

    def test_saves_once_per_version(self, jobs: JobStore) -> None:
        job = make_job()
        jobs.add(job)
        saved = jobs.save(replace(job, status=Status.ANALYSING))
        assert saved.version != job.version
        assert jobs.get(job.id) == saved
        with pytest.raises(Conflict):
            jobs.save(replace(job, status=Status.FAILED))
        assert jobs.get(job.id).status is Status.ANALYSING

    def test_what_was_asked_for_never_changes(self, jobs: JobStore) -> None:
        job = make_job(body='{"a": 1}')
        jobs.add(job)
        jobs.save(replace(job, body="{}", owner="bert", created=START + timedelta(days=1), error="no"))
        stored = jobs.get(job.id)
        assert (stored.body, stored.owner, stored.created, stored.error) == (job.body, job.owner, job.created, "no")

    @pytest.mark.parametrize("sort", SortKey)
    def test_lists_in_order_and_pages(self, jobs: JobStore, sort: SortKey) -> None:
        statuses = [Status.DONE, Status.CREATED, Status.DONE, Status.ANALYSING, Status.STOPPED]
        mine = [make_job(created=START + timedelta(hours=k), status=status) for k, status in enumerate(statuses)]
        for job in (*mine, make_job(owner="bert")):
            jobs.add(job)
        by_status = sort in (SortKey.STATUS, SortKey.STATUS_DESCENDING)
        expected = sorted(mine, key=lambda job: (job.status if by_status else "", job.created))
        if sort.endswith(":desc"):
            expected.reverse()
        listed = [job.id for offset in (0, 2, 4) for job in jobs.list("anna", sort, offset, 2)]
        assert listed == [job.id for job in expected]

    def test_lists_fewer_where_requests_are_large(self, jobs: JobStore) -> None:
        every = [make_job(created=START + timedelta(hours=hour), body='"%s"' % ("x" * 1000)) for hour in range(4)]
        for job in every:
            jobs.add(job)
        for most, count in ((1, 1), (2_100, 2), (100_000, 4), (None, 4)):
            listed = jobs.list("anna", SortKey.CREATED, 0, 9, most)
            assert [job.id for job in listed] == [job.id for job in every[:count]], most
        assert len(jobs.list("anna", SortKey.CREATED, 3, 9, 1)) == 1
        assert jobs.list("anna", SortKey.CREATED, 4, 9, 1) == ()

    def test_lists_everybodys_for_the_operator(self, jobs: JobStore) -> None:
        every = [make_job(owner=owner, created=START + timedelta(hours=k)) for k, owner in enumerate(("anna", "bert"))]
        for job in every:
            jobs.add(job)
        listed = jobs.list(None, SortKey.CREATED_DESCENDING, 0, 9)
        assert [job.id for job in listed] == [job.id for job in reversed(every)]

    def test_carries_progress(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(25, 10))
        lease = work.claim(clock(), 60)
        assert lease is not None
        progress = jobs.get(job.id).progress
        assert progress == Progress(features=25, partitions=3, open=3, in_hand=1)
        work.finish(lease, replace(all_done(lease), failed=0, processing_units=0.5))
        assert jobs.list("anna", SortKey.CREATED, 0, 9)[0].progress == Progress(
            features=25, done=10, partitions=3, open=2, processing_units=0.5
        )

    def test_pages_findings_by_feature(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        job = processing_job(jobs, work, clock, cut(9, 9))
        lease = work.claim(clock(), 60)
        assert lease is not None
        work.finish(lease, replace(all_done(lease), done=6, failed=3, findings=tuple(map(failure, (7, 2, 9)))))
        assert [each.feature for each in jobs.findings(job.id, 0, 2)] == [2, 7]
        assert jobs.findings(job.id, 2, 2) == (failure(9),)

    def test_unsettled_are_started_or_without_work(self, jobs: JobStore, work: WorkStore, clock: Clock) -> None:
        for action in (UserAction.ANALYSE, UserAction.NONE):
            jobs.add(make_job(status=Status.ANALYSIS_DONE, user_action=action))
        started = make_job(status=Status.ANALYSIS_DONE, user_action=UserAction.START)
        jobs.add(started)
        jobs.add(make_job(status=Status.DONE, user_action=UserAction.START))
        worked = processing_job(jobs, work, clock, cut(1, 1))
        assert set(jobs.unsettled()) == {started.id}
        lease = work.claim(clock(), 60)
        assert lease is not None
        work.finish(lease, all_done(lease))
        assert set(jobs.unsettled()) == {started.id, worked.id}
