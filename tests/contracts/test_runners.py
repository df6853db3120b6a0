"""Several runners on the same stores: nothing is processed to the end twice, nothing is left."""

from __future__ import annotations

import time
from threading import Event as Flag
from threading import Thread

from arpent.adapters.executors.inline import InlineExecutor
from arpent.domain.job import Progress, Status, UserAction
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.jobs import Lease
from arpent.jobs.policy import Policy
from arpent.jobs.runner import Runner
from arpent.jobs.work_functions import WorkFunctions
from tests.support.jobs import Clock, all_done, cut, make_job, make_request, processing_job
from tests.support.stores import Stores

PATIENCE_SECONDS = 300


def test_runners_share_jobs(stores: Stores) -> None:
    jobs = stores.jobs
    ended: list[tuple[str, int]] = []

    def finished(lease: Lease, _: Outcome) -> None:
        assert lease.partition is not None
        ended.append((lease.job_id, lease.partition.number))

    duties = WorkFunctions(
        analyse=lambda job, wanted: Analysis(partitions=iter(cut(40, 2))),
        process=all_done,
        parse=lambda job: make_request(),
        give_up=lambda lease, error: Outcome(done=0, failed=2),
        finished=finished,
    )
    made = [make_job(status=Status.ANALYSING, user_action=UserAction.START) for _ in range(3)]
    for job in made:
        jobs.add(job)
    stop = Flag()
    own = [stores.another() for _ in range(3)]
    runners = [Runner(each.jobs, each.work, InlineExecutor(), duties, Policy(), pause=0.02) for each in own]
    threads = [Thread(target=runner.run, args=(stop,)) for runner in runners]
    for thread in threads:
        thread.start()
    end = time.monotonic() + PATIENCE_SECONDS
    while any(jobs.get(job.id).status is not Status.DONE for job in made) and time.monotonic() < end:
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert [jobs.get(job.id).status for job in made] == [Status.DONE] * 3
    assert [jobs.get(job.id).progress for job in made] == [Progress(features=40, done=40, partitions=20)] * 3
    assert len(ended) == len(set(ended)) == 60


def test_a_hundred_jobs_take_turns(stores: Stores, clock: Clock) -> None:
    """Among a hundred jobs at once each gets its first partition done before any gets its second."""
    jobs, work = stores.jobs, stores.work
    made = [processing_job(jobs, work, clock, cut(3, 1)).id for _ in range(100)]
    order: list[str] = []

    def process(lease: Lease) -> Outcome:
        order.append(lease.job_id)
        return all_done(lease)

    duties = WorkFunctions(
        analyse=lambda job, wanted: Analysis(partitions=iter(())),
        process=process,
        parse=lambda job: make_request(),
        give_up=lambda lease, error: Outcome(done=0, failed=1),
    )
    Runner(jobs, work, InlineExecutor(), duties, Policy(), pause=0.01).run_until_idle()
    assert [set(order[start : start + 100]) for start in (0, 100, 200)] == [set(made)] * 3
    assert len(order) == 300
