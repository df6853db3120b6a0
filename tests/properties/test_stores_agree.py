"""Stores in memory and stores in a database, told the same, tell the same: a test over one speaks for the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arpent.adapters.database.connection import make_engine
from arpent.adapters.database.schema import metadata
from arpent.domain.errors import Conflict, LeaseLost
from arpent.domain.finding import INCOMPLETE, Finding, Verdict
from arpent.domain.job import Job, Status, UserAction
from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease, SortKey
from tests.support.jobs import Clock, cut, failure, make_job
from tests.support.stores import Stores, in_database, in_memory

Pair = tuple[Lease, Lease]
"""The same lease, in memory and in the database; only the tokens differ."""


def seen(lease: Lease | None) -> object:
    """What must be the same of two leases."""
    if lease is None:
        return None
    part = lease.partition
    held = part and (part.number, part.round, part.again, part.features.ids.tolist(), part.features.identifiers)
    return (lease.job_id, lease.attempt, lease.deaths, lease.vanished, held)


class StoresAgree(RuleBasedStateMachine):
    """Every rule is done to both, in any order; results and errors are compared, then everything that can be read."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.engine = make_engine("sqlite://")
        metadata.create_all(self.engine)
        self.both = (in_memory(self.clock), in_database(self.engine, self.clock))
        self.job_ids: list[str] = []
        self.leases: list[Pair] = []

    @initialize(features=st.integers(1, 80), size=st.sampled_from([4, 40, 80]))
    def begin(self, features: int, size: int) -> None:
        """There is work from the start."""
        self.add_job("anna")
        self.claim(analyses=True, partitions=True)
        self.add_work(0, features, size, 3)

    def teardown(self) -> None:
        self.engine.dispose()

    def same(self, call: Callable[[Stores, int], object]) -> object:
        """What both give or raise."""
        results = []
        for number, stores in enumerate(self.both):
            try:
                results.append(call(stores, number))
            except (Conflict, LeaseLost) as error:
                results.append((type(error), str(error)))
        assert results[0] == results[1]
        return results[0]

    def pick(self, number: int) -> Pair:
        """One of the last leases, the older of which are rarely held."""
        return self.leases[-1 - number % min(3, len(self.leases))]

    def pick_partition(self, number: int) -> Pair:
        pairs = [pair for pair in self.leases if pair[0].partition is not None]
        return pairs[-1 - number % min(3, len(pairs))]

    @precondition(lambda self: len(self.job_ids) < 3)
    @rule(owner=st.sampled_from(["anna", "bert"]))
    def add_job(self, owner: str) -> None:
        self.clock.tick(1)
        job = make_job(owner=owner, created=self.clock(), status=Status.ANALYSING)
        self.job_ids.append(job.id)
        self.same(lambda stores, _: stores.jobs.add(job))

    @precondition(lambda self: self.job_ids)
    @rule(
        pick=st.integers(0, 9),
        status=st.sampled_from([*[Status.PROCESSING] * 5, Status.ANALYSING, Status.ANALYSIS_DONE, Status.STOPPED]),
        action=st.sampled_from(UserAction),
        stale=st.booleans(),
    )
    def save(self, pick: int, status: Status, action: UserAction, stale: bool) -> None:
        job_id = self.job_ids[pick % len(self.job_ids)]
        changes = {"status": status, "user_action": action, "estimate": {"minutes": 0.5}, "retry": stale}
        if status is Status.PROCESSING:
            changes["begun"] = self.clock()

        def save(stores: Stores, _: int) -> Job:
            job = stores.jobs.get(job_id)
            return stores.jobs.save(replace(job, version=job.version - stale, **changes))

        self.same(save)

    @rule(analyses=st.booleans(), partitions=st.sampled_from([True, True, False]))
    def claim(self, analyses: bool, partitions: bool) -> None:
        self.clock.tick(1)
        claimed = [
            stores.work.claim(self.clock(), 60, analyses=analyses, partitions=partitions) for stores in self.both
        ]
        assert seen(claimed[0]) == seen(claimed[1])
        if claimed[0] and claimed[1]:
            self.leases.append((claimed[0], claimed[1]))

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 9))
    def renew(self, pick: int) -> None:
        pair = self.pick(pick)
        self.same(lambda stores, number: stores.work.renew(pair[number], self.clock(), 60))

    @precondition(lambda self: any(pair[0].partition is None for pair in self.leases))
    @rule(pick=st.integers(0, 9), features=st.integers(0, 40), size=st.sampled_from([1, 4, 40]), bad=st.integers(0, 4))
    def add_work(self, pick: int, features: int, size: int, bad: int) -> None:
        """An analysis that ends well: the job goes on to be processed."""
        pairs = [pair for pair in self.leases if pair[0].partition is None]
        pair = pairs[pick % len(pairs)]
        findings = [failure(each, "empty") for each in range(1, bad + 1)]

        def analysed(stores: Stores, number: int) -> Job:
            stores.work.add(pair[number], iter(cut(features, size)), findings)
            job = stores.jobs.get(pair[number].job_id)
            return stores.jobs.save(replace(job, status=Status.PROCESSING, begun=self.clock()))

        self.same(analysed)
        self.same(lambda stores, number: stores.work.finish(pair[number], None))

    @precondition(lambda self: any(pair[0].partition is not None for pair in self.leases))
    @rule(
        pick=st.integers(0, 9),
        failed=st.integers(0, 3),
        incomplete=st.integers(0, 2),
        told=st.booleans(),
        seconds=st.sampled_from([0.0, 7.0]),
    )
    def finish(self, pick: int, failed: int, incomplete: int, told: bool, seconds: float) -> None:
        pair = self.pick_partition(pick)
        self.clock.tick(seconds)
        assert pair[0].partition is not None
        ids = pair[0].partition.features.ids.tolist()
        bad, thin = ids[:failed], ids[failed:][:incomplete]
        findings = [failure(each) for each in bad if told] + [
            Finding(feature=each, identifier=None, verdict=Verdict.WARNING, kind=INCOMPLETE, message="m")
            for each in thin
        ]
        outcome = Outcome(
            done=len(ids) - len(bad),
            failed=len(bad),
            incomplete=len(thin),
            findings=tuple(findings),
            processing_units=0.5,
            seconds=(("read", seconds),),
        )
        self.same(lambda stores, number: stores.work.finish(pair[number], outcome))

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 9), later=st.sampled_from([None, 0, 30]), died=st.booleans(), lost=st.booleans())
    def release(self, pick: int, later: int | None, died: bool, lost: bool) -> None:
        pair = self.pick(pick)
        retry_at = None if later is None else self.clock() + timedelta(seconds=later)
        died = died and pair[0].partition is not None
        self.same(lambda stores, number: stores.work.release(pair[number], retry_at, died=died, lost=lost))

    @precondition(lambda self: any(pair[0].partition is not None for pair in self.leases))
    @rule(pick=st.integers(0, 9), deaths=st.integers(0, 3))
    def cut(self, pick: int, deaths: int) -> None:
        pair = self.pick_partition(pick)
        self.same(lambda stores, number: stores.work.cut(pair[number], deaths))

    @precondition(lambda self: self.job_ids)
    @rule(pick=st.integers(0, 9))
    def reopen(self, pick: int) -> None:
        self.same(lambda stores, _: stores.work.reopen(self.job_ids[pick % len(self.job_ids)]))

    @rule(seconds=st.sampled_from([1, 61, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.tick(seconds)

    @invariant()
    def tell_the_same(self) -> None:
        self.same(lambda stores, _: stores.jobs.list(None, SortKey.CREATED, 0, 9))

    @rule()
    def look_closer(self) -> None:
        self.same(lambda stores, _: [stores.jobs.findings(job_id, 1, 9) for job_id in self.job_ids])
        self.same(lambda stores, _: sorted(stores.jobs.unsettled()))
        self.same(
            lambda stores, _: [stores.jobs.list(owner, sort, 1, 2) for owner in ("anna", None) for sort in SortKey]
        )


class StoresAgreeForLong(StoresAgree):
    """The same in more lives."""


SETTINGS = settings(max_examples=12, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
StoresAgree.TestCase.settings = SETTINGS
StoresAgreeForLong.TestCase.settings = settings(SETTINGS, max_examples=60)
TestStoresAgree = StoresAgree.TestCase
TestStoresAgreeForLong = pytest.mark.slow(StoresAgreeForLong.TestCase)
