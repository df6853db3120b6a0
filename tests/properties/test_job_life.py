"""A job's life in any order of clients' wishes, runners' turns, faults and deaths, beside a tiny model of it."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arpent.adapters.database.connection import make_engine
from arpent.adapters.database.schema import metadata
from arpent.domain.errors import ActionNotAllowed, LeaseLost
from arpent.domain.job import Status, UserAction
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.jobs import Lease
from arpent.jobs.analysis_task import AnalysisTask
from arpent.jobs.policy import Policy
from arpent.jobs.service import JobService
from arpent.jobs.state_machine import advance, completion, due
from arpent.jobs.work_functions import WorkFunctions
from tests.support.jobs import Clock, cut, failure, make_job, make_request
from tests.support.stores import Stores, in_database, in_memory

FEATURES, SIZE = 7, 3
POLICY = Policy(unhealthy_least=10**6)


class JobLife(RuleBasedStateMachine):
    """The model: `status` and `action` as sentinelhub.md 1.4 has them, and the set of features that have numbers."""

    def stores(self) -> Stores:
        return in_memory(self.clock)

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        self.clock = Clock()
        stores = self.stores()
        self.jobs, self.work = stores.jobs, stores.work
        self.service = JobService(self.jobs, POLICY, lambda owner, request: None, self.clock)
        duties = WorkFunctions(
            analyse=lambda job, wanted: Analysis(partitions=cut(FEATURES, SIZE)),
            process=lambda lease: Outcome(done=0, failed=0),
            parse=lambda job: make_request(),
            give_up=lambda lease, error: Outcome(done=0, failed=0),
        )
        self.analyst = AnalysisTask(self.jobs, self.work, functions=duties, policy=POLICY, now=self.clock)
        self.leases: list[Lease] = []
        self.status, self.action = "CREATED", "NONE"
        self.good: set[int] = set()
        self.bad: set[int] = set()
        self.percentage = 0.0

    @initialize()
    def create(self) -> None:
        job = make_job()
        self.jobs.add(job)
        self.job_id = job.id

    def teardown(self) -> None:
        self.resources.close()

    # ---- what the user asks for ----------------------------------------------------------------------------------

    @rule(action=st.sampled_from(["ANALYSE", "START", "STOP"]))
    def ask(self, action: str) -> None:
        if action == "ANALYSE":
            follows = {"CREATED": "ANALYSING"}.get(self.status)
        elif action == "START":
            follows = {"CREATED": "ANALYSING", "ANALYSING": "ANALYSING", "ANALYSIS_DONE": "ANALYSIS_DONE"}.get(
                self.status
            )
            if self.status == "STOPPED" or (self.status == "DONE" and self.bad):
                follows = "ANALYSIS_DONE"
        else:
            follows = {"ANALYSING": "ANALYSING", "ANALYSIS_DONE": "STOPPED", "PROCESSING": "STOPPED"}.get(self.status)
        try:
            self.service.act("anna", self.job_id, UserAction(action))
        except ActionNotAllowed:
            assert follows is None
            return
        assert follows is not None
        if self.status == "DONE":  # the one place where what has been reached is taken back
            self.percentage = 0.0
        self.status, self.action = follows, action

    # ---- what runners do -----------------------------------------------------------------------------------------

    @rule()
    def claim(self) -> None:
        lease = self.work.claim(self.clock(), 60)
        if lease is None:
            return
        assert self.status == ("ANALYSING" if lease.partition is None else "PROCESSING")
        if lease.partition is not None:
            assert not self.good & set(lease.partition.features.ids.tolist()), "nothing good is done again"
        self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 99), broken=st.integers(0, SIZE))
    def finish(self, pick: int, broken: int) -> None:
        lease = self.leases.pop(pick % len(self.leases))
        if lease.partition is None:
            was = self.jobs.get(self.job_id).status
            self.analyst.perform(lease)
            if was is Status.ANALYSING and self.jobs.get(self.job_id).status is not Status.ANALYSING:
                self.status = "STOPPED" if self.action == "STOP" else "ANALYSIS_DONE"
            return
        ids = lease.partition.features.ids.tolist()
        bad = ids[:broken]
        outcome = Outcome(done=len(ids) - len(bad), failed=len(bad), findings=tuple(map(failure, bad)))
        try:
            self.work.finish(lease, outcome)
        except LeaseLost:
            return
        self.bad = (self.bad - set(ids)) | set(bad)
        self.good |= set(ids) - set(bad)

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 99), counted=st.booleans())
    def release(self, pick: int, counted: bool) -> None:
        self.work.release(self.leases.pop(pick % len(self.leases)), self.clock() if counted else None)

    @rule(seconds=st.sampled_from([1, 61]))
    def time_passes(self, seconds: int) -> None:
        """After a minute every lease is lost, but its holder does not know."""
        self.clock.tick(seconds)

    @precondition(lambda self: self.leases)
    @rule()
    def all_runners_die(self) -> None:
        self.leases.clear()

    @rule()
    def settle(self) -> None:
        for job_id in self.jobs.unsettled():
            job = self.jobs.get(job_id)
            event = due(job, POLICY)
            assert event is not None, "unsettled and due agree"
            if job.retry:
                self.work.reopen(job_id)
                self.bad.clear()
            self.jobs.save(advance(job, event, self.clock(), POLICY))
            self.status = {"ANALYSIS_DONE": "PROCESSING", "PROCESSING": "DONE"}[self.status]

    # ---- what always holds ---------------------------------------------------------------------------------------

    @invariant()
    def agrees(self) -> None:
        job = self.jobs.get(self.job_id)
        assert (job.status, job.user_action) == (self.status, self.action)
        assert (job.progress.done, job.progress.failed) == (len(self.good), len(self.bad))
        assert sorted(each.feature for each in self.jobs.findings(job.id, 0, 99)) == sorted(self.bad)

    @invariant()
    def never_runs_backwards(self) -> None:
        job = self.jobs.get(self.job_id)
        percentage = completion(job, POLICY)
        if not job.retry and self.percentage:
            assert percentage >= self.percentage
        assert (percentage == 100) == (job.status is Status.DONE)
        if job.status is Status.DONE:
            assert self.good | self.bad == set(range(1, FEATURES + 1))
        self.percentage = percentage if not job.retry else 0.0


class JobLifeInSqlite(JobLife):
    def stores(self) -> Stores:
        folder = self.resources.enter_context(tempfile.TemporaryDirectory())
        engine = make_engine(f"sqlite:///{folder}/jobs.db")
        self.resources.callback(engine.dispose)
        metadata.create_all(engine)
        return in_database(engine, self.clock)


class JobLifeInSqliteForLong(JobLifeInSqlite):
    """The same in more lives."""


EVERYTHING = settings(max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
JobLife.TestCase.settings = EVERYTHING
JobLifeInSqlite.TestCase.settings = settings(EVERYTHING, max_examples=10)
JobLifeInSqliteForLong.TestCase.settings = settings(EVERYTHING, max_examples=50)
TestJobLife = JobLife.TestCase
TestJobLifeInSqlite = JobLifeInSqlite.TestCase
TestJobLifeInSqliteForLong = pytest.mark.slow(JobLifeInSqliteForLong.TestCase)
