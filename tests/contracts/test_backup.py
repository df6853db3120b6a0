"""A backup that is taken while a job runs, restored: the job ends with the same files, and nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from arpent.adapters.database.clients import SqlClientStore
from arpent.adapters.database.connection import make_engine
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.keys import body_cipher, stored_key
from arpent.adapters.database.migrate import check_schema, migrate
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.adapters.executors.inline import InlineExecutor
from arpent.domain.errors import InvalidSetting
from arpent.domain.job import Job, Status, UserAction
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.jobs import Lease
from arpent.jobs.policy import Policy
from arpent.jobs.runner import Runner
from arpent.jobs.work_functions import WorkFunctions
from tests.support.databases import KINDS, database
from tests.support.jobs import Clock, all_done, cut, make_job, make_request

POLICY = Policy(lease_seconds=60)


class Site:
    """A job of six partitions over a database, whose results are files of a folder."""

    def __init__(self, engine: Engine, clock: Clock, results: Path) -> None:
        self.jobs = SqlJobStore(engine, body_cipher(stored_key(engine)), now=clock)
        self.work = SqlWorkStore(engine, now=clock)
        self.clock = clock
        self.results = results
        self.after: Callable[[int], None] = lambda written: None
        self.written = 0

    def process(self, lease: Lease) -> Outcome:
        assert lease.partition is not None
        for feature in lease.partition.features.ids.tolist():
            (self.results / f"{feature}.json").write_text(f"{lease.job_id} {feature}")
        self.written += 1
        self.after(self.written)
        return all_done(lease)

    def runner(self) -> Runner:
        functions = WorkFunctions(
            analyse=lambda job, wanted: Analysis(partitions=iter(cut(12, 2)), estimate={}),
            process=self.process,
            parse=lambda job: make_request(),
            give_up=lambda lease, error: all_done(lease),
        )
        return Runner(self.jobs, self.work, InlineExecutor(), functions, POLICY, now=self.clock, pause=0.01)

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted(self.results.iterdir())}


def back_up(engine: Engine, kind: str, target: Path) -> None:
    """As docs/operation.md says."""
    if kind == "sqlite":
        with (
            closing(sqlite3.connect(str(engine.url.database))) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
        return
    postgres("pg_dump", engine, "--file", str(target), f"--schema={schema_of(engine)}")


def restore(engine: Engine, kind: str, source: Path) -> None:
    engine.dispose()
    if kind == "sqlite":
        path = Path(str(engine.url.database))
        for file in path.parent.glob(f"{path.name}-*"):
            file.unlink()
        shutil.copy(source, path)
        return
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema_of(engine)} CASCADE"))
    engine.dispose()
    postgres("psql", engine, "--quiet", "--set=ON_ERROR_STOP=1", "--file", str(source))


def schema_of(engine: Engine) -> str:
    return str(engine.url.query["options"]).partition("search_path=")[2]


def postgres(program: str, engine: Engine, *arguments: str) -> None:
    found = shutil.which(program) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{program}")), None)
    assert found is not None, f"{program} comes with PostgreSQL"
    url = make_url(os.environ["ARPENT_TEST_POSTGRES"]).set(drivername="postgresql")
    subprocess.run(
        [found, "--dbname", url.render_as_string(hide_password=False), *arguments], check=True, capture_output=True
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", [1, 3, 6])
def test_after_a_restore_a_job_ends_with_the_same_files(kind: str, when: int, tmp_path: Path, clock: Clock) -> None:
    results, backup = tmp_path / "results", tmp_path / "backup"
    results.mkdir()
    with database(kind, tmp_path) as engine:
        client_id, secret = SqlClientStore(engine).add("anna")
        site = Site(engine, clock, results)
        job = make_job(body='{"secretAccessKey": "hunter2"}', status=Status.ANALYSING, user_action=UserAction.START)
        site.jobs.add(job)
        site.after = lambda written: back_up(engine, kind, backup) if written == when else None
        site.runner().run_until_idle()
        assert finished(site.jobs.get(job.id))
        expected = site.files()
        assert len(expected) == 12

        restore(engine, kind, backup)
        again = Site(engine, clock, results)
        found = again.jobs.get(job.id)
        assert (found.status, found.body, found.unreadable) == (Status.PROCESSING, job.body, False)
        assert 0 < found.progress.open <= 7 - when
        clock.time += timedelta(seconds=POLICY.lease_seconds + 1)  # whoever held work at the time of the backup is gone
        again.runner().run_until_idle()
        assert finished(again.jobs.get(job.id))
        assert again.files() == expected
        assert again.written >= 7 - when, "what was open at the time of the backup is computed again"
        assert SqlClientStore(engine).verify(client_id, secret) is not None


def finished(job: Job) -> bool:
    return (job.status, job.progress.done, job.progress.failed) == (Status.DONE, 12, 0)


def test_the_copied_file_alone_lacks_what_is_in_the_journal(tmp_path: Path, clock: Clock) -> None:
    """Why the page says not to copy the file of a running server."""
    with database("sqlite", tmp_path) as engine, engine.connect():
        jobs = SqlJobStore(engine, now=clock)
        job = make_job()
        jobs.add(job)
        shutil.copy(tmp_path / "jobs.db", tmp_path / "copied.db")
        back_up(engine, "sqlite", tmp_path / "backup.db")
        for name, there in (("copied.db", False), ("backup.db", True)):
            with closing(sqlite3.connect(tmp_path / name)) as connection:
                tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'jobs'").fetchone()[0]
                rows = connection.execute("SELECT count(*) FROM jobs").fetchone()[0] if tables else 0
            assert bool(rows) is there


@pytest.mark.services
@pytest.mark.parametrize("revision", ["0001", "0010"])
def test_an_upgrade_is_undone_by_the_documented_commands(revision: str, repository: Path, tmp_path: Path) -> None:
    """Word for word, on a database that a newer version has migrated meanwhile; then it is upgraded again."""
    given = os.environ.get("ARPENT_TEST_POSTGRES")
    if not given:
        pytest.skip("needs PostgreSQL: run `make test-services`, or set ARPENT_TEST_POSTGRES to its URL")
    page = (repository / "docs" / "operation.md").read_text()
    back_up_line, restore_line = re.findall(r"`(pg_dump [^`]*|dropdb [^`]*)`", page)
    url, name = make_url(given), f"going_back_{revision}"
    programs = next(map(str, Path("/usr/lib/postgresql").glob("*/bin")), "")
    variables = {"PATH": f"{os.environ['PATH']}:{programs}", "PGHOST": str(url.host), "PGPORT": str(url.port),
                 "PGUSER": str(url.username), "PGPASSWORD": str(url.password)}  # fmt: skip

    def run(line: str) -> None:
        words = line.replace("NAME", name).replace("USER", str(url.username))
        subprocess.run(words, shell=True, check=True, env=variables, cwd=tmp_path)

    run("createdb NAME")
    try:
        engine = make_engine(url.set(database=name).render_as_string(hide_password=False))
        migrate(engine, revision)
        key = stored_key(engine)
        run(back_up_line)
        migrate(engine)
        engine.dispose()
        run(restore_line)
        with pytest.raises(InvalidSetting, match=f"older version.*{revision}"):
            check_schema(engine)
        migrate(engine)
        assert check_schema(engine)
        assert stored_key(engine) == key
        engine.dispose()
    finally:
        run("dropdb NAME")
