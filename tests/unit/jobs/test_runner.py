"""The runner over stores in memory and a scripted engine: retries, giving up, stopping, crashing, carrying on."""

from __future__ import annotations

import contextlib
import logging
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from math import ceil, log2
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest

from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.memory.tables import Tables
from arpent.domain.boundary.trace import current_trace, trace_of
from arpent.domain.errors import (
    AssetUnreadable,
    CatalogUnavailable,
    CatalogUnknown,
    EnvironmentFault,
    FeaturesUnreadable,
    ScriptSyntaxError,
    StorageDenied,
    StorageFault,
    StorageUnavailable,
    WorkerDied,
    WorkLost,
    WorldError,
)
from arpent.domain.job import Job, Progress, Status, StopReason
from arpent.domain.partition import Analysis, Outcome, Partition
from arpent.domain.ports.jobs import JobStore, Lease, WorkStore
from arpent.domain.request import Request
from arpent.jobs import analysis_task, in_flight
from arpent.jobs.policy import DAY, Policy
from arpent.jobs.runner import Runner
from arpent.jobs.state_machine import Event, advance, completion
from arpent.jobs.work_functions import WorkFunctions, pause_before_retry
from tests.support.jobs import Clock, all_done, cut, failure, make_job, make_request
from tests.support.stores import in_memory

POLICY = Policy(retry_seconds=0.0, attempts=3)
AWAY = StorageFault("there is no bucket 'results'", transient=False)
DENIED = StorageDenied("s3://results refuses PutObject")
UNKNOWN = CatalogUnknown("the catalogue cannot be found", transient=True)
BUSY = StorageUnavailable("s3://results answers 503", transient=True)


def of(lease: Lease) -> Partition:
    assert lease.partition is not None
    return lease.partition


@dataclass
class Engineer:
    """A scripted engine: what it is to raise, by partition number, first come first served."""

    partitions: Iterable[Partition]
    faults: dict[int, list[Exception]] = field(default_factory=dict)
    give_up_faults: list[Exception] = field(default_factory=list)
    analysis_faults: list[Exception] = field(default_factory=list)
    processed: list[tuple[int, ...]] = field(default_factory=list)
    parsed: list[str] = field(default_factory=list)
    requests: set[tuple[str, object]] = field(default_factory=set)
    given_up: list[str] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)
    analysed: list[str] = field(default_factory=list)
    script: str | None = None
    killers: set[int] = field(default_factory=set)
    chance: Callable[[], bool] = lambda: False
    death: Exception = field(default_factory=lambda: WorkerDied("A worker process died (SIGKILL)"))
    deaths: int = 0
    during: Callable[[], None] = lambda: None
    analysis: Callable[[Job, Callable[[], bool]], Analysis] | None = None

    def analyse(self, job: Job, wanted: Callable[[], bool]) -> Analysis:
        if self.analysis_faults:
            raise self.analysis_faults.pop(0)
        if self.analysis is not None:
            return self.analysis(job, wanted)
        self.during()
        return Analysis(
            partitions=iter(self.partitions), estimate={"features": 6.0}, hints=("look",), script=self.script
        )

    def process(self, lease: Lease) -> Outcome:
        faults = self.faults.get(of(lease).number)
        if faults:
            raise faults.pop(0)
        self.during()
        if self.killers.intersection(of(lease).features.ids.tolist()) or self.chance():
            self.deaths += 1
            raise self.death
        self.processed.append(tuple(of(lease).features.ids.tolist()))
        self.requests.add((lease.owner, None if lease.request is None else lease.request.script))
        return replace(all_done(lease), processing_units=1.0)

    def give_up(self, lease: Lease, error: Exception) -> Outcome:
        if self.give_up_faults:
            raise self.give_up_faults.pop(0)
        self.given_up.append(str(error))
        ids = of(lease).features.ids.tolist()
        return Outcome(done=0, failed=len(ids), findings=tuple(failure(each) for each in ids))

    def parse(self, job: Job) -> Request:
        self.parsed.append(job.id)
        return make_request(job.body)

    def duties(self) -> WorkFunctions:
        return WorkFunctions(
            analyse=self.analyse,
            analysed=lambda lease, seconds: self.analysed.append(lease.job_id if seconds > 0 else "in no time"),
            process=self.process,
            parse=self.parse,
            give_up=self.give_up,
            retried=lambda lease, error: self.retried.append(str(error)),
        )


@dataclass
class Site:
    """Stores, a clock and one job."""

    jobs: JobStore
    work: WorkStore
    clock: Clock
    policy: Policy = POLICY
    job_id: str = ""

    def begin(self, action: Event = Event.START) -> str:
        job = make_job(body='{"a": 1}')
        self.jobs.add(job)
        self.job_id = job.id
        self.act(action)
        return job.id

    def act(self, action: Event) -> None:
        self.jobs.save(advance(self.job, action, self.clock(), self.policy))

    @property
    def job(self) -> Job:
        return self.jobs.get(self.job_id)

    def runner(self, engineer: Engineer, work: WorkStore | None = None) -> Runner:
        store = work or self.work
        return Runner(self.jobs, store, InlineExecutor(), engineer.duties(), self.policy, now=self.clock, pause=0.001)


@pytest.fixture
def site() -> Site:
    clock = Clock()
    stores = in_memory(clock)
    return Site(stores.jobs, stores.work, clock)


def wall() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def live() -> Site:
    """By the clock on the wall, for what takes real time."""
    stores = in_memory(wall)
    return Site(stores.jobs, stores.work, wall)  # type: ignore[arg-type]


def test_a_job_runs_to_its_end(site: Site) -> None:
    engineer = Engineer(cut(6, 2))
    site.begin()
    site.runner(engineer).run_until_idle()
    assert site.job.status is Status.DONE
    assert site.job.progress == Progress(features=6, done=6, partitions=3, processing_units=3.0)
    assert site.job.estimate == {"features": 6.0}
    assert site.job.hints == ("look",)
    assert sorted(engineer.processed) == [(1, 2), (3, 4), (5, 6)]
    assert engineer.requests == {("anna", '{"a": 1}')}
    assert engineer.parsed == [site.job_id]


def test_partitions_run_the_script_that_was_analysed(site: Site) -> None:
    engineer = Engineer(cut(6, 2), script="its text at that time")
    site.begin()
    site.runner(engineer).run_until_idle()
    assert engineer.requests == {("anna", "its text at that time")}
    assert engineer.analysed == [site.job_id]


def test_a_job_without_features_is_done(site: Site) -> None:
    site.begin()
    site.runner(Engineer([])).run_until_idle()
    assert site.job.status is Status.DONE


def test_analyse_stops_before_processing(site: Site) -> None:
    engineer = Engineer(cut(2, 1))
    site.begin(Event.ANALYSE)
    site.runner(engineer).run_until_idle()
    assert (site.job.status, engineer.processed) == (Status.ANALYSIS_DONE, [])


@pytest.mark.parametrize("action", [Event.START, Event.STOP])
def test_an_action_during_the_analysis_is_remembered(site: Site, action: Event) -> None:
    engineer = Engineer(cut(2, 1))
    site.begin(Event.ANALYSE)
    asked = iter([action])
    engineer.during = lambda: [site.act(each) for each in asked] and None
    site.runner(engineer).run_until_idle()
    assert site.job.status is (Status.DONE if action is Event.START else Status.STOPPED)


class TestAnalysisFaults:
    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (FeaturesUnreadable("no such table"), "no such table"),
            (ScriptSyntaxError("unexpected )", 3, 4), r"unexpected \) \(line 3, column 4\)"),
            (KeyError("hunter2"), r"\(KeyError\); the server's log"),
        ],
    )
    def test_permanent_ones_fail_the_job(self, site: Site, error: Exception, text: str) -> None:
        site.begin()
        site.runner(Engineer(cut(2, 1), analysis_faults=[error])).run_until_idle()
        assert site.job.status is Status.FAILED
        assert re.search(text, site.job.error or "")
        assert "hunter2" not in (site.job.error or "")
        assert completion(site.job, site.policy) == 100

    def test_transient_ones_are_tried_again(self, site: Site) -> None:
        engineer = Engineer(cut(2, 1), analysis_faults=[BUSY, DENIED])
        site.begin()
        site.runner(engineer).run_until_idle()
        assert site.job.status is Status.DONE
        assert len(engineer.retried) == 2

    @pytest.mark.parametrize(
        ("error", "seconds"),
        [
            (BUSY, 300),
            (DENIED, 10),
            (UNKNOWN, 10),
            (EnvironmentFault("no processes"), 300),
            (OSError(28, "No space left"), 300),
        ],
        ids=["busy", "denied", "misspelt", "environment", "no room"],
    )
    def test_but_not_for_ever(self, site: Site, error: Exception, seconds: int) -> None:
        """It says what it waits for and since when, then fails, and may be started again with all its patience."""
        site.policy = replace(POLICY, retry_seconds=0.5)
        site.begin()
        began = site.clock()
        engineer = Engineer(cut(2, 1), analysis_faults=[error] * 1000)
        runner = site.runner(engineer)
        while (site.clock() - began).total_seconds() < seconds:
            runner.run_until_idle()
            assert site.job.status is Status.ANALYSING
            assert site.job.waiting_since == began
            assert (str(error) if isinstance(error, WorldError) else "No space left on device") in str(
                site.job.waiting_for
            )
            site.clock.tick(seconds / 16)
        runner.run_until_idle()
        assert site.job.status is Status.FAILED
        assert site.job.error
        assert (site.job.waiting_for, site.job.waiting_since) == (None, None)
        engineer.analysis_faults = [error]
        site.act(Event.START)
        runner.run_until_idle()
        assert site.job.waiting_since == site.clock()
        site.clock.tick(1)
        runner.run_until_idle()
        assert (site.job.status, site.job.progress.done) == (Status.DONE, 2)

    @pytest.mark.parametrize(("always", "status"), [(False, Status.DONE), (True, Status.FAILED)])
    def test_two_moments_with_work_between_them_are_no_long_absence(
        self, site: Site, always: bool, status: Status
    ) -> None:
        """Nor is one in which the machine slept; but it ends if something is away after so much work every time."""
        tries: list[float] = []

        def analyse(_job: Job, _wanted: Callable[[], bool]) -> Analysis:
            tries.append(400.0 if always or tries else 1.0)
            site.clock.tick(tries[-1])
            if always or len(tries) < 3:
                raise CatalogUnavailable("the catalogue does not answer", transient=True)
            return Analysis(partitions=iter(cut(1, 1)), estimate={})

        site.policy = replace(POLICY, outage_seconds=300.0)
        site.begin()
        runner = site.runner(Engineer(cut(1, 1), analysis=analyse))
        while site.job.status not in (Status.DONE, Status.FAILED):
            runner.run_until_idle()
            site.clock.tick(1.0)
        assert site.job.status is status
        assert len(tries) <= 3 * site.policy.attempts

    def test_stop_ends_the_waiting(self, site: Site) -> None:
        site.policy = replace(POLICY, retry_seconds=0.5)
        site.begin()
        runner = site.runner(Engineer([], analysis_faults=[BUSY] * 9))
        runner.run_until_idle()
        site.act(Event.STOP)
        site.clock.tick(5)
        runner.run_until_idle()
        assert (site.job.status, site.job.stop_reason) == (Status.STOPPED, StopReason.USER_ACTION)


class TestStop:
    def test_ends_an_analysis_whatever_it_is_doing(self, site: Site, request: pytest.FixtureRequest) -> None:
        """A script or a search cannot be ended from outside, and the runner does not wait for it."""
        begun, over, looked = Flag(), Flag(), []
        request.addfinalizer(over.set)

        def analyse(job: Job, wanted: Callable[[], bool]) -> Analysis:
            looked.append(wanted())
            begun.set()
            over.wait()
            looked.append(wanted())
            return Analysis(partitions=iter(cut(4, 2)))

        site.begin()
        runner = site.runner(Engineer([], analysis=analyse))
        runner.run_until(begun.is_set)
        site.act(Event.STOP)
        runner.run_until(lambda: site.job.status is Status.STOPPED)
        over.set()
        runner.run_until_idle()
        assert looked == [True, False]
        assert site.job.progress.partitions == 0

    def test_leaves_the_analysis_its_place_until_it_ends(
        self, site: Site, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(in_flight, "ANALYSES_AT_ONCE", 1)
        begun, over = [], Flag()
        request.addfinalizer(over.set)

        def analyse(job: Job, wanted: Callable[[], bool]) -> Analysis:
            begun.append(job.id)
            over.wait()
            return Analysis(partitions=iter(cut(4, 2)))

        first = site.begin()
        runner = site.runner(Engineer([], analysis=analyse))
        runner.run_until(lambda: begun == [first])
        site.act(Event.STOP)
        runner.run_until(lambda: site.job.status is Status.STOPPED)
        second = site.begin()
        site.clock.tick(site.policy.lease_seconds)
        for _ in range(20):
            runner.turn()
            time.sleep(0.002)
        assert begun == [first], "its thread still runs"
        over.set()
        runner.run_until_idle()
        assert begun == [first, second]
        assert site.job.status is Status.DONE

    def test_ends_the_cutting_of_partitions(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(analysis_task, "LOOK_SECONDS", 0.0)

        def partitions() -> Iterator[Partition]:
            for number in count():
                if number == 3:
                    site.act(Event.STOP)
                yield Partition(number=number, features=next(iter(cut(1, 1))).features)

        site.begin()
        site.runner(Engineer(partitions())).run_until_idle()
        assert site.job.status is Status.STOPPED
        site.act(Event.START)
        site.runner(Engineer(cut(10, 1))).run_until_idle()
        assert (site.job.status, site.job.progress.done) == (Status.DONE, 10), "no part of it passes for the whole"

    def test_leaves_nothing_of_an_analysis_whose_runner_died(self, site: Site, request: pytest.FixtureRequest) -> None:
        """It was cut off while it stored its partitions; the next one is stopped before it stores any."""
        site.begin()
        lease = site.work.claim(site.clock(), site.policy.lease_seconds, partitions=False)
        assert lease is not None
        site.work.add(lease, cut(10, 1)[:3], ())
        site.clock.tick(2 * site.policy.lease_seconds)
        begun, over = Flag(), Flag()
        request.addfinalizer(over.set)

        def analyse(job: Job, wanted: Callable[[], bool]) -> Analysis:
            begun.set()
            over.wait()
            return Analysis(partitions=())

        runner = site.runner(Engineer([], analysis=analyse))
        runner.run_until(begun.is_set)
        site.act(Event.STOP)
        runner.run_until(lambda: site.job.status is Status.STOPPED)
        over.set()
        site.act(Event.START)
        site.runner(Engineer(cut(10, 1))).run_until_idle()
        assert (site.job.status, site.job.progress.done) == (Status.DONE, 10)


class TestPartitionFaults:
    def test_transient_ones_are_tried_again(self, site: Site) -> None:
        engineer = Engineer(cut(4, 2), faults={1: [BUSY, BUSY]})
        site.begin()
        site.runner(engineer).run_until_idle()
        assert site.job.progress.done == 4
        assert engineer.retried == [str(BUSY), str(BUSY)]

    def test_two_moments_with_work_between_them_are_no_long_absence(self, site: Site) -> None:
        """The wait of the first would count on while the catalogue answers, and the second be one too many."""
        site.policy = replace(POLICY, retry_seconds=0.5)
        away = CatalogUnavailable("HTTP 504", transient=True)
        engineer = Engineer(cut(2, 2), faults={0: [away]})
        site.begin()
        runner = site.runner(engineer)
        runner.run_until_idle()

        def works() -> None:
            site.clock.tick(site.policy.outage_seconds + 1)
            engineer.during = lambda: None
            raise away

        engineer.during = works
        for _ in range(3):
            site.clock.tick(2)
            runner.run_until_idle()
        assert (site.job.status, site.job.progress.done, engineer.given_up) == (Status.DONE, 2, [])

    def test_but_it_ends_if_it_is_always_away_after_so_much_work(self, site: Site) -> None:
        site.policy = replace(POLICY, retry_seconds=0.5)
        site.begin()

        def works() -> None:
            if site.job.status is Status.PROCESSING:
                site.clock.tick(site.policy.outage_seconds + 1)
                raise CatalogUnavailable("HTTP 504", transient=True)

        runner = site.runner(Engineer(cut(2, 2), during=works))
        for _ in range(4 * POLICY.attempts):
            site.clock.tick(5)
            runner.run_until_idle()
        assert (site.job.status, site.job.progress.failed) == (Status.DONE, 2)

    @pytest.mark.parametrize(
        ("away", "seconds", "ends"),
        [
            (CatalogUnavailable("HTTP 504", transient=True), 300, (Status.DONE, 2, 2)),
            (CatalogUnavailable("it is not there"), 10, (Status.DONE, 2, 2)),
            (StorageFault("the bucket does not answer", transient=True), 300, (Status.FAILED, 2, 0)),
            (StorageFault("there is no bucket", transient=False), 10, (Status.FAILED, 2, 0)),
        ],
        ids=["catalogue", "no catalogue", "bucket", "no bucket"],
    )
    def test_what_is_away_is_waited_for(
        self,
        site: Site,
        away: WorldError,
        seconds: int,
        ends: tuple[Status, int, int],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """As long as an analysis would, however many tries that takes; then START does the rest."""
        site.policy = replace(POLICY, retry_seconds=0.5)
        engineer = Engineer(cut(4, 2), faults={1: [away] * 1000})
        site.begin()
        began, runner = site.clock(), site.runner(engineer)
        while (site.clock() - began).total_seconds() < seconds:
            runner.run_until_idle()
            assert (site.job.status, site.job.progress.done, site.job.progress.failed) == (Status.PROCESSING, 2, 0)
            assert (site.job.waiting_for, site.job.waiting_since) == (str(away), began)
            site.clock.tick(seconds / 16)
        assert len(engineer.retried) > POLICY.attempts
        runner.run_until_idle()
        assert (site.job.status, site.job.progress.done, site.job.progress.failed) == ends
        assert (engineer.given_up or [site.job.error]) == [str(away)]
        assert not any(each.exc_info for each in caplog.records), "a sentence, which `arpent run` shows"
        engineer.faults[1] = [away]
        site.act(Event.START)
        runner.run_until_idle()
        assert (site.job.status, site.job.waiting_since) == (Status.PROCESSING, site.clock()), "with all its patience"
        site.clock.tick(1)
        runner.run_until_idle()
        assert (site.job.status, site.job.progress.done, site.job.waiting_for) == (Status.DONE, 4, None)

    def test_after_the_last_attempt_features_get_the_reason(self, site: Site) -> None:
        engineer = Engineer(cut(4, 2), faults={1: [BUSY] * 3})
        site.begin()
        site.runner(engineer).run_until_idle()
        assert site.job.status is Status.DONE
        assert (site.job.progress.done, site.job.progress.failed) == (2, 2)
        assert engineer.given_up == [str(BUSY)]

    @pytest.mark.parametrize("error", [AssetUnreadable("truncated"), ZeroDivisionError("bug")])
    def test_permanent_ones_are_not_tried_again(self, site: Site, error: Exception) -> None:
        engineer = Engineer(cut(4, 2), faults={0: [error]})
        site.begin()
        site.runner(engineer).run_until_idle()
        assert (engineer.given_up, engineer.retried) == ([str(error)], [])

    def test_a_job_that_was_deleted_meanwhile_keeps_no_place(self) -> None:
        clock, tables = Clock(), Tables()
        stores = in_memory(clock, tables)
        site = Site(stores.jobs, stores.work, clock)
        deleted = site.begin()
        engineer = Engineer(cut(2, 2), faults={0: [EnvironmentFault("no disk", transient=False)]})
        engineer.analysis = lambda job, wanted: Analysis(partitions=cut(2, 2))
        runner = site.runner(engineer)
        runner.run_until(lambda: site.job.status is Status.PROCESSING)
        sound = stores.jobs.get

        def get(job_id: str) -> Job:
            if engineer.faults[0] == []:
                tables.rows.pop(deleted, None)
            return sound(job_id)

        stores.jobs.get = get  # type: ignore[method-assign]
        for _ in range(20):
            runner.turn()
        site.begin()
        runner.run_until(lambda: site.job.status is Status.DONE)
        assert site.job.progress.done == 2

    def test_errors_that_cannot_be_written_are_reported(self, site: Site) -> None:
        engineer = Engineer(cut(2, 2), faults={0: [DENIED]}, give_up_faults=[DENIED])
        site.begin()
        site.runner(engineer).run_until_idle()
        assert (site.job.status, site.job.progress.failed) == (Status.DONE, 2)
        assert {each.kind for each in site.jobs.findings(site.job_id, 0, 9)} == {"not-written"}

    def test_errors_wait_for_a_bucket_that_is_away(self, site: Site) -> None:
        """As numbers do: the job does not fail because it happens to be away when a partition is given up."""
        engineer = Engineer(cut(2, 2), faults={0: [ValueError("first"), ValueError("then")]}, give_up_faults=[AWAY])
        site.begin()
        runner = site.runner(engineer)
        runner.run_until(lambda: bool(engineer.retried) or site.job.progress.failed > 0)
        assert (site.job.status, site.job.waiting_for) == (Status.PROCESSING, str(AWAY))
        runner.run_until_idle()
        assert (site.job.status, site.job.progress.failed, engineer.given_up) == (Status.DONE, 2, ["then"])

    def test_a_retry_waits_longer_each_time(self) -> None:
        policy = Policy(retry_seconds=2)
        for attempt, middle in ((1, 2), (2, 4), (3, 8), (30, 60)):
            pauses = [pause_before_retry(attempt, policy).total_seconds() for _ in range(50)]
            assert middle * 0.5 <= min(pauses) < max(pauses) <= middle * 1.5


def test_an_analysis_that_takes_the_runner_with_it_ends(site: Site) -> None:
    """Only the leases that ran out show it."""
    site.begin()
    for turn in range(13):
        assert site.job.status is Status.ANALYSING, turn
        lease = site.work.claim(site.clock(), 60)
        assert lease is not None
        if turn == 12:
            site.work.release(lease, None)
        site.clock.tick(61)
    site.runner(Engineer(cut(2, 1))).run_until_idle()
    assert site.job.status is Status.FAILED
    assert "crashed its runner 12 times" in (site.job.error or "")


class TestDeaths:
    def told(self, site: Site) -> dict[int, str]:
        return {each.feature: each.message for each in site.jobs.findings(site.job_id, 0, 9999)}

    def test_a_death_by_chance_is_tried_again(self, site: Site) -> None:
        deaths = iter([True, True])
        engineer = Engineer(cut(4, 4), chance=lambda: next(deaths, False))
        site.begin()
        site.runner(engineer).run_until_idle()
        assert site.job.progress == Progress(features=4, done=4, partitions=1, processing_units=1.0)
        assert len(engineer.retried) == 2

    @pytest.mark.parametrize("attempts", [1, 3])
    @pytest.mark.parametrize(("count", "killer"), [(1, 1), (2, 2), (500, 437), (1000, 1)])
    def test_the_one_feature_that_kills_is_found(self, site: Site, attempts: int, count: int, killer: int) -> None:
        site.policy = replace(POLICY, attempts=attempts)
        engineer = Engineer(cut(count, count), killers={killer})
        site.begin()
        percentages = [0.0]
        engineer.during = lambda: percentages.append(site.job.progress.percentage)
        site.runner(engineer).run_until_idle()
        assert (site.job.status, site.job.progress.done, site.job.progress.failed) == (Status.DONE, count - 1, 1)
        assert percentages == sorted(percentages)
        assert engineer.deaths <= attempts + 2 * ceil(log2(count))
        assert sorted(each for part in engineer.processed for each in part) == [
            each for each in range(1, count + 1) if each != killer
        ]
        assert len(engineer.given_up) == 1
        assert "computed this feature alone died; the last: A worker process died (SIGKILL)" in engineer.given_up[0]

    def test_so_are_several_and_only_they_are_tried_again(self, site: Site) -> None:
        killers = {3, 4, 130, 290}
        engineer = Engineer(cut(300, 60), killers=set(killers))
        site.begin()
        runner = site.runner(engineer)
        runner.run_until_idle()
        assert (site.job.progress.done, site.job.progress.failed) == (296, 4)
        assert self.told(site).keys() == killers
        assert engineer.deaths <= len(killers) * (3 + 2 * ceil(log2(60)))
        engineer.killers = {290}
        engineer.processed.clear()
        site.act(Event.START)
        runner.run_until_idle()
        assert sorted(engineer.processed) == [(each,) for each in sorted(killers - {290})]
        assert self.told(site).keys() == {290}

    def test_what_fails_otherwise_is_never_cut(self, site: Site) -> None:
        """Two deaths and two failures in turn are fewer than three of either kind."""
        engineer = Engineer(cut(8, 8), faults={0: [BUSY, WorkerDied("SIGKILL"), BUSY, WorkerDied("SIGKILL")]})
        site.begin()
        site.runner(engineer).run_until_idle()
        assert site.job.progress == Progress(features=8, done=8, partitions=1, processing_units=1.0)
        engineer = Engineer(cut(8, 8), faults={0: [WorkerDied("SIGKILL"), BUSY, BUSY, BUSY]})
        site.begin()
        site.runner(engineer).run_until_idle()
        assert (site.job.progress.partitions, site.job.progress.failed) == (1, 8)
        assert engineer.given_up == [str(BUSY)]

    def test_workers_that_die_by_chance_shred_nothing(self, site: Site) -> None:
        dice = random.Random(3)
        engineer = Engineer(cut(600, 20), chance=lambda: dice.random() < 0.3)
        site.begin()
        site.runner(engineer).run_until_idle()
        assert site.job.progress.done == 600
        assert engineer.deaths > 10
        assert site.job.progress.partitions <= 32

    def test_what_takes_the_runner_with_it_is_found_by_leases_that_run_out(self, site: Site) -> None:
        engineer = Engineer(cut(40, 20), killers={27})
        process = engineer.process
        ends = 0

        def fatal(lease: Lease) -> Outcome:
            nonlocal ends
            try:
                return process(lease)
            except WorkerDied:
                ends += 1
                raise SystemExit from None  # what no loop catches

        engineer.process = fatal  # type: ignore[method-assign]
        site.begin()
        while site.job.status is not Status.DONE:
            with contextlib.suppress(SystemExit):
                site.runner(engineer).run_until_idle()
            site.clock.tick(61)
        assert (site.job.progress.done, site.job.progress.failed) == (39, 1)
        assert "disappeared without an error 12 times" in engineer.given_up[0]
        assert ends <= 3 + 2 * ceil(log2(20)) + 4 * 3

    def test_where_everything_kills_the_search_ends(self, site: Site) -> None:
        engineer = Engineer(cut(4000, 1000), killers=set(range(4001)))
        site.begin()
        site.runner(engineer).run_until_idle()
        assert site.job.status is Status.FAILED
        assert site.job.progress.failed == len(engineer.given_up) <= 1, "those that died alone, before it was clear"
        assert engineer.deaths <= 4 * 3 + 2 * 2 * 16
        assert "unlikely to be the cause" in (site.job.error or "")
        engineer.killers.clear()
        site.act(Event.START)
        site.runner(engineer).run_until_idle()
        assert (site.job.status, site.job.progress.done) == (Status.DONE, 4000)


class TestStopping:
    def test_stop_and_start_lose_nothing_and_do_nothing_twice(self, site: Site) -> None:
        engineer = Engineer(cut(6, 2))
        site.begin()
        asked = iter([Event.STOP])
        runner = site.runner(engineer)

        def stop_once() -> None:
            if engineer.processed:
                for action in asked:
                    site.act(action)

        engineer.during = stop_once
        runner.run_until_idle()
        assert (site.job.status, site.job.stop_reason) == (Status.STOPPED, StopReason.USER_ACTION)
        assert site.job.progress.done == 4, "what was in hand is finished"
        reached = completion(site.job, site.policy)
        site.act(Event.START)
        assert completion(site.job, site.policy) == reached
        runner.run_until_idle()
        assert site.job.status is Status.DONE
        assert sorted(engineer.processed) == [(1, 2), (3, 4), (5, 6)]

    def test_unhealthy_jobs_stop_and_start_again_with_what_failed(self, site: Site) -> None:
        site.policy = replace(POLICY, unhealthy_least=2)
        engineer = Engineer(cut(6, 2), faults={0: [DENIED]})
        site.begin()
        runner = site.runner(engineer)
        runner.run_until_idle()
        assert (site.job.status, site.job.stop_reason) == (Status.STOPPED, StopReason.UNHEALTHY)
        site.act(Event.START)
        runner.run_until_idle()
        assert (site.job.status, site.job.progress.done, site.job.progress.failed) == (Status.DONE, 6, 0)

    def test_a_spent_budget_stops(self, site: Site) -> None:
        site.policy = replace(POLICY, processing_unit_budget=2.0)
        site.begin()
        site.runner(Engineer(cut(6, 2))).run_until_idle()
        assert (site.job.status, site.job.stop_reason) == (Status.STOPPED, StopReason.OUT_OF_PU)
        assert site.job.progress.done == 4

    def test_its_lines_name_the_http_request(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        trace = trace_of("my-request", None)
        site.begin()
        site.jobs.save(replace(site.job, trace=trace.text))
        engineer, seen, told = Engineer(cut(2, 1)), set(), set()
        engineer.during = lambda: seen.add(current_trace())

        class Seeing(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                told.add((record.getMessage().partition(" ")[0], current_trace()))

        handler, logger = Seeing(), logging.getLogger("arpent.jobs")
        caplog.set_level(logging.INFO, logger.name)
        logger.addHandler(handler)
        runner = site.runner(engineer)
        runner._functions = replace(
            runner._functions, process=lambda lease: (traces.append(lease.trace), engineer.process(lease))[1]
        )
        traces: list[str | None] = []
        runner.run_until_idle()
        logger.removeHandler(handler)
        assert traces == [trace.text] * 2, "and a worker hears of it by the lease"
        assert trace in seen, "the analysis"
        assert {("Partition", trace), ("DONE", trace), ("PROCESSING", trace)} <= told

    def test_a_client_whose_month_is_used_up_is_stopped(self, site: Site) -> None:
        site.begin()
        engineer = Engineer(cut(6, 2))
        runner = site.runner(engineer)
        asked: list[str] = []

        def exhausted(owner: str) -> bool:
            asked.append(owner)
            return len(engineer.processed) >= 2

        runner._functions = replace(runner._functions, exhausted=exhausted)
        runner.run_until_idle()
        assert (site.job.status, site.job.stop_reason) == (Status.STOPPED, StopReason.OUT_OF_PU)
        assert set(asked) == {site.job.owner}
        assert 2 <= site.job.progress.done < 6

    def test_done_with_failures_starts_again_for_these(self, site: Site) -> None:
        engineer = Engineer(cut(6, 2), faults={1: [DENIED]})
        site.begin()
        runner = site.runner(engineer)
        runner.run_until_idle()
        assert (site.job.status, site.job.progress.failed) == (Status.DONE, 2)
        site.act(Event.START)
        engineer.processed.clear()
        runner.run_until_idle()
        assert (site.job.status, site.job.progress.done) == (Status.DONE, 6)
        assert engineer.processed == [(3, 4)]
        assert site.jobs.findings(site.job_id, 0, 9) == ()


class Flaky:
    """A store that fails every third time."""

    def __init__(self, work: WorkStore) -> None:
        self._work = work
        self._calls = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._work, name)

    def _maybe(self) -> None:
        self._calls += 1
        if self._calls % 3 == 0:
            raise WorldError("The database does not answer as it should: gone", transient=True)

    def claim(self, *args: object, **named: object) -> Lease | None:
        self._maybe()
        return self._work.claim(*args, **named)  # type: ignore[arg-type]

    def finish(self, lease: Lease, outcome: Outcome | None) -> Progress:
        self._maybe()
        return self._work.finish(lease, outcome)


def test_a_database_that_fails_now_and_then_ends_nothing(site: Site) -> None:
    engineer = Engineer(cut(12, 1))
    site.begin()
    site.runner(engineer, Flaky(site.work)).run_until_idle()  # type: ignore[arg-type]
    assert site.job.status is Status.DONE
    assert sorted(engineer.processed) == [(k,) for k in range(1, 13)]


def test_a_dead_runner_is_succeeded(site: Site) -> None:
    site.begin()
    first = Engineer(cut(6, 2))

    def die() -> None:
        if len(first.processed) == 1:
            raise SystemExit  # what the loop does not catch

    runner = site.runner(first)
    runner.run_until(lambda: site.job.status is Status.PROCESSING)
    first.during = die
    with pytest.raises(SystemExit):
        runner.run_until_idle()
    site.clock.tick(61)
    second = Engineer([])
    site.runner(second).run_until_idle()
    assert site.job.status is Status.DONE
    assert sorted(second.processed) == [(3, 4), (5, 6)]


@pytest.mark.parametrize("error", [RuntimeError("broken"), EnvironmentFault("no disk", transient=False)])
def test_errors_of_work_that_another_has_do_not_count(site: Site, error: Exception) -> None:
    """They come late, from a worker that was cut off, say: by then another works at it."""
    first, second = Engineer(cut(4, 2)), Engineer([])

    def late() -> None:
        site.clock.tick(site.policy.lease_seconds + 1)
        assert site.work.claim(site.clock(), site.policy.lease_seconds) is not None
        raise error

    site.begin()
    runner = site.runner(first)
    first.analysis = lambda job, wanted: Analysis(partitions=iter(cut(2, 2)), estimate={}, hints=())
    first.during = late
    runner.run_until_idle()
    assert (first.given_up, site.job.status) == ([], Status.PROCESSING)
    site.clock.tick(site.policy.lease_seconds + 1)
    site.runner(second).run_until_idle()
    assert (site.job.status, site.job.progress.done, second.processed) == (Status.DONE, 2, [(1, 2)])


@pytest.mark.parametrize("size", [1, 2], ids=["a feature", "a partition"])
def test_work_that_is_lost_was_no_attempt(site: Site, size: int) -> None:
    """The way to a cluster may break far oftener than there are attempts."""
    engineer = Engineer(cut(4, size), faults={1: [WorkLost("The scheduler was silent")] * (3 * POLICY.attempts)})
    site.begin()
    site.runner(engineer).run_until_idle()
    assert (site.job.status, site.job.progress.done, engineer.given_up) == (Status.DONE, 4, [])
    assert len(engineer.retried) == 3 * POLICY.attempts


def test_what_takes_the_cluster_with_it_every_time_is_found(site: Site) -> None:
    engineer = Engineer(cut(40, 20), killers={27}, death=WorkLost("The scheduler was silent"))
    site.begin()
    site.runner(engineer).run_until_idle()
    assert (site.job.status, site.job.progress.done, site.job.progress.failed) == (Status.DONE, 39, 1)
    assert "disappeared without an error 12 times" in engineer.given_up[0]
    assert engineer.deaths <= 3 + 2 * ceil(log2(20)) + 4 * POLICY.attempts


class TestClock:
    def test_work_in_hand_is_kept_though_the_clock_is_set_back(self, site: Site) -> None:
        """Its lease is then one that nobody believes: it is renewed before anybody looks for work."""
        slow = SlowExecutor()
        site.begin()
        runner = Runner(site.jobs, site.work, slow, Engineer(cut(2, 1)).duties(), POLICY, now=site.clock, pause=0.0)
        while len(slow.submitted) < 2:
            runner.turn()
            time.sleep(0.001)
        site.clock.tick(-DAY)
        for _ in range(3):
            runner.turn()
            site.clock.tick(POLICY.lease_seconds / 2)
        assert len(slow.submitted) == 2


class TestRunning:
    def test_leases_are_renewed_and_given_back(self, live: Site) -> None:
        live.policy = replace(POLICY, lease_seconds=0.3)
        slow = SlowExecutor()
        live.begin()
        runner = Runner(live.jobs, live.work, slow, Engineer(cut(2, 1)).duties(), live.policy, pause=0.01)
        stop = Flag()
        thread = Thread(target=runner.run, args=(stop,))
        thread.start()
        while len(slow.submitted) < 2:
            time.sleep(0.01)
        time.sleep(0.5)
        assert live.job.progress.open == 2
        assert len(slow.submitted) == 2, "renewed in time, nothing was claimed again"
        stop.set()
        thread.join(10)
        assert not thread.is_alive()
        assert len(slow.cancelled) == 2
        again = [live.work.claim(wall(), 60) for _ in range(2)]
        assert [lease and lease.vanished for lease in again] == [0, 0], "free, and not because their leases ran out"

    @pytest.mark.parametrize("attempts", [1, 2])
    def test_only_a_last_attempt_ends_with_its_lease(self, site: Site, attempts: int) -> None:
        """What it cannot read becomes errors, which must not replace what somebody else has written meanwhile."""
        slow, policy = SlowExecutor(), replace(POLICY, attempts=attempts)
        site.begin()
        runner = Runner(site.jobs, site.work, slow, Engineer(cut(1, 1)).duties(), policy, now=site.clock, pause=0.0)
        while not slow.submitted:
            runner.turn()
            time.sleep(0.001)
        for _ in range(2):
            site.clock.tick(policy.lease_seconds / 2)
            runner.turn()
        assert slow.held == ([] if attempts > 1 else [0.9 * policy.lease_seconds] * 3)

    def test_a_last_attempt_is_held_from_when_its_lease_was_asked_for(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A store that is slow to answer has counted from the time it was told."""
        slow, policy, held = SlowExecutor(), replace(POLICY, attempts=1), 0.9 * POLICY.lease_seconds

        def late(call: Callable[..., Any], seconds: float) -> Callable[..., Any]:
            def answer(*arguments: Any) -> Any:
                found = call(*arguments)
                site.clock.tick(seconds)
                return found

            return answer

        site.begin()
        monkeypatch.setattr(site.jobs, "script", late(site.jobs.script, 7.0))
        monkeypatch.setattr(site.work, "renew", late(site.work.renew, 10.0))
        runner = Runner(site.jobs, site.work, slow, Engineer(cut(1, 1)).duties(), policy, now=site.clock, pause=0.0)
        while not slow.submitted:
            runner.turn()
            time.sleep(0.001)
        site.clock.tick(policy.lease_seconds / 2)
        runner.turn()
        assert slow.held == [held - 7.0, held - 10.0]

    def test_stop_takes_back_what_has_not_begun(self, live: Site) -> None:
        """Of another job nothing is touched; what has begun stays in hand, and START finds the rest free."""
        slow = SlowExecutor(workers=1)
        live.begin()
        runner = Runner(live.jobs, live.work, slow, Engineer(cut(2, 1)).duties(), POLICY, pause=0.001)
        runner.run_until(lambda: len(slow.submitted) == 2)
        runner.turn()
        assert slow.cancelled == []
        live.act(Event.STOP)
        runner.run_until(lambda: bool(slow.cancelled))
        assert slow.cancelled == [slow.submitted[1]]
        assert (live.job.progress.open, live.job.progress.in_hand) == (2, 1)
        live.act(Event.START)
        runner.run_until(lambda: len(slow.submitted) == 3)
        assert of(slow.submitted[2]).number == of(slow.submitted[1]).number
        assert slow.submitted[2].attempt == 1, "that was no failed attempt"


class SlowExecutor:
    """Two slots in which nothing ever ends; `workers` of them begin what they get."""

    slots = 2

    def __init__(self, workers: int = 2) -> None:
        self.workers = workers
        self.submitted: list[Lease] = []
        self.cancelled: list[Lease] = []
        self.held: list[float] = []

    def submit(self, function: Callable[[Lease], Outcome], lease: Lease) -> SlowTicket:
        self.submitted.append(lease)
        return SlowTicket(lease, len(self.submitted) <= self.workers, self.cancelled, self.held)

    def close(self) -> None:
        pass


@dataclass
class SlowTicket:
    lease: Lease
    has_begun: bool
    cancelled: list[Lease]
    held: list[float]

    def done(self) -> bool:
        return False

    def begun(self) -> bool:
        return self.has_begun

    def result(self) -> Outcome:
        raise AssertionError

    def cancel(self) -> None:
        self.cancelled.append(self.lease)

    def hold(self, seconds: float) -> None:
        self.held.append(seconds)
