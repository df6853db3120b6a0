"""What the database of jobs does beyond the contract: encryption, indexes, plain words when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select, text

from arpent.adapters.database import schema
from arpent.adapters.database.connection import make_engine, writing
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.keys import body_cipher
from arpent.domain.errors import InvalidSetting, WorldError
from arpent.domain.job import Status
from arpent.domain.ports.jobs import SortKey
from tests.support.databases import database
from tests.support.jobs import START, make_job

BODY = '{"output": {"s3": {"secretAccessKey": "hunter2"}}}'


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with database("sqlite", tmp_path) as engine:
        yield engine


def test_requests_are_encrypted_at_rest(engine: Engine, tmp_path: Path) -> None:
    store = SqlJobStore(engine, body_cipher(b"operator's key"))
    job = make_job(body=BODY)
    store.add(job)
    assert store.get(job.id).body == BODY
    engine.dispose()
    assert all(b"hunter2" not in path.read_bytes() for path in tmp_path.iterdir())


def test_another_key_is_explained(engine: Engine) -> None:
    job = make_job(body=BODY)
    SqlJobStore(engine, body_cipher(b"one")).add(job)
    for cipher in (None, body_cipher(b"other")):
        with pytest.raises(WorldError, match="ARPENT_SECRET_KEY") as caught:
            SqlJobStore(engine, cipher).get(job.id)
        assert not caught.value.transient


@pytest.mark.parametrize("sort", SortKey)
def test_a_page_comes_from_an_index(engine: Engine, sort: SortKey) -> None:
    statements: list[tuple[str, object]] = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append((call[2], call[3])))
    SqlJobStore(engine).list("anna", sort, 500_000, 100)
    page, parameters = next(each for each in statements if "LIMIT" in each[0])
    with engine.connect() as connection:
        plan = " ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {page}", parameters))  # type: ignore[arg-type]
    assert "USING COVERING INDEX jobs_by_" in plan
    assert "TEMP B-TREE" not in plan


def test_ended_jobs_cost_the_runner_nothing(engine: Engine) -> None:
    statements: list[tuple[str, object]] = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append((call[2], call[3])))
    SqlJobStore(engine).unsettled()
    query, parameters = next(each for each in statements if "SELECT" in each[0])
    with engine.connect() as connection:
        plan = " ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", parameters))  # type: ignore[arg-type]
    assert "SEARCH jobs USING INDEX jobs_by_turn (status=?)" in plan


def test_a_database_that_cannot_be_opened_is_explained(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'missing' / 'jobs.db'}"
    with pytest.raises(InvalidSetting, match=r"ARPENT_DATABASE_URL .*missing: make it"):
        make_engine(url)
    (tmp_path / "missing").mkdir()
    store = SqlJobStore(make_engine(url))
    (tmp_path / "missing").rmdir()  # a disk that is taken away may come back
    with pytest.raises(WorldError, match="unable to open database file") as caught:
        store.get(make_job().id)
    assert caught.value.transient


def test_errors_hold_no_parameters(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("DROP TABLE jobs"))
    with pytest.raises(WorldError) as caught:
        SqlJobStore(engine).add(make_job(body=BODY, status=Status.CREATED))
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def test_instants_are_kept_to_the_microsecond(engine: Engine) -> None:
    job = make_job(created=START.replace(microsecond=127266))
    SqlJobStore(engine).add(job)
    with engine.connect() as connection:
        assert connection.scalar(select(schema.jobs.c.created)) == job.created
