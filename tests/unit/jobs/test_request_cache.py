"""A job's request is parsed once, and not kept for longer than it is wanted."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from arpent.domain.errors import InvalidRequest
from arpent.domain.job import Job
from arpent.domain.location import Credentials, Location
from arpent.domain.ports.jobs import Lease
from arpent.domain.request import Request
from arpent.jobs.request_cache import KEPT_REQUESTS, KEPT_SECONDS, RequestCache
from tests.support.jobs import make_job, make_partition, make_request


class Parser:
    """Counts, and tells the time."""

    def __init__(self) -> None:
        self.parsed: list[str] = []
        self.seconds = 0.0

    def __call__(self, job: Job) -> Request:
        self.parsed.append(job.body)
        if job.body == "bad":
            raise InvalidRequest("bad")
        return make_request(job.body)

    def clock(self) -> float:
        return self.seconds


@pytest.fixture
def parser() -> Parser:
    return Parser()


@pytest.fixture
def cache(parser: Parser) -> RequestCache:
    return RequestCache(parser, clock=parser.clock)


def test_once_per_job_and_body(cache: RequestCache, parser: Parser) -> None:
    one, other = make_job(body="one"), make_job(body="other")
    assert [cache.request_of(job).script for job in (one, other, one, other)] == ["one", "other"] * 2
    assert parser.parsed == ["one", "other"]
    assert cache.request_of(replace(one, body="scrubbed")).script == "scrubbed"
    cache.request_of(replace(one, owner="bert"))
    assert parser.parsed[2:] == ["scrubbed", "one"]


def test_it_has_the_script_that_was_analysed(parser: Parser) -> None:
    referring, inline = make_job(body="where it lies"), make_job(body="inline")
    cache = RequestCache(parser, {referring.id: "its text"}.get)
    assert [cache.request_of(job).script for job in (referring, inline)] == ["its text", "inline"]


def test_what_is_wrong_is_not_kept(cache: RequestCache) -> None:
    with pytest.raises(InvalidRequest):
        cache.request_of(make_job(body="bad"))
    assert len(cache) == 0


def test_it_is_forgotten_once_nobody_wants_it(cache: RequestCache, parser: Parser) -> None:
    idle, busy = make_job(), make_job()
    cache.request_of(idle)
    for _ in range(3):
        cache.request_of(busy)
        parser.seconds += KEPT_SECONDS / 2 + 1
        cache.expire()
    assert len(cache) == 1
    cache.request_of(busy)
    assert len(parser.parsed) == 2
    parser.seconds += KEPT_SECONDS + 1
    cache.expire()
    assert len(cache) == 0


def test_it_is_bounded(cache: RequestCache) -> None:
    for _ in range(2 * KEPT_REQUESTS):
        cache.request_of(make_job())
    assert len(cache) == KEPT_REQUESTS


def test_a_request_travels_with_the_lease_and_shows_no_secret() -> None:
    keys = Credentials(access_key="me", secret_access_key="hunter2")
    request = replace(make_request(), output=Location(scheme="s3", bucket="b", key="k", credentials=keys))
    lease = Lease(job_id="job", token="t", partition=make_partition(0, range(3)), attempt=1, request=request)
    assert pickle.loads(pickle.dumps(lease)).request == request
    assert "hunter2" not in repr(lease) + repr(request)
