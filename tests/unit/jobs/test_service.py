"""The service: requests are checked when they come, and each client sees only its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from arpent.domain.boundary.trace import read_trace, trace_of, traced
from arpent.domain.errors import ActionNotAllowed, InvalidRequest, JobNotFound, RateLimited
from arpent.domain.job import Job, Status, UserAction
from arpent.domain.ports.jobs import JobStore, SortKey
from arpent.domain.request import Request
from arpent.jobs.policy import Policy, Quota
from arpent.jobs.service import JobService
from tests.support.jobs import START, Clock, make_job
from tests.support.stores import in_memory

BODY = """{
  "input": {"features": {"s3": {"url": "s3://in/parcels.gpkg"}}, "data": [{"type": "sentinel-2-l2a"}]},
  "aggregation": {
    "timeRange": {"from": "2024-04-01T00:00:00Z", "to": "2024-05-01T00:00:00Z"},
    "aggregationInterval": {"of": "P10D"}, "resx": 10, "resy": 10, "evalscript": "//VERSION=3"
  },
  "output": {"s3": {"url": "s3://out/"}}
}"""


def known(_owner: str, request: Request) -> None:
    if request.sources[0].collection != "sentinel-2-l2a":
        raise InvalidRequest.at("input->data[0]->type", "unknown collection")


@pytest.fixture
def store() -> JobStore:
    return in_memory(Clock()).jobs


@pytest.fixture
def service(store: JobStore) -> JobService:
    return JobService(store, Policy(), known, Clock())


def test_create_keeps_the_request_as_submitted(service: JobService) -> None:
    job = service.create("anna", BODY)
    assert (job.status, job.created, job.body) == (Status.CREATED, START, BODY)
    assert service.get("anna", job.id) == job
    assert service.get("anna", job.id.upper()) == job


@pytest.mark.parametrize("body", ["", "[]", "{}", BODY.replace("sentinel-2-l2a", "sentinel-1-grd")])
def test_a_wrong_request_is_not_kept(service: JobService, body: str) -> None:
    with pytest.raises(InvalidRequest):
        service.create("anna", body)
    assert service.list("anna", SortKey.CREATED, 0, 9) == ()


def test_clients_do_not_see_each_other(service: JobService) -> None:
    job = service.create("anna", BODY)
    for call in (
        lambda: service.get("bert", job.id),
        lambda: service.act("bert", job.id, UserAction.START),
        lambda: service.findings("bert", job.id, 0, 9),
        lambda: service.get("anna", "not-a-uuid"),
        lambda: service.get("anna", "00000000-0000-0000-0000-000000000000"),
    ):
        with pytest.raises(JobNotFound):
            call()
    assert service.list("bert", SortKey.CREATED, 0, 9) == ()
    assert service.list("anna", SortKey.CREATED, 0, 9) == (job,)


def test_actions_move_the_job(service: JobService) -> None:
    job = service.create("anna", BODY)
    with pytest.raises(ActionNotAllowed):
        service.act("anna", job.id, UserAction.STOP)
    assert service.act("anna", job.id, UserAction.START).status is Status.ANALYSING
    assert service.get("anna", job.id).user_action is UserAction.START


def test_an_action_outlasts_a_conflict(store: JobStore) -> None:
    job = make_job(status=Status.PROCESSING)
    store.add(job)

    class Contended:
        """Others save the job just before this one does, three times."""

        rivals = 3
        get = store.get

        def save(self, job: Job) -> Job:
            if self.rivals:
                self.rivals -= 1
                store.save(replace(store.get(job.id), estimate={"minutes": 1.0 + self.rivals}))
            return store.save(job)

    service = JobService(Contended(), Policy(), known, Clock())  # type: ignore[arg-type]
    after = service.act("anna", job.id, UserAction.STOP)
    assert (after.status, after.estimate) == (Status.STOPPED, {"minutes": 1.0})


class TestPlaces:
    """Jobs of a client that may be under way at once."""

    @pytest.fixture
    def limited(self, store: JobStore) -> JobService:
        def quota(client: str) -> Quota:
            return Quota(jobs=2) if client == "anna" else Quota()

        return JobService(store, Policy(), known, Clock(), quota)

    def test_no_more_than_allowed(self, store: JobStore, limited: JobService) -> None:
        jobs = [make_job() for _ in range(4)]
        others = [make_job(owner="bert") for _ in range(4)]
        for job in (*jobs, *others):
            store.add(job)
        limited.act("anna", jobs[0].id, UserAction.START)
        limited.act("anna", jobs[1].id, UserAction.ANALYSE)
        for action in (UserAction.START, UserAction.ANALYSE):
            with pytest.raises(RateLimited, match="2 requests under way"):
                limited.act("anna", jobs[2].id, action)
        assert store.get(jobs[2].id).status is Status.CREATED
        limited.act("anna", jobs[0].id, UserAction.START)
        assert limited.act("anna", jobs[1].id, UserAction.START).user_action is UserAction.START, "it has its place"
        for job in others:
            limited.act("bert", job.id, UserAction.START)
        store.save(replace(store.get(jobs[0].id), status=Status.DONE))
        limited.act("anna", jobs[2].id, UserAction.START)

    def test_those_that_wait_for_a_runner_count(self, store: JobStore, limited: JobService) -> None:
        for status, action in ((Status.ANALYSIS_DONE, UserAction.START), (Status.PROCESSING, UserAction.START)):
            store.add(make_job(status=status, user_action=action))
        rests = make_job(status=Status.ANALYSIS_DONE, user_action=UserAction.ANALYSE)
        store.add(rests)
        with pytest.raises(RateLimited):
            limited.act("anna", rests.id, UserAction.START)

    def test_of_many_at_once_as_many_as_allowed_begin(self, store: JobStore, limited: JobService) -> None:
        jobs = [make_job() for _ in range(12)]
        for job in jobs:
            store.add(job)

        def begun(job: Job) -> bool:
            try:
                limited.act("anna", job.id, UserAction.START)
            except RateLimited:
                return False
            return True

        with ThreadPoolExecutor(12) as threads:
            assert sum(threads.map(begun, jobs)) == 2

    def test_nobody_waits_for_what_another_client_begins(self, store: JobStore) -> None:
        jobs = {owner: make_job(owner=owner) for owner in ("anna", "bert", "free")}
        for job in jobs.values():
            store.add(job)
        counted: list[str] = []

        class Slow:
            """While anna's are counted, the others begin theirs."""

            def __getattr__(self, name: str) -> Any:
                return getattr(store, name)

            def under_way(self, owner: str) -> int:
                counted.append(owner)
                if owner == "anna":
                    threads = ThreadPoolExecutor(2)  # not waited for: they end when this one does
                    for begun in [threads.submit(begin, each) for each in ("bert", "free")]:
                        assert begun.result(10).user_action is UserAction.START
                return store.under_way(owner)

        def begin(owner: str) -> Job:
            return service.act(owner, jobs[owner].id, UserAction.START)

        quotas = {"free": Quota()}
        service = JobService(Slow(), Policy(), known, Clock(), lambda owner: quotas.get(owner, Quota(jobs=2)))  # type: ignore[arg-type]
        assert begin("anna").user_action is UserAction.START
        assert counted == ["anna", "bert"]


def test_a_job_remembers_for_which_request_it_works(store: JobStore, service: JobService) -> None:
    job = make_job()
    store.add(job)
    first, second = trace_of("first", None), trace_of("second", None)
    with traced(first):
        service.act("anna", job.id, UserAction.ANALYSE)
    assert read_trace(store.get(job.id).trace) == first
    service.act("anna", job.id, UserAction.STOP)
    assert read_trace(store.get(job.id).trace) == first, "a command has no request"
    with traced(second):
        service.act("anna", job.id, UserAction.START)
    assert read_trace(store.get(job.id).trace) == second
