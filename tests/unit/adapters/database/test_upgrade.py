"""A database of every revision upgrades with what is in it, an older server may go on, and a newer one is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import scrypt
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, Table, func, select, text

from arpent.adapters.database.clients import SqlClientStore
from arpent.adapters.database.connection import make_engine, reading, writing
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.keys import body_cipher, seal, stored_key
from arpent.adapters.database.migrate import _config, check_schema, migrate
from arpent.adapters.database.schema import EPOCH, MICROSECOND
from arpent.adapters.database.work.payload import pack
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.domain.errors import InvalidSetting
from arpent.domain.job import Status
from arpent.domain.ports.jobs import SortKey
from tests.support.databases import KINDS, empty_database
from tests.support.jobs import all_done, cut

REVISIONS = sorted(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())
BODY = '{"output": {"s3": {"secretAccessKey": "hunter2"}}}'
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
MOMENT = (NOW - EPOCH) // MICROSECOND
SECRET, SALT = "the secret of a client", b"\1" * 16


@contextmanager
def made_at(kind: str, revision: str, folder: Path) -> Iterator[tuple[Engine, MetaData]]:
    """A database of this revision with a job in every status, and its tables as a server of that time knew them."""
    with empty_database(kind, folder) as url:
        engine = make_engine(url)
        migrate(engine, revision)
        tables = MetaData()
        with engine.connect() as connection:
            tables.reflect(connection)
        for status in Status:
            insert(engine, tables.tables["jobs"], job_row(engine, status))
        fill(engine, tables)
        yield engine, tables
        engine.dispose()


def job_row(engine: Engine, status: Status) -> dict[str, Any]:
    action = "START" if status in (Status.PROCESSING, Status.DONE, Status.STOPPED) else "NONE"
    body = seal(body_cipher(stored_key(engine)), BODY)
    row = {"id": str(uuid4()), "owner": "anna", "status": status.value, "user_action": action, "created": MOMENT,
           "last_updated": MOMENT, "begun": MOMENT, "retry": False, "scrubbed": False, "version": 1, "failures": 0,
           "served": 0, "estimate": "{}", "body": body}  # fmt: skip
    return row | ({"error": "No."} if status is Status.FAILED else {})


def fill(engine: Engine, tables: MetaData) -> None:
    """Two partitions of each job that has been analysed, one of them finished; a finding, and a client."""
    jobs, partitions = tables.tables["jobs"], tables.tables["partitions"]
    with reading(engine) as connection:
        analysed = connection.scalars(
            select(jobs.c.id).where(jobs.c.status.in_([Status.PROCESSING, Status.STOPPED]))
        ).all()
    for job_id in analysed:
        for partition in cut(4, 2):
            done = partition.number == 0
            row = {"job_id": job_id, "number": partition.number, "features": 2, "done": 2 * done, "failed": 0,
                   "processing_units": 0.5 * done, "finished": done, "failures": 0}  # fmt: skip
            insert(engine, partitions, row)
            insert(engine, tables.tables["payloads"],
                   {"job_id": job_id, "number": partition.number, "features": pack(partition.features)})  # fmt: skip
        finding = {"job_id": job_id, "feature": 1, "kind": "k", "verdict": "WARNING", "message": "m", "partition": 0}
        insert(engine, tables.tables["findings"], finding)
    insert(engine, tables.tables["clients"], client_row("known"))


def client_row(client_id: str) -> dict[str, Any]:
    hashed = scrypt(SECRET.encode(), salt=SALT, n=2**13, r=8, p=1, dklen=32)
    return {"id": client_id, "name": client_id, "salt": SALT, "hash": hashed, "created": MOMENT}


def insert(engine: Engine, table: Table, row: dict[str, Any]) -> None:
    """As a server of the time of the table: with its columns, and no others."""
    with writing(engine) as connection:
        connection.execute(table.insert(), {name: value for name, value in row.items() if name in table.c})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("revision", REVISIONS)
def test_an_upgrade_keeps_all_and_work_goes_on(kind: str, revision: str, tmp_path: Path) -> None:
    with made_at(kind, revision, tmp_path) as (engine, tables):
        if revision != REVISIONS[-1]:
            with pytest.raises(InvalidSetting, match=f"older version.*{revision}.*{REVISIONS[-1]}.*arpent migrate"):
                check_schema(engine)
        migrate(engine)
        assert check_schema(engine) == REVISIONS[-1]
        jobs = SqlJobStore(engine, body_cipher(stored_key(engine)))
        found = {job.status: job for job in jobs.list("anna", SortKey.CREATED, 0, 99)}
        assert found.keys() == set(Status)
        assert [(job.unreadable, job.body) for job in found.values()] == [(False, BODY)] * len(found)
        assert found[Status.FAILED].error == "No."
        for status in (Status.PROCESSING, Status.STOPPED):
            progress = found[status].progress
            assert (progress.features, progress.done, progress.open, progress.processing_units) == (4, 2, 1, 0.5)
            assert len(jobs.findings(found[status].id, 0, 9)) == 1
        assert SqlClientStore(engine).verify("known", SECRET) is not None
        ends(engine, jobs, found[Status.PROCESSING].id)
        older_server_goes_on(engine, tables, jobs)


def ends(engine: Engine, jobs: SqlJobStore, job_id: str) -> None:
    """What was open is claimed with its features, and finished."""
    work = SqlWorkStore(engine)
    lease = work.claim(datetime.now(UTC), 60, analyses=False)
    assert lease is not None
    assert lease.partition is not None
    assert (lease.job_id, lease.partition.number, lease.partition.features.ids.tolist()) == (job_id, 1, [3, 4])
    progress = work.finish(lease, replace(all_done(lease), processing_units=0.5))
    assert (progress.done, progress.open, progress.processing_units) == (4, 0, 1.0)
    assert jobs.save(replace(jobs.get(job_id), status=Status.DONE)).status is Status.DONE


def older_server_goes_on(engine: Engine, tables: MetaData, jobs: SqlJobStore) -> None:
    """A server of the time before writes and reads with the columns that it knows, and new ones understand it."""
    row = job_row(engine, Status.CREATED)
    insert(engine, tables.tables["jobs"], row)
    assert jobs.get(row["id"]).status is Status.CREATED
    insert(engine, tables.tables["clients"], client_row("later"))
    later = SqlClientStore(engine).verify("later", SECRET)
    assert later is not None
    assert (later.role, later.disabled, later.generation) == ("user", False, 0)
    jobs.add(replace(jobs.get(row["id"]), id=str(uuid4())))
    old = tables.tables["jobs"]
    with reading(engine) as connection:
        assert len(connection.execute(select(old)).all()) == len(Status) + 2
        assert connection.execute(select(func.count()).select_from(tables.tables["clients"])).scalar() == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_newer_database_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as url:
        engine = make_engine(url)
        migrate(engine)
        with writing(engine) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        for act in (migrate, check_schema):
            with pytest.raises(InvalidSetting) as refused:
                act(engine)
            for words in ("a newer version of arpent", "9999", REVISIONS[-1], "install that version"):
                assert words in str(refused.value)
        with reading(engine) as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
        engine.dispose()


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'jobs.db'}")
    migrate(engine, REVISIONS[0])
    engine.dispose()
    before = (tmp_path / "jobs.db").read_bytes()
    reader = make_engine(f"sqlite:///{tmp_path / 'jobs.db'}", reader=True)
    with pytest.raises(InvalidSetting, match="arpent migrate"):
        check_schema(reader)
    reader.dispose()
    assert (tmp_path / "jobs.db").read_bytes() == before
