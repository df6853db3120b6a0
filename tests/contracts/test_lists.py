"""Lists of jobs read an index from its start to the end of the page, however many jobs there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event, func, literal, select, text, true

from arpent.adapters.database.connection import reading, writing
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.schema import EPOCH, MICROSECOND, jobs, partitions
from arpent.domain.job import Status
from arpent.domain.ports.jobs import SortKey
from tests.support.databases import KINDS, database
from tests.support.jobs import START

COUNT = 200_000
OWNERS = 4
LISTS = [
    *(("0", sort) for sort in SortKey),
    (None, SortKey.CREATED),
    (None, SortKey.CREATED_DESCENDING),
]
"""Owner and order of every list that the API and the commands show."""


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Many jobs of few clients, each with a partition."""
    with database(request.param, tmp_path_factory.mktemp("jobs")) as engine:
        _fill(engine)
        yield engine


def _fill(engine: Engine) -> None:
    cases = " ".join(f"WHEN {number} THEN '{status.value}'" for number, status in enumerate(Status))
    counting = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT - 1})"
    identity = f"CAST(i * 7919 % {COUNT} AS VARCHAR(36))"
    with writing(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO jobs (id, owner, status, created, user_action, retry, scrubbed, version, failures, served,"
                f" estimate, body) {counting} SELECT {identity}, CAST(i % {OWNERS} AS VARCHAR(64)),"
                f" CASE i / {OWNERS} % {len(Status)} {cases} END,"
                " CAST(:start AS BIGINT) + CAST(i AS BIGINT) / 3 * 1000000, 'NONE', false, false, 0, 0, 0, '{}', :body"
                " FROM n"
            ),
            {"start": (START - EPOCH) // MICROSECOND, "body": b"{}"},
        )
        connection.execute(
            partitions.insert().from_select(
                ["job_id", "number", "features", "done", "failed", "processing_units", "finished", "failures"],
                select(jobs.c.id, literal(0), literal(1), literal(1), literal(0), literal(0.0), true(), literal(0)),
            )
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE"))


def _statements(engine: Engine, owner: str | None, sort: SortKey, offset: int) -> list[tuple[str, object]]:
    """What a page makes the database do."""
    seen: list[tuple[str, object]] = []

    def note(*call: object) -> None:
        seen.append((str(call[2]), call[3]))

    event.listen(engine, "before_cursor_execute", note)
    try:
        assert len(SqlJobStore(engine).list(owner, sort, offset, 100)) == 100
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return [each for each in seen if each[0].startswith("SELECT")]


def _plan(engine: Engine, statement: tuple[str, object]) -> str:
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{explain} {statement[0]}", statement[1])  # type: ignore[arg-type]
        return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize(("owner", "sort"), LISTS)
def test_a_page_comes_out_of_an_index(engine: Engine, owner: str | None, sort: SortKey) -> None:
    page, *rest = _statements(engine, owner, sort, 0)
    plan = _plan(engine, page)
    assert "USING COVERING INDEX jobs_by_" in plan or "Index Only Scan" in plan, plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
    assert rest, "the rows of the page are read by their ids"
    for statement in rest:
        plan = _plan(engine, statement)
        assert "SCAN " not in plan, plan
        assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize(("owner", "sort"), LISTS)
def test_the_last_page_is_whole(engine: Engine, owner: str | None, sort: SortKey) -> None:
    """An offset walks over index entries, not over rows, as the plan above shows."""
    with reading(engine) as connection:
        wanted = select(func.count()).select_from(jobs)
        count = connection.scalar(wanted if owner is None else wanted.where(jobs.c.owner == owner)) or 0
    assert len(SqlJobStore(engine).list(owner, sort, count - 100, 101)) == 100
