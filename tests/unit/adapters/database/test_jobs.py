"""What the database of jobs does beyond the contract: encryption, indexes, plain words when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select, text, update

from arpent.adapters.database import schema
from arpent.adapters.database.connection import make_engine, writing
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.keys import body_cipher
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.domain.errors import InvalidSetting, WorldError
from arpent.domain.job import RowCounts, Status
from arpent.domain.ports.jobs import SortKey
from tests.support.databases import database
from tests.support.jobs import START, Clock, all_done, cut, make_job, processing_job

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
    job = make_job(body=BODY, status=Status.PROCESSING)
    SqlJobStore(engine, body_cipher(b"one")).add(job)
    for cipher in (None, body_cipher(b"other")):
        found = SqlJobStore(engine, cipher).get(job.id)
        assert (found.status, found.unreadable) == (Status.FAILED, True)
        assert "set ARPENT_SECRET_KEY to the key they were stored with" in (found.error or "")
    assert SqlJobStore(engine, body_cipher(b"one")).get(job.id) == job, "looking at it has changed nothing"


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "PARTIAL"}, {"user_action": "PAUSE"}, {"stop_reason": "RAIN"}, {"estimate": "{"},
        {"estimate": "[" * 100_000}, {"estimate": '{"minutes": "few"}'}, {"estimate": '{"hints": [1]}'},
        {"body": b"\xff\xfe"}, {"body": b"gAAAAnothing"},
    ],
    ids=repr,
)  # fmt: skip
def test_a_broken_row_costs_itself(engine: Engine, wrong: dict[str, object]) -> None:
    store, jobs = SqlJobStore(engine, body_cipher(b"one")), [make_job(body=BODY) for _ in range(3)]
    for job in jobs:
        store.add(job)
    with writing(engine) as connection:
        connection.execute(schema.jobs.update().where(schema.jobs.c.id == jobs[1].id).values(wrong))
    found = {job.id: job for job in store.list("anna", SortKey.CREATED, 0, 9)}
    assert [found[job.id].unreadable for job in jobs] == [False, True, False]
    assert found[jobs[1].id].status is Status.FAILED
    assert "cannot be read from the server's database" in (found[jobs[1].id].error or "")
    assert found[jobs[0].id] == jobs[0]


@pytest.mark.parametrize("wrong", [2**62, -(2**62)])
def test_an_instant_beyond_all_dates_costs_no_list(engine: Engine, wrong: int) -> None:
    store, jobs = SqlJobStore(engine), [make_job(created=START, last_updated=START) for _ in range(2)]
    for job in jobs:
        store.add(job)
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE jobs SET last_updated = {wrong} WHERE id = '{jobs[0].id}'"))
    found = {job.id: job.last_updated for job in store.list("anna", SortKey.CREATED, 0, 9)}
    assert found == {jobs[0].id: schema.EPOCH, jobs[1].id: START}


@pytest.mark.parametrize(("column", "unreadable"), [("estimate", True), ("error", False), ("trace", False)])
def test_text_that_is_no_text_costs_no_list(engine: Engine, column: str, unreadable: bool) -> None:
    store, jobs = SqlJobStore(engine), [make_job() for _ in range(2)]
    for job in jobs:
        store.add(job)
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE jobs SET {column} = CAST(x'fffe' AS TEXT) WHERE id = '{jobs[0].id}'"))
    found = {job.id: job for job in store.list("anna", SortKey.CREATED, 0, 9)}
    assert [found[job.id].unreadable for job in jobs] == [unreadable, False]


def test_a_broken_finding_costs_itself(engine: Engine) -> None:
    store, job = SqlJobStore(engine), make_job()
    store.add(job)
    rows = [
        {"job_id": job.id, "feature": feature, "kind": "k", "verdict": verdict, "message": "m"}
        for feature, verdict in ((1, "FAILED"), (2, "PERHAPS"), (3, "WARNING"))
    ]
    with writing(engine) as connection:
        connection.execute(schema.findings.insert(), rows)
    assert [each.kind for each in store.findings(job.id, 0, 9)] == ["k", "unreadable", "k"]


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


def test_the_reasons_of_a_page_are_one_query(engine: Engine) -> None:
    jobs, work, clock = SqlJobStore(engine), SqlWorkStore(engine), Clock(START)
    for _ in range(3):
        processing_job(jobs, work, clock, cut(2, 2))
        lease = work.claim(clock(), 60)
        assert lease is not None
        work.finish(lease, replace(all_done(lease), settled=RowCounts(failed=2, reasons=(("it threw", 2),))))
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    page = jobs.list("anna", SortKey.CREATED, 0, 9)
    assert [job.progress.rows for job in page] == [RowCounts(failed=2, reasons=(("it threw", 2),))] * 3
    assert sum("FROM reasons" in statement for statement in statements) == 1


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
    with pytest.raises(InvalidSetting, match=r"ARPENT_DATABASE_URL .*missing: create it"):
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


def test_rows_of_a_partition_that_an_older_version_finished_are_unknown(engine: Engine) -> None:
    """It knows nothing of the columns, and leaves them as they are."""
    jobs, work, clock = SqlJobStore(engine), SqlWorkStore(engine), Clock()
    job = processing_job(jobs, work, clock, cut(4, 2))
    for _ in range(2):
        lease = work.claim(clock(), 60)
        assert lease is not None
        work.finish(lease, replace(all_done(lease), settled=RowCounts(numbers=2)))
    assert jobs.get(job.id).progress.rows == RowCounts(numbers=4)
    with writing(engine) as connection:
        columns = schema.partitions.c
        theirs = [one.name for one in columns if one.name.startswith(("settled_", "unsettled_"))]
        connection.execute(update(schema.partitions).where(columns.number == 1).values(dict.fromkeys(theirs)))
    assert jobs.get(job.id).progress.rows is None
