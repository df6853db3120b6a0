"""Keys are changed beside what runs: every request stays readable, and one that does not costs itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, select, update

from arpent.adapters.database import rotation, schema
from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.keys import body_cipher, known_key, stored_key
from arpent.adapters.database.rotation import rotate_bodies
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.domain.errors import InvalidSetting, Unauthorized
from arpent.domain.job import Job, Status
from arpent.domain.ports.clients import Client, Role
from arpent.domain.ports.jobs import SortKey
from arpent.server.access.tokens import Tokens
from arpent.settings import Settings
from arpent.wiring.keys import check_keys, opening_keys, rotate_keys, server_keys
from tests.support.databases import KINDS, database
from tests.support.jobs import cut, make_job

OLD, NEW, OTHER = (
    b"the old key of thirty-two bytes!",
    b"the new key of thirty-two bytes!",
    b"a third key of thirty-two bytes!",
)
BODY = '{"output": {"s3": {"secretAccessKey": "hunter2"}}}'


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with database(request.param, tmp_path) as engine:
        yield engine


def stored(engine: Engine, *keys: bytes) -> list[Job]:
    jobs = [make_job(body=BODY, status=status) for status in Status]
    for job in jobs:
        SqlJobStore(engine, body_cipher(*keys)).add(job)
    return jobs


def bodies(engine: Engine) -> dict[str, bytes]:
    with reading(engine) as connection:
        return {row.id: bytes(row.body) for row in connection.execute(select(schema.jobs))}


def test_requests_of_every_status_are_opened_by_the_new_key_alone(engine: Engine) -> None:
    jobs = stored(engine, OLD)
    both = SqlJobStore(engine, body_cipher(NEW, OLD))
    assert {each.id for each in both.list("anna", SortKey.CREATED, 0, 99) if not each.unreadable} == {
        j.id for j in jobs
    }
    assert all(SqlJobStore(engine, body_cipher(NEW)).get(job.id).unreadable for job in jobs)
    moved = both.save(replace(both.get(jobs[0].id), error="while it rotates"))
    done = rotate_bodies(engine, NEW, OLD)
    assert (done.renewed, done.unreadable) == (len(jobs), ())
    alone = SqlJobStore(engine, body_cipher(NEW))
    assert [alone.get(job.id).body for job in jobs] == [BODY] * len(jobs)
    assert alone.get(jobs[0].id) == moved, "and nothing else is touched: its holder can still save it"
    assert alone.save(moved).body == BODY
    before = bodies(engine)
    assert rotate_bodies(engine, NEW, OLD).renewed == 0
    assert bodies(engine) == before


def test_what_no_key_opens_costs_itself(engine: Engine) -> None:
    jobs = stored(engine, OLD)
    lost = make_job(body=BODY)
    SqlJobStore(engine, body_cipher(OTHER)).add(lost)
    broken = make_job(body=BODY)
    SqlJobStore(engine, body_cipher(OLD)).add(broken)
    with writing(engine) as connection:
        connection.execute(update(schema.jobs).where(schema.jobs.c.id == broken.id).values(body=b"\xff\xfe"))
    stored_key(engine)
    done = rotate_bodies(engine, NEW, OLD, forget_stored_key=True)
    assert (done.renewed, set(done.unreadable)) == (len(jobs), {lost.id, broken.id})
    assert known_key(engine) is not None, "kept, since it may be the one"
    found = SqlJobStore(engine, body_cipher(NEW)).list("anna", SortKey.CREATED, 0, 99)
    assert {job.id for job in found if job.unreadable} == {lost.id, broken.id}
    assert len(found) == len(jobs) + 2


def test_a_plain_request_is_encrypted(engine: Engine) -> None:
    SqlJobStore(engine).add(make_job(body=BODY))
    assert rotate_bodies(engine, NEW).renewed == 1
    assert b"hunter2" not in b"".join(bodies(engine).values())


@pytest.mark.parametrize("late", [1, 99])
def test_a_request_that_comes_while_the_databases_key_is_deleted_is_not_lost(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """Somebody still encrypts with the database's key, once or all the time, between the rotation and the deletion."""
    own, forget = stored_key(engine), rotation._forget
    added: list[Job] = []

    def forget_later(engine: Engine, key: bytes) -> bool:
        if len(added) < late:
            added.append(make_job(body=BODY))
            SqlJobStore(engine, body_cipher(own)).add(added[-1])
        return forget(engine, key)

    monkeypatch.setattr(rotation, "_forget", forget_later)
    done = rotate_bodies(engine, NEW, own, forget_stored_key=True)
    assert (done.renewed, done.has_stored_key) == (len(added), late > 1)
    assert not any(SqlJobStore(engine, body_cipher(NEW)).get(job.id).unreadable for job in added)


def test_the_databases_own_key_opens_until_it_is_rotated_out_and_proves_nothing(engine: Engine) -> None:
    unset = Settings()
    (own,) = server_keys(unset, engine)
    jobs = stored(engine, own)
    settings = Settings(secret_key=(SecretStr(NEW.decode()),))
    assert server_keys(settings, engine) == (NEW,)
    assert opening_keys(settings, engine) == (NEW, own)
    thief = Client(id="me", name="me", role=Role.USER, created=datetime.now(UTC))
    with pytest.raises(Unauthorized):
        Tokens(server_keys(settings, engine)).proof(Tokens([own]).issue(thief))
    assert not SqlJobStore(engine, body_cipher(*opening_keys(settings, engine))).get(jobs[0].id).unreadable
    assert rotate_keys(settings, engine).has_stored_key, "others may still encrypt with it"
    SqlJobStore(engine, body_cipher(own)).add(late := make_job(body=BODY))
    assert not rotate_keys(settings, engine, forget_stored_key=True).has_stored_key
    assert not SqlJobStore(engine, body_cipher(NEW)).get(late.id).unreadable
    assert known_key(engine) is None
    assert opening_keys(settings, engine) == (NEW,)
    assert not SqlJobStore(engine, body_cipher(NEW)).get(jobs[0].id).unreadable
    with pytest.raises(InvalidSetting, match="ARPENT_SECRET_KEY"):
        rotate_keys(unset, engine)


@pytest.mark.parametrize("part", [False, True])
def test_who_opens_nothing_that_others_work_on_does_not_start(engine: Engine, part: bool) -> None:
    """It would fail all their requests within a second."""
    work, now = SqlWorkStore(engine), clock_of(engine)
    theirs = SqlJobStore(engine, body_cipher(OLD))
    theirs.add(job := make_job(body=BODY, status=Status.ANALYSING))
    right, wrong = (Settings(secret_key=(SecretStr(key.decode()),)) for key in (OLD, NEW))
    check_keys(wrong, engine)  # nobody works on it: nobody may have its key any more
    lease = work.claim(now(), 60)
    assert lease is not None
    if part:
        work.add(lease, cut(2, 1), ())
        theirs.save(replace(theirs.get(job.id), status=Status.PROCESSING))
        work.finish(lease, None)
        lease = work.claim(now(), 60)
        assert lease is not None
    with pytest.raises(InvalidSetting, match="ARPENT_SECRET_KEY decrypts none"):
        check_keys(wrong, engine)
    check_keys(right, engine)
    check_keys(Settings(secret_key=(SecretStr(NEW.decode()), SecretStr(OLD.decode()))), engine)
    work.release(lease, None)
    check_keys(wrong, engine)
