"""Server: constructor calls for everything that needs a database: the app and its runner."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from arpent import __version__
from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.counters import SqlCounters
from arpent.adapters.database.jobs import SqlJobStore
from arpent.adapters.database.retention import SqlRetention
from arpent.adapters.executors.processes.bulkhead import ProcessBulkhead
from arpent.adapters.executors.processes.limits import CallLimits
from arpent.adapters.objects.held import HeldObjects
from arpent.adapters.scripts.v8.runtime import announce
from arpent.adapters.traces.sending import check_traces, export_traces
from arpent.domain.boundary.trace import trace_fields
from arpent.domain.boundary.wanted import while_wanted
from arpent.domain.errors import CallerError, DatabaseRefused, ScriptError
from arpent.domain.job import Job
from arpent.domain.partition import Analysis
from arpent.domain.ports.execution import Bulkhead, Executor
from arpent.domain.request import Request
from arpent.jobs.periodic import PeriodicTask, PeriodicTasks
from arpent.jobs.policy import quota_of
from arpent.jobs.run_metrics import RunMetrics
from arpent.jobs.runner import Runner
from arpent.jobs.service import JobService
from arpent.jobs.work_functions import WorkFunctions
from arpent.logs import configure
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch
from arpent.wiring.keys import check_keys, request_cipher
from arpent.wiring.local import (
    analysis,
    catalog_processes,
    check_request,
    executor_of,
    feature_processes,
    give_up_lease,
    header_reader,
    isolated_catalog,
    isolated_features,
    operator_limits,
)
from arpent.wiring.metrics import metrics
from arpent.wiring.page import page_calls
from arpent.wiring.quotas import is_exhausted, work_store
from arpent.wiring.store import database
from arpent.worker import (
    answer_search,
    answer_statistics,
    check_batch,
    collections,
    explain_job,
    for_workers,
    grants,
    load_work,
    prepare_calls,
    process_lease,
    services_for,
)

if TYPE_CHECKING:
    from fastapi import FastAPI

    from arpent.server.calls import ProcessCalls

log = logging.getLogger(__name__)

COUNT_SECONDS = 2.0
"""Seconds between two times that a runner stores its metrics; a runner that is killed loses at most these seconds."""
SWEEP_SECONDS = 60.0
"""Seconds between two cleanups of ended jobs, which remove secrets and old jobs."""
LEAST_PATIENCE = 2.0
"""Minimum seconds of standstill after which an analysis is tried again; a shorter one only means a busy machine."""
SYNCHRONOUS_ADVICE = "Shorten the time range, use a smaller area or a coarser resolution, or send a batch request."


def application(settings: Settings, bulkhead: Bulkhead | None = None) -> FastAPI:
    """The HTTP API. It computes in the processes of the bulkhead (one of its own if none is given), and closes the
    bulkhead when it ends. Raises InvalidSetting."""
    from arpent.server.app import create_app  # imported only where a web server runs, because it takes time
    from arpent.server.options import ServerOptions
    from arpent.wiring.access import access_control, warn_of_shared_buckets

    announce(unfiltered=settings.unfiltered_scripts)
    check_traces(settings.otlp_endpoint)
    export_traces(settings.otlp_endpoint, "server")
    engine = database(settings)
    check_keys(settings, engine)
    jobs = service(settings, engine)
    bulkhead = bulkhead or bulkhead_of(settings)
    warn_of_shared_buckets(settings, engine)
    return create_app(
        service=jobs,
        access=access_control(settings, engine),
        calls=process_calls(settings, bulkhead, engine.dispose),
        options=ServerOptions(
            insecure_transport=settings.insecure_transport,
            trust_forwarded=settings.trust_forwarded,
            public_metrics=settings.public_metrics,
            policy=settings.policy,
            patience=settings.synchronous_seconds,
            version=__version__,
        ),
        ready=SqlCounters(engine).answers,
        metrics=partial(metrics, engine),
    )


def bulkhead_of(settings: Settings) -> ProcessBulkhead:
    """The processes for calls whose crash the server must survive."""
    return ProcessBulkhead(
        settings.synchronous_workers,
        CallLimits(
            seconds=settings.synchronous_seconds,
            memory_mib=settings.synchronous_memory + settings.synchronous_cache,
            advice=SYNCHRONOUS_ADVICE,
        ),
        queue=settings.synchronous_queue,
        prepare=partial(prepare_calls, for_workers(settings)),
        load=load_work,
    )


def process_calls(settings: Settings, bulkhead: Bulkhead, close: Callable[[], None] = lambda: None) -> ProcessCalls:
    """The calls that the server runs in the bulkhead's processes. `close` is called after these have ended."""
    from arpent.server.calls import ProcessCalls

    theirs = for_workers(settings)

    def end() -> None:
        bulkhead.close()
        close()

    return ProcessCalls(
        statistics=lambda client, body: bulkhead.submit(client, partial(answer_statistics, theirs), body),
        check=lambda client, body: bulkhead.submit(client, partial(check_batch, theirs, client), body),
        explain=lambda job, script, feature, start, draw: bulkhead.submit(
            job.owner, partial(explain_job, theirs), (job.body, job.owner, script, feature, start, draw)
        ),
        catalog=lambda client, body, address: bulkhead.submit(client, partial(answer_search, theirs), (body, address)),
        collections=collections(settings),
        page=page_calls(settings, bulkhead),
        admit=bulkhead.admit,
        close=end,
    )


def service(settings: Settings, engine: Engine) -> JobService:
    """The job service that the routes call."""
    known = collections(settings)

    def check(owner: str, request: Request) -> None:
        check_request(known, request)
        grants(owner, settings).check(request)

    now, quota = clock_of(engine), partial(quota_of, settings.quotas)
    return JobService(job_store(settings, engine), settings.policy, check, now, quota)


def job_store(settings: Settings, engine: Engine) -> SqlJobStore:
    """The store of jobs, which encrypts request bodies."""
    return SqlJobStore(engine, request_cipher(settings, engine))


def runner(settings: Settings, engine: Engine, executor: Executor, run_metrics: RunMetrics | None = None) -> Runner:
    """A runner on this database; its activity is counted in `run_metrics`."""
    run_metrics = run_metrics or RunMetrics()
    jobs = job_store(settings, engine)
    reading = feature_processes(settings)
    reader = header_reader(settings, reading.submit)
    searching = catalog_processes(settings)

    # An analysis that stood still for longer may have lost its lease, or its script may have timed out because of it.
    patience = min(settings.policy.lease_seconds, max(LEAST_PATIENCE, settings.script_seconds))

    def analyse_job(job: Job, wanted: Callable[[], bool]) -> Analysis:
        services = services_for(job.owner, settings)
        isolated = isolated_features(settings, services.objects, reading, job.owner, wanted)
        allowed = operator_limits(settings, max(1, executor.slots), quota_of(settings.quotas, job.owner))
        catalog = services.catalog if searching is None else isolated_catalog(settings, searching, wanted)
        services = replace(services, reader=reader, features=isolated, catalog=catalog)
        with HeldObjects(services.objects, patience) as held, while_wanted(wanted):
            try:
                return analysis(job, replace(services, objects=held), settings, allowed, wanted)
            except (CallerError, ScriptError):
                held.check()
                raise

    def close() -> None:
        reading.close()
        if searching is not None:
            searching.close()

    functions = WorkFunctions(
        analyse=analyse_job,
        process=partial(process_lease, for_workers(settings)),
        parse=lambda job: parse_batch(job.body, job.owner),
        give_up=lambda lease, error: give_up_lease(
            jobs.get(lease.job_id), lease, error, services_for(lease.owner, settings), settings
        ),
        analysed=run_metrics.analysed,
        finished=run_metrics.finished,
        retried=run_metrics.retried,
        exhausted=partial(is_exhausted, settings, engine),
        close=close,
    )
    now = clock_of(engine)
    return Runner(jobs, work_store(settings, engine), executor, functions, settings.policy, now=now)


def work(settings: Settings, stop: threading.Event) -> None:
    """Run a runner until `stop` is set. Raises InvalidSetting."""
    configure(settings.log_format, trace_fields)
    announce(unfiltered=settings.unfiltered_scripts)
    check_traces(settings.otlp_endpoint)
    export_traces(settings.otlp_endpoint, "runner")
    engine = database(settings)
    check_keys(settings, engine)
    run_metrics = RunMetrics()
    executor = executor_of(settings)
    periodic = PeriodicTasks(periodic_tasks(settings, engine, run_metrics))
    try:
        runner(settings, engine, executor, run_metrics).run(stop)
    finally:
        executor.close()
        periodic.close()
        engine.dispose()  # the last process that closes a file of SQLite takes up its journal


def periodic_tasks(settings: Settings, engine: Engine, run_metrics: RunMetrics) -> tuple[PeriodicTask, ...]:
    """The periodic tasks of a runner."""
    now, retention = clock_of(engine), SqlRetention(engine, request_cipher(settings, engine))
    keep = timedelta(hours=settings.policy.failed_keys_hours)
    found = [
        PeriodicTask(
            name="Counting", seconds=COUNT_SECONDS, action=partial(save_metrics, SqlCounters(engine), run_metrics)
        ),
        PeriodicTask(
            name="Taking secrets out of ended jobs",
            seconds=SWEEP_SECONDS,
            action=lambda: retention.scrub_final(now(), now() - keep),
        ),
    ]
    if (days := settings.policy.retention_days) is not None:
        age = timedelta(days=days)
        found.append(
            PeriodicTask(
                name="Forgetting old jobs", seconds=SWEEP_SECONDS, action=lambda: retention.forget(now() - age)
            )
        )
    return tuple(found)


def save_metrics(counters: SqlCounters, run_metrics: RunMetrics) -> None:
    """Move the collected metrics to the database. What it refuses is only logged; after other errors they are kept."""
    amounts = run_metrics.take()
    try:
        if amounts:
            counters.add(amounts)
    except DatabaseRefused:
        log.exception("The runner's metrics cannot be stored: %s", dict(amounts))
    except BaseException:
        run_metrics.put_back(amounts)
        raise
