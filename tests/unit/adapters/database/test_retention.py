"""Ended jobs lose their secrets, later they go; what can still be started keeps what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from arpent.adapters.database import schema
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.keys import body_cipher
from arpent.adapters.database.retention import SqlRetention
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.domain.errors import ActionNotAllowed, Conflict, JobNotFound
from arpent.domain.job import Status
from arpent.domain.partition import Outcome
from arpent.jobs.policy import Policy
from arpent.jobs.state_machine import Event, advance
from tests.support.databases import database
from tests.support.jobs import START, Clock, cut, failure, make_job, processing_job

BODY = '{"output": {"s3": {"url": "s3://a/b", "accessKey": "AK", "secretAccessKey": "hunter2"}}, "n": [1.0, {}]}'
LATER = START + timedelta(days=30)
CIPHER = body_cipher(b"key")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with database("sqlite", tmp_path) as engine:
        yield engine


def test_only_final_jobs_are_scrubbed(engine: Engine) -> None:
    clock = Clock()
    jobs, work = SqlJobStore(engine, CIPHER, now=clock), SqlWorkStore(engine, now=clock)
    retried = processing_job(jobs, work, clock, cut(2, 2), body=BODY)
    lease = work.claim(clock(), 60)
    assert lease is not None
    work.finish(lease, Outcome(done=1, failed=1, findings=(failure(1),)))
    jobs.save(replace(jobs.get(retried.id), status=Status.DONE))
    ended = {status: make_job(status=status, body=BODY, last_updated=START) for status in Status}
    for job in ended.values():
        jobs.add(job)
    sweep = SqlRetention(engine, CIPHER)
    assert sweep.scrub_final(START) == 0, "not before its time"
    assert sweep.scrub_final(LATER) == 2
    assert sweep.scrub_final(LATER) == 0
    scrubbed = {status for status, job in ended.items() if "hunter2" not in jobs.get(job.id).body}
    assert scrubbed == {Status.DONE, Status.FAILED}
    assert "hunter2" in jobs.get(retried.id).body


def test_what_failed_keeps_its_keys_for_a_while(engine: Engine) -> None:
    jobs = SqlJobStore(engine, CIPHER)
    failed, done = (make_job(status=status, body=BODY, last_updated=START) for status in (Status.FAILED, Status.DONE))
    jobs.add(failed)
    jobs.add(done)
    sweep = SqlRetention(engine, CIPHER)
    assert sweep.scrub_final(LATER, failed_before=START) == 1
    assert ("hunter2" in jobs.get(failed.id).body, "hunter2" in jobs.get(done.id).body) == (True, False)
    assert sweep.scrub_final(LATER, failed_before=LATER) == 1
    assert "hunter2" not in jobs.get(failed.id).body


@pytest.mark.parametrize("deep", [400, 100_000])
def test_one_odd_request_stops_no_sweep(engine: Engine, deep: int, caplog: pytest.LogCaptureFixture) -> None:
    """One nested deep, one sealed with a key that is gone, one that is no text; the others lose their secrets."""
    jobs, lost = SqlJobStore(engine, CIPHER), SqlJobStore(engine, body_cipher(b"gone"))
    good = [make_job(status=Status.DONE, body=BODY, last_updated=START) for _ in range(6)]
    nested = make_job(status=Status.DONE, body=f'{{"a": {"[" * deep}{"]" * deep}}}', last_updated=START)
    sealed, broken = (make_job(status=Status.DONE, body=BODY, last_updated=START) for _ in range(2))
    for job in (*good[:2], nested, *good[2:4], broken, *good[4:]):
        jobs.add(job)
    lost.add(sealed)
    with engine.begin() as connection:
        connection.execute(schema.jobs.update().where(schema.jobs.c.id == broken.id).values(body=b"\xff"))
    sweep = SqlRetention(engine, CIPHER)
    assert sweep.scrub_final(LATER) == 7
    assert all("hunter2" not in jobs.get(job.id).body for job in (*good, nested))
    assert sweep.scrub_final(LATER) == 0
    assert len([each for each in caplog.messages if "cleanup skips" in each]) == 2, "each is told once"
    assert sweep.forget(LATER) == 9, "it needs not be read to be forgotten"


def test_old_ended_jobs_are_forgotten_whole(engine: Engine) -> None:
    clock = Clock()
    jobs, work = SqlJobStore(engine, now=clock), SqlWorkStore(engine, now=clock)
    old = processing_job(jobs, work, clock, cut(9, 2))
    jobs.save(replace(jobs.get(old.id), status=Status.STOPPED, last_updated=START))
    kept = [make_job(status=status, last_updated=START) for status in set(Status) - {*["DONE", "FAILED", "STOPPED"]}]
    kept.append(make_job(status=Status.DONE, last_updated=LATER))
    for job in kept:
        jobs.add(job)
    assert SqlRetention(engine).forget(START + timedelta(days=1)) == 1
    with pytest.raises(JobNotFound):
        jobs.get(old.id)
    assert {jobs.get(job.id).id for job in kept} == {job.id for job in kept}
    with engine.connect() as connection:
        for table in (schema.partitions, schema.payloads, schema.findings):
            assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_who_read_a_request_with_its_keys_starts_it_no_more(engine: Engine) -> None:
    """START read it, the sweep deleted the keys, START saved: the job would have used other access than its own."""
    jobs = SqlJobStore(engine, CIPHER)
    failed = make_job(status=Status.FAILED, body=BODY, last_updated=START)
    jobs.add(failed)
    read = jobs.get(failed.id)
    assert SqlRetention(engine, CIPHER).scrub_final(LATER) == 1
    with pytest.raises(Conflict):
        jobs.save(advance(read, Event.START, LATER, Policy()))
    with pytest.raises(ActionNotAllowed, match="have been deleted"):
        advance(jobs.get(failed.id), Event.START, LATER, Policy())
