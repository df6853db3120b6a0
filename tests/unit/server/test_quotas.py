"""Quotas of clients over HTTP: what is too much is refused in the real service's shape, and costs nobody else."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress

import pytest
import requests

from arpent.domain.errors import RateLimited
from arpent.domain.ports.clients import Usage
from arpent.jobs.policy import Quota, quota_of
from arpent.server.access.quotas import Quotas
from arpent.wire.problems import problem
from tests.support.client import seed_body
from tests.support.scripts import NDVI
from tests.unit.server.fakes import FakeUsage, World
from tests.unit.wire.bodies import STATISTICAL, text

BODY = text(STATISTICAL)
JSON = {"Content-Type": "application/json"}
BATCH = "/api/v1/statistics/batch"


def asked(here: World, path: str = BATCH, name: str = "me") -> requests.Response:
    return requests.get(here.url + path, headers=here.bearer(name), timeout=10)


def computed(here: World, name: str = "me") -> requests.Response:
    return requests.post(here.url + "/api/v1/statistics", data=BODY, headers=JSON | here.bearer(name), timeout=30)


def test_requests_a_minute(here: World) -> None:
    here.quotas["me"] = Quota(requests_per_minute=7)
    assert [asked(here).status_code for _ in range(7)] == [200] * 7
    answer = asked(here)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "8572")
    assert answer.json() == {
        "status": 429, "reason": "Too Many Requests", "message": "You have exceeded your rate limit",
        "code": "RATE_LIMIT_EXCEEDED",
    }  # fmt: skip
    assert computed(here).status_code == 429, "whatever is asked for"
    assert asked(here, name="you").status_code == 200
    here.seconds += 8.571
    assert asked(here).headers["retry-after"] == "1"
    here.seconds += 0.001
    assert asked(here).status_code == 200
    assert asked(here).status_code == 429
    here.seconds += 1000
    assert [asked(here).status_code for _ in range(8)] == [200] * 7 + [429], "a pause saves up a minute, no more"


@pytest.mark.parametrize("limit", [1, 3, 7, 59, 60, 61, 999, 10**6])
def test_who_waits_as_told_is_never_refused_again(limit: int) -> None:
    clock = [0.0]
    quotas = Quotas(lambda name: Quota(requests_per_minute=limit), FakeUsage(), lambda: clock[0])
    for _ in range(min(limit, 1000)):
        quotas.pace("me")
    for _ in range(20 if limit < 1000 else 0):
        with pytest.raises(RateLimited) as refused:
            quotas.pace("me")
        clock[0] += float(problem(refused.value).headers["Retry-After"]) / 1000
        quotas.pace("me")


def test_processing_units_of_a_month(here: World) -> None:
    here.quotas["me"] = Quota(processing_units_per_month=6)
    assert [computed(here).status_code for _ in range(2)] == [200, 200], "the last one may go beyond"
    assert here.usage.amounts["me", Usage.PROCESSING_UNITS] == pytest.approx(2 * 5.040412902832031)
    answer = computed(here)
    assert answer.status_code == 403
    assert answer.json()["error"] == {
        "status": 403, "reason": "Forbidden", "code": "ACCESS_INSUFFICIENT_PROCESSING_UNITS",
        "message": "Insufficient processing units or requests available in your account.",
    }  # fmt: skip
    job = requests.post(
        here.url + BATCH, headers=here.bearer(), json=seed_body("s3://fields/x.gpkg", NDVI.text), timeout=10
    ).json()["id"]
    for action, status in (("start", 403), ("analyse", 204)):
        answer = requests.post(f"{here.url}{BATCH}/{job}/{action}", headers=here.bearer(), timeout=10)
        assert answer.status_code == status
    assert computed(here, "you").status_code == 200


class Held:
    """A call that ends when it is told to."""

    def __init__(self) -> None:
        self.future: Future[tuple[bytes, float, tuple[str, ...]]] = Future()

    def begun(self) -> bool:
        return True

    def cancel(self) -> None:
        self.future.cancel()


def test_synchronous_requests_at_once(here: World) -> None:
    here.quotas["me"] = Quota(synchronous=1)
    held, answers = Held(), []
    here.outcomes.append(held)
    first = threading.Thread(target=lambda: answers.append(computed(here)))
    first.start()
    while here.outcomes:  # taken by the first request, which is then under way
        first.join(0.01)
    assert computed(here).status_code == 429
    assert computed(here, "you").status_code == 200
    held.future.set_result((b"{}", 1.0, ()))
    first.join(30)
    assert [answer.status_code for answer in answers] == [200]
    assert computed(here).status_code == 200


def test_bytes_of_uploads_of_a_month(here: World) -> None:
    here.quotas["me"] = Quota(upload_bytes_per_month=100)

    def upload(size: int) -> int:
        address = here.url + "/page/files?place=fields&name=x.gpkg"
        return requests.post(address, data=b"x" * size, headers=here.bearer(), timeout=10).status_code

    assert [upload(60), upload(60), upload(40), upload(1)] == [201, 429, 201, 429]
    assert sum(map(len, here.stored.values())) == 100


def test_uploads_at_once_keep_to_the_month() -> None:
    both = threading.Barrier(2)

    class Together(FakeUsage):
        def this_month(self, client_id: str, usage: Usage) -> float:
            with suppress(threading.BrokenBarrierError):
                both.wait(10)
            return super().this_month(client_id, usage)

    usage = Together()
    quotas, refused = Quotas(lambda name: Quota(upload_bytes_per_month=100), usage), []

    def upload() -> None:
        try:
            quotas.upload("me", 60)
        except RateLimited:
            refused.append(60)

    threads = [threading.Thread(target=upload) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused
    assert usage.amounts["me", Usage.UPLOAD_BYTES] + sum(refused) == 120
    assert usage.amounts["me", Usage.UPLOAD_BYTES] <= 100


def test_what_was_not_stored_is_not_counted(here: World) -> None:
    here.full = True
    address = here.url + "/page/files?place=fields&name=x.gpkg"
    assert requests.post(address, data=b"x" * 60, headers=here.bearer(), timeout=10).status_code == 503
    assert here.usage.amounts["me", Usage.UPLOAD_BYTES] == 0


def test_an_answer_is_sent_whether_or_not_it_can_be_counted(here: World) -> None:
    here.usage.away = True
    assert computed(here).status_code == 200, "without a quota nothing is counted"
    here.quotas["me"] = Quota(processing_units_per_month=6)
    assert computed(here).status_code == 200


def test_the_quota_of_all_holds_where_a_client_has_none() -> None:
    quotas = {"*": Quota(jobs=3, weight=1.0), "me": Quota(jobs=5, features=10)}
    assert quota_of(quotas, "me") == Quota(jobs=5, features=10, weight=1.0)
    assert quota_of(quotas, "you") == Quota(jobs=3, weight=1.0)
    assert quota_of({}, "me") == Quota()
