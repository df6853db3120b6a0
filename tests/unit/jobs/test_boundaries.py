"""An unforeseen error ends its own unit: an analysis, a partition, a row, a periodic task; other jobs go on."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from arpent.adapters.database import schema
from arpent.adapters.database.connection import writing
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.keys import body_cipher
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.adapters.executors.inline import InlineExecutor
from arpent.domain.errors import DatabaseRefused, EnvironmentFault, WorldError
from arpent.domain.finding import Finding, Verdict
from arpent.domain.job import Job, Progress, Status
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.jobs import Lease
from arpent.jobs.in_flight import BackgroundCall
from arpent.jobs.periodic import PeriodicTask, PeriodicTasks
from arpent.jobs.policy import Policy
from arpent.jobs.runner import Runner
from arpent.jobs.state_machine import Event, advance
from arpent.jobs.work_functions import WorkFunctions
from tests.support.databases import KINDS, database
from tests.support.jobs import Clock, all_done, cut, make_job, make_request

POLICY = Policy(retry_seconds=0.0, attempts=3)
ENDS = (Status.DONE, Status.FAILED)
NUL = "nul \0 and half \ud800"


class PanicException(BaseException):
    """As pyo3's: no Exception."""


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with database(request.param, tmp_path) as engine:
        yield engine


@dataclass
class Site:
    """A runner, an engine that raises what it is told to, and any number of jobs."""

    engine: Engine
    clock: Clock = field(default_factory=Clock)
    analysis_faults: dict[str, list[BaseException]] = field(default_factory=dict)
    faults: dict[tuple[str, int], list[BaseException]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    given_up: list[str] = field(default_factory=list)
    key: bytes = b"key"

    def __post_init__(self) -> None:
        self.work: SqlWorkStore = SqlWorkStore(self.engine, now=self.clock)

    @property
    def jobs(self) -> SqlJobStore:
        return SqlJobStore(self.engine, body_cipher(self.key), now=self.clock)

    def begin(self) -> str:
        job = make_job(created=self.clock())
        self.clock.tick(1)
        self.jobs.add(job)
        self.act(job.id, Event.START)
        return job.id

    def act(self, job_id: str, event: Event) -> None:
        self.jobs.save(advance(self.jobs.get(job_id), event, self.clock(), POLICY))

    def run(self, turns: int = 60) -> None:
        """Some turns of a fresh runner: it must not need more, but for those that wait for a thread, and none may
        raise."""
        functions = WorkFunctions(
            analyse=self.analyse, process=self.process, parse=lambda _: make_request(), give_up=self.give_up
        )
        runner = Runner(self.jobs, self.work, InlineExecutor(), functions, POLICY, now=self.clock, pause=0.0)
        end = time.monotonic() + 30
        while turns:
            turned = runner.turn()
            turns -= turned or not runner._in_flight or time.monotonic() > end
            if not turned:
                time.sleep(0.005)

    def analyse(self, job: Job, wanted: Callable[[], bool]) -> Analysis:
        if faults := self.analysis_faults.get(job.id):
            raise faults.pop(0)
        return Analysis(partitions=cut(4, 2), findings=self.findings)

    def process(self, lease: Lease) -> Outcome:
        assert lease.partition is not None
        if faults := self.faults.get((lease.job_id, lease.partition.number)):
            raise faults.pop(0)
        return replace(all_done(lease), findings=self.findings)

    def give_up(self, lease: Lease, error: Exception) -> Outcome:
        assert lease.partition is not None
        self.given_up.append(str(error))
        return Outcome(done=0, failed=len(lease.partition.features))


@pytest.fixture
def site(engine: Engine) -> Site:
    return Site(engine)


def statuses(site: Site, *jobs: str) -> list[Status]:
    return [site.jobs.get(job).status for job in jobs]


@pytest.mark.parametrize(
    "error", [PanicException("InvalidHeaderValue"), KeyError("hunter2"), RecursionError(), MemoryError()]
)
def test_an_analysis_that_breaks_fails_its_job_at_once(site: Site, error: BaseException) -> None:
    bad, good = site.begin(), site.begin()
    site.analysis_faults[bad] = [error]
    site.run()
    assert statuses(site, bad, good) == [Status.FAILED, Status.DONE]
    text = site.jobs.get(bad).error or ""
    assert text == f"The analysis failed unexpectedly ({type(error).__name__}); the server's log has the details"
    site.act(bad, Event.START)
    site.run()
    assert statuses(site, bad) == [Status.DONE]


@pytest.mark.parametrize("error", [PanicException("InvalidHeaderValue"), KeyError("hunter2"), MemoryError()])
def test_a_partition_that_breaks_costs_itself(site: Site, error: BaseException) -> None:
    bad, good = site.begin(), site.begin()
    site.faults[bad, 1] = [error]
    site.run()
    assert statuses(site, bad, good) == [Status.DONE, Status.DONE]
    assert (site.jobs.get(bad).progress.done, site.jobs.get(bad).progress.failed) == (2, 2)
    assert len(site.given_up) == 1


class TestEnvironment:
    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (EnvironmentFault("No worker process can be started"), "No worker process can be started"),
            (OSError(errno.ENOSPC, "x"), "No space left on device"),
            (ModuleNotFoundError("x", name="numba"), "installation lacks numba"),
        ],
        ids=["no workers", "no room", "no module"],
    )
    def test_its_faults_fail_the_job_and_no_feature(self, site: Site, error: Exception, text: str) -> None:
        bad = site.begin()
        site.faults[bad, 1] = [error] * 3
        site.run()
        job = site.jobs.get(bad)
        assert (job.status, job.progress.done, job.progress.failed, site.given_up) == (Status.FAILED, 2, 0, [])
        assert text in (job.error or "")
        site.faults.clear()
        site.act(bad, Event.START)
        good = site.begin()
        site.run()
        assert statuses(site, bad, good) == [Status.DONE, Status.DONE]
        assert site.jobs.get(bad).progress.done == 4

    def test_its_faults_pass(self, site: Site) -> None:
        job = site.begin()
        site.faults[job, 1] = [EnvironmentFault("the disk is full")] * 2
        site.run()
        assert (statuses(site, job), site.jobs.get(job).progress.done) == ([Status.DONE], 4)


class TestText:
    def test_what_no_database_takes_is_cleaned_in_findings(self, site: Site) -> None:
        finding = Finding(feature=1, identifier=NUL, verdict=Verdict.WARNING, kind="k", message=NUL)
        site.findings = (finding,)
        job, other = site.begin(), site.begin()
        site.run()
        assert statuses(site, job, other) == [Status.DONE, Status.DONE]
        (found,) = site.jobs.findings(job, 0, 9)
        assert (found.message, found.identifier) == ("nul \ufffd and half \ufffd",) * 2

    def test_and_in_reasons(self, site: Site) -> None:
        job = site.begin()
        site.analysis_faults[job] = [ValueError(NUL), DatabaseRefused(NUL)]
        site.run()
        site.act(job, Event.START)
        site.run()
        assert (statuses(site, job), site.jobs.get(job).error) == ([Status.FAILED], "nul \ufffd and half \ufffd")


class Refusing(SqlWorkStore):
    """A database that takes no findings of some job, or nothing of it at all."""

    job = ""
    all_of_it = False
    refusals = 0

    def finish(self, lease: Lease, outcome: Outcome | None) -> Progress:
        told = outcome is not None and any("nul" in each.message for each in outcome.findings)
        if lease.job_id == self.job and lease.partition is not None and (self.all_of_it or told):
            self.refusals += 1
            raise DatabaseRefused("The database does not accept this value (DataError)")
        return super().finish(lease, outcome)


@pytest.mark.parametrize("all_of_it", [False, True])
def test_an_outcome_that_is_refused_keeps_no_slot(site: Site, all_of_it: bool) -> None:
    site.work = refusing = Refusing(site.engine, now=site.clock)
    site.findings = (Finding(feature=1, identifier=None, verdict=Verdict.WARNING, kind="k", message="nul"),)
    bad = site.begin()
    refusing.job, refusing.all_of_it = bad, all_of_it
    good = site.begin()
    site.run()
    assert statuses(site, bad, good) == [Status.FAILED if all_of_it else Status.DONE, Status.DONE]
    assert refusing.refusals <= 4
    if not all_of_it:
        assert "cannot be stored" in site.jobs.findings(bad, 0, 9)[0].message


def test_what_the_database_refuses_is_no_absence(site: Site) -> None:
    """A row that is there already, a statement about no table, a number that is too large: never tried again."""
    job = make_job()
    site.jobs.add(job)
    with pytest.raises(DatabaseRefused) as twice:
        site.jobs.add(job)
    with pytest.raises(DatabaseRefused) as large, writing(site.engine) as connection:
        connection.execute(update(schema.jobs).values(version=2**70))
    with pytest.raises(WorldError), writing(site.engine) as connection:
        connection.exec_driver_sql("SELECT * FROM nothing")
    for caught in (twice, large):
        assert not caught.value.transient
        assert job.id not in str(caught.value)


class TestRows:
    def test_a_payload_that_cannot_be_read_fails_its_job(self, site: Site) -> None:
        bad, good = site.begin(), site.begin()
        self.analysed(site, bad, good)
        with writing(site.engine) as connection:
            connection.execute(update(schema.payloads).where(schema.payloads.c.job_id == bad).values(features=b"rot"))
        site.run()
        assert statuses(site, bad, good) == [Status.FAILED, Status.DONE]
        assert "A partition cannot be read from the server's database" in (site.jobs.get(bad).error or "")

    @pytest.mark.parametrize("analysed", [False, True])
    def test_a_request_sealed_with_another_key_fails(self, site: Site, analysed: bool) -> None:
        """It fails with a reason in every state, and continues with the right key."""
        bad = site.begin()
        if analysed:
            self.analysed(site, bad)
        site.key = b"another"
        good = site.begin()
        site.run()
        assert statuses(site, bad, good) == [Status.FAILED, Status.DONE]
        assert "ARPENT_SECRET_KEY" in (site.jobs.get(bad).error or "")
        site.key = b"key"
        assert "ARPENT_SECRET_KEY" in (site.jobs.get(bad).error or "")
        site.act(bad, Event.START)
        site.run()
        assert statuses(site, bad) == [Status.DONE]

    def analysed(self, site: Site, *jobs: str) -> None:
        """Both are PROCESSING, with nothing done yet."""
        for job in jobs:
            lease = None
            while lease is None or lease.job_id != job:
                lease = site.work.claim(site.clock(), 60, partitions=False)
                assert lease is not None
            site.work.add(lease, cut(4, 2), ())
            site.jobs.save(replace(site.jobs.get(job), status=Status.PROCESSING, begun=site.clock()))
            site.work.finish(lease, None)


class TestThreads:
    @pytest.mark.parametrize("error", [PanicException("x"), SystemExit(), KeyError("x")])
    def test_a_background_call_always_answers(self, error: BaseException) -> None:
        def call() -> None:
            raise error

        running = BackgroundCall(call)
        with pytest.raises(Exception, match=r"x|SystemExit"):
            running.result()

    def test_a_niceness_is_of_the_call_alone(self) -> None:
        own = os.nice(0)
        assert BackgroundCall(lambda: os.nice(0), niceness=5).result() == min(19, own + 5)
        assert os.nice(0) == own

    def test_a_chore_that_panics_is_done_again_and_stops_no_other(self) -> None:
        done: list[str] = []

        def panic() -> None:
            done.append("bad")
            raise PanicException("x")

        tasks = [
            PeriodicTask(name="bad", seconds=0.01, action=panic),
            PeriodicTask(name="good", seconds=0.01, action=lambda: done.append("good")),
        ]
        running = PeriodicTasks(tasks)
        end = time.monotonic() + 60
        while min(done.count("bad"), done.count("good")) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        running.close()
        assert min(done.count("bad"), done.count("good")) >= 3
