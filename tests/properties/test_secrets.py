"""The secrets of any request are in no answer, no log, and no database of an ended job."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine, select

from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.keys import body_cipher, unseal
from arpent.adapters.database.retention import SqlRetention
from arpent.adapters.database.schema import jobs as table
from arpent.domain.errors import ArpentError
from arpent.domain.job import Status
from arpent.jobs.policy import Policy
from arpent.jobs.service import JobService
from arpent.wire.job import job_object
from arpent.wire.problems import problem
from arpent.wire.request.parse import parse_batch
from arpent.wire.secrets import FIELDS
from tests.support.databases import database
from tests.support.jobs import Clock
from tests.unit.wire.bodies import BATCH

SECRET = "hush-4711"
"""Part of every secret that is drawn, so that it is found again wherever it comes out."""
Body = dict[str, Any]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with database("sqlite", tmp_path_factory.mktemp("secrets")) as engine:
        yield engine


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """A name of the list in letters of either case, with signs between them."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    return "".join(draw(st.sampled_from([letter, letter.upper(), f"{letter}_", f"-{letter}"])) for letter in name)


letters = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
"""What a secret may hold: others are refused."""
written = st.text(letters, max_size=5).map(lambda text: f"{text}{SECRET}{text}")
secrets = st.recursive(
    written,
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(st.just("x"), inner, min_size=1),
    max_leaves=3,
)


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    """A good body, with secrets in objects of it at any depth."""
    body = copy.deepcopy(BATCH)
    for access in (body["input"]["features"], body["output"]):
        access["s3"]["secretAccessKey"] = draw(written)
    body["more"] = [{"deep": [{}]}]
    places = [place for place in objects(body) if "s3" not in place]  # what stands beside s3 is refused
    for _ in range(draw(st.integers(1, 4))):
        name, place = draw(spellings()), draw(st.sampled_from(places))
        place[name] = draw(written if "url" in place else secrets)
    return body


@st.composite
def faulty_bodies(draw: st.DrawFn) -> Body:
    """The same with a field missing, of the wrong type, or not known."""
    body = draw(bodies())
    place = draw(st.sampled_from([one for one in objects(body["input"]) if one]))
    name = draw(st.sampled_from(sorted(place)))
    place[name] = draw(secrets)
    if draw(st.booleans()):
        body["output"] = {"gs": {"url": "gs://bucket/x", "credentials": draw(secrets)}, "credentials": draw(secrets)}
    if draw(st.booleans()):
        del body["aggregation"]
    return body


def objects(value: Any) -> Iterator[Body]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def stored(engine: Engine, cipher: Fernet | None, job_id: str) -> str:
    with engine.connect() as connection:
        return unseal(cipher, connection.execute(select(table.c.body).where(table.c.id == job_id)).scalar_one())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies(), sealed=st.booleans())
def test_no_secret_of_a_request_is_told(
    engine: Engine, caplog: pytest.LogCaptureFixture, body: Body, sealed: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    cipher = body_cipher(b"key") if sealed else None
    clock = Clock()
    store = SqlJobStore(engine, cipher, now=clock)
    job = JobService(store, Policy(), lambda owner, request: None, clock).create("me", json.dumps(body))
    assert SECRET not in json.dumps(job_object(job, 0.0)) + repr(job) + caplog.text
    assert SECRET in stored(engine, cipher, job.id), "until it has ended it is needed"
    store.save(replace(store.get(job.id), status=Status.DONE, last_updated=clock()))
    assert SqlRetention(engine, cipher).scrub_final(clock() + timedelta(days=1)) == 1
    assert SECRET not in stored(engine, cipher, job.id)
    assert SECRET not in json.dumps(job_object(store.get(job.id), 100.0)) + caplog.text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=faulty_bodies())
def test_no_secret_is_told_when_a_request_is_refused(caplog: pytest.LogCaptureFixture, body: Body) -> None:
    caplog.set_level(logging.DEBUG)
    try:
        parse_batch(json.dumps(body))
    except ArpentError as error:
        told = json.dumps(problem(error).body) + repr(error) + caplog.text
        assert SECRET not in told


def test_nothing_is_left_in_the_file_of_an_encrypted_database(tmp_path: Path) -> None:
    cipher = body_cipher(b"key")
    with database("sqlite", tmp_path) as engine:
        service = JobService(SqlJobStore(engine, cipher), Policy(), lambda owner, request: None, Clock())
        service.create("me", json.dumps(BATCH).replace("tOp-sEcReT-vAlUe", SECRET))
    assert [path.name for path in tmp_path.iterdir() if SECRET.encode() in path.read_bytes()] == []
