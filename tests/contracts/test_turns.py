"""Turns by weight, and what clients used: over every database."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from arpent.adapters.database.connection import writing
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.schema import turns
from arpent.adapters.database.usage import SqlUsageStore
from arpent.adapters.database.work import claims
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.domain.errors import DatabaseRefused
from arpent.domain.job import Status
from arpent.domain.ports.clients import Usage
from arpent.domain.ports.jobs import Lease
from tests.support.jobs import Clock, all_done, cut, make_job, processing_job

WEIGHTS = {"heavy": 3.0, "light": 0.5}


def served(work: SqlWorkStore, clock: Clock, count: int) -> list[str]:
    """Owners of the next claims."""
    found = []
    for _ in range(count):
        clock.tick(1)
        lease = work.claim(clock(), 3600)
        assert lease is not None
        found.append(lease.job_id)
    return found


@pytest.fixture
def work(engine: Engine, clock: Clock) -> SqlWorkStore:
    return SqlWorkStore(engine, now=clock, weight=lambda owner: WEIGHTS.get(owner, 1.0))


def test_a_row_that_takes_no_change_keeps_nobody_waiting(
    engine: Engine, work: SqlWorkStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one whose version is the largest of PostgreSQL's integers: it cannot even be made FAILED."""
    jobs = SqlJobStore(engine, now=clock)
    broken, sound = (make_job(status=Status.ANALYSING, owner=owner) for owner in ("anna", "bert"))
    jobs.add(broken)
    clock.tick(1)
    jobs.add(sound)
    take = claims.take_analysis

    def refuse(connection: Connection, job_id: str, *rest: Any) -> Lease | None:
        if job_id == broken.id:
            raise DatabaseRefused("integer out of range")
        return take(connection, job_id, *rest)

    monkeypatch.setattr(claims, "take_analysis", refuse)
    monkeypatch.setattr(claims, "fail_job", refuse)
    lease = work.claim(clock(), 60)
    assert lease is not None
    assert lease.job_id == sound.id


def test_turns_are_as_the_weights(engine: Engine, work: SqlWorkStore, clock: Clock) -> None:
    jobs = SqlJobStore(engine, now=clock)
    ids = {
        processing_job(jobs, work, clock, cut(90, 1), owner=owner).id: owner for owner in ("heavy", "usual", "light")
    }
    found = Counter(ids[job] for job in served(work, clock, 90))
    assert {owner: round(found[owner] / 20) for owner in found} == {"heavy": 3, "usual": 1, "light": 0}
    assert found["light"] in (9, 10, 11)


def test_a_turn_beyond_all_numbers_ends_no_fairness(engine: Engine, work: SqlWorkStore, clock: Clock) -> None:
    with writing(engine) as connection:
        connection.execute(turns.insert(), {"owner": "heavy", "began": 1e18, "due": 2e18})
    test_turns_are_as_the_weights(engine, work, clock)


def test_who_comes_back_is_served_at_once_and_has_saved_up_nothing(
    engine: Engine, work: SqlWorkStore, clock: Clock
) -> None:
    jobs = SqlJobStore(engine, now=clock)
    early = processing_job(jobs, work, clock, cut(60, 1), owner="early").id
    served(work, clock, 20)
    late = processing_job(jobs, work, clock, cut(60, 1), owner="late").id
    found = served(work, clock, 20)
    assert late in found[:2]
    assert found.count(late) in (10, 11), "half of the turns from then on, not all until it has caught up"
    assert found.count(early) in (9, 10)


def test_usage_is_counted_by_month_and_client(engine: Engine, clock: Clock) -> None:
    usage = SqlUsageStore(engine, now=clock)
    clock.time = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    usage.add("me", Usage.PROCESSING_UNITS, 1.5)
    usage.add("me", Usage.PROCESSING_UNITS, 2)
    usage.add("me", Usage.UPLOAD_BYTES, 7)
    assert usage.this_month("me", Usage.PROCESSING_UNITS) == 3.5
    assert usage.this_month("you", Usage.PROCESSING_UNITS) == 0
    clock.tick(60)
    assert usage.this_month("me", Usage.PROCESSING_UNITS) == 0


def test_a_partition_costs_its_owner(engine: Engine, work: SqlWorkStore, clock: Clock) -> None:
    processing_job(SqlJobStore(engine, now=clock), work, clock, cut(2, 1), owner="me")
    for _ in range(2):
        lease = work.claim(clock(), 60)
        assert lease is not None
        work.finish(lease, replace(all_done(lease), processing_units=0.25))
    assert SqlUsageStore(engine, now=clock).this_month("me", Usage.PROCESSING_UNITS) == 0.5
