"""The service: requests are checked when they come, and each client sees only its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arpent.domain.errors import ActionNotAllowed, InvalidRequest, JobNotFound
from arpent.domain.job import Job, Status, UserAction
from arpent.domain.ports.jobs import JobStore, SortKey
from arpent.domain.request import Request
from arpent.jobs.policy import Policy
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


def known(request: Request) -> None:
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
