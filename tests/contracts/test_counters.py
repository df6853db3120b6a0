"""Counters add up over runners, in both databases, and come out as Prometheus reads them."""

from __future__ import annotations

import platform
from threading import Thread

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from arpent import __version__
from arpent.adapters.database.counters import SqlCounters
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.adapters.formats.prometheus_metrics import QueueState, metrics_text
from arpent.domain.job import Status, UserAction
from tests.support.jobs import Clock, all_done, cut, make_job, processing_job


def test_runners_add_up(engine: Engine) -> None:
    def add() -> None:
        for _ in range(10):
            SqlCounters(engine).add({("features", "done"): 2, ("stage_seconds", "read"): 0.5})

    threads = [Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SqlCounters(engine).totals() == {("features", "done"): 80, ("stage_seconds", "read"): 20}


def test_a_census(engine: Engine, clock: Clock) -> None:
    jobs, work = SqlJobStore(engine, now=clock), SqlWorkStore(engine, now=clock)
    processing_job(jobs, work, clock, cut(6, 2))
    jobs.add(make_job(status=Status.DONE))
    jobs.add(make_job(status=Status.DONE))
    lease = work.claim(clock(), 60)
    assert lease is not None
    work.finish(lease, all_done(lease))
    counters = SqlCounters(engine)
    assert counters.answers()
    assert counters.open_partitions() == 2
    found = counters.jobs()
    assert (found["DONE"], found["PROCESSING"], found["FAILED"]) == (2, 1, 0)


def test_the_page() -> None:
    totals = {("features", "done"): 5.0, ("features", "failed"): 1.0, ("retries", "partition"): 2.0}
    text = metrics_text(totals, QueueState({"DONE": 3, "FAILED": 0}, 7, 1.5))
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples == {
        ("arpent_jobs", "DONE"): 3, ("arpent_jobs", "FAILED"): 0, ("arpent_open_partitions",): 7,
        ("arpent_queue_seconds",): 1.5, ("arpent_build_info", platform.python_version(), __version__): 1,
        ("arpent_partitions_total",): 0, ("arpent_read_bytes_total",): 0, ("arpent_processing_units_total",): 0,
        ("arpent_features_total", "done"): 5, ("arpent_features_total", "failed"): 1,
        ("arpent_retries_total", "partition"): 2, ("arpent_retries_total", "analysis"): 0,
    }  # fmt: skip


def test_how_long_the_longest_waiting_job_has_waited(engine: Engine, clock: Clock) -> None:
    counters, jobs, work = SqlCounters(engine), SqlJobStore(engine, now=clock), SqlWorkStore(engine, now=clock)
    assert counters.queue_seconds(clock()) == 0
    processing_job(jobs, work, clock, cut(2, 1))
    clock.tick(30)
    assert counters.queue_seconds(clock()) == 30
    jobs.add(make_job(status=Status.ANALYSING, user_action=UserAction.START, user_action_updated=clock()))
    clock.tick(10)
    assert counters.queue_seconds(clock()) == 40
    assert work.claim(clock(), 60, analyses=False) is not None
    assert counters.queue_seconds(clock()) == 10, "the first has just been served"
    assert work.claim(clock(), 60, partitions=False) is not None
    clock.tick(5)
    assert counters.queue_seconds(clock()) == 5, "an analysis that somebody holds does not wait"
