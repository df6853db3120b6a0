"""Local: constructor calls for work without a database or a web server: for `arpent run`, the Python API, and the part
of a server's runner that works in the same way."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from arpent.adapters.catalogs.geoparquet.isolated import IsolatedCatalog
from arpent.adapters.catalogs.routing import reads_parquet
from arpent.adapters.database.work.payload import pack, unpack
from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.executors.processes.bulkhead import RESERVE, ProcessBulkhead
from arpent.adapters.executors.processes.executor import ProcessExecutor
from arpent.adapters.executors.processes.fork_server import begin_here
from arpent.adapters.executors.processes.limits import CallLimits
from arpent.adapters.features.by_size import FeaturesBySize
from arpent.adapters.features.direct import load_readers
from arpent.adapters.features.isolated import IsolatedFeatures
from arpent.adapters.formats.vector.files import load_libraries
from arpent.adapters.images.other_formats import IsolatedHeader
from arpent.adapters.images.reader import CogReader
from arpent.adapters.objects.held import HeldObjects
from arpent.domain.boundary.unforeseen import sentence
from arpent.domain.errors import ArpentError, InvalidSetting, WorldError
from arpent.domain.imagery.collection import Collection
from arpent.domain.job import Job
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.execution import Bulkhead, Executor, PendingCall
from arpent.domain.ports.features import FeatureSource
from arpent.domain.ports.imagery import Catalog
from arpent.domain.ports.jobs import Lease
from arpent.domain.ports.storage import ObjectStore
from arpent.domain.request import Request
from arpent.engine.analysis.analyse import analyse
from arpent.engine.processing.process import give_up
from arpent.engine.services import Limits, Services
from arpent.jobs.in_flight import SPARE_PLACES
from arpent.jobs.policy import Quota
from arpent.settings import Settings
from arpent.wire.request.parse import check_collections, parse_batch
from arpent.worker import (
    access_of,
    catalog_addresses,
    direct_features,
    egress_policy,
    for_workers,
    load_readings,
    load_work,
    prepare_guest,
    prepare_process,
    prepare_readings,
    result_form,
    search_catalog,
    with_results,
    with_table,
)

MOST_READINGS = 256
"""Maximum number of waiting readings of one client. The runner limits its analyses, and each analysis limits the
headers that it requests."""
HEADERS, SEARCHES = "headers of images", "searches of catalogues"
HEADER_SECONDS = 30.0
"""Time limit for the header of an image that only GDAL can read."""
SEARCH_SECONDS, SEARCH_MEMORY = 240.0, 2048
"""Limits of one search of stac-geoparquet, in seconds and mebibytes; the search itself stops after 200 s."""
SEARCH_ADVICE = "Write its files again, in row groups of 5,000 to 20,000 items."
SMALL_FILE = 16 << 20
"""Maximum bytes of a file of features that a command reads in its own process."""
PACK = partial(pack, measured=True)
"""How a process that reads files passes features to an analysis."""
SCRIPT_LIMITS = 20
"""A partition may lack progress for at least this many time limits of a script: to find the features on which a script
does not end takes eight of them."""
CLUSTERS = {"dask": "tcp", "dask+tls": "tls"}
"""Scheme of a Dask cluster's address in the settings → the scheme that Dask uses."""


def header_reader(settings: Settings, submit: Callable[..., PendingCall[Any]]) -> CogReader:
    """The image reader of an analysis, which needs only headers. `submit`, of a bulkhead, opens unusual images in
    another process, which may crash on them."""
    # Headers are read for a client of their own, so that they never wait behind the files of a client's features.
    isolated = partial(IsolatedHeader, partial(submit, HEADERS, seconds=HEADER_SECONDS))
    return CogReader(other_formats=isolated, policy=egress_policy(settings), access=access_of(settings))


def feature_processes(settings: Settings, reserve: int = RESERVE) -> ProcessBulkhead:
    """The processes that read files of features, and open images with GDAL, for a runner's analyses; started when
    needed. With a `reserve` of 0 there is one process, for one job."""
    first = partial(prepare_readings, settings.log_format, for_workers(settings).otlp_endpoint)
    return ProcessBulkhead(
        1,
        CallLimits(seconds=settings.features_seconds, memory_mib=settings.features_memory),
        queue=MOST_READINGS,
        prepare=partial(load_readers, first, load_libraries, PACK),
        load=load_readings,
        kept_ready=False,
        reserve=reserve,
    )


def catalog_processes(settings: Settings) -> ProcessBulkhead | None:
    """The process that searches stac-geoparquet for a runner's analyses, started when needed; None if no catalogue is
    of that kind."""
    default, others = catalog_addresses(settings)
    if not any(address and reads_parquet(address) for address in (default, *others.values())):
        return None
    return ProcessBulkhead(
        1,
        CallLimits(seconds=SEARCH_SECONDS, memory_mib=SEARCH_MEMORY, advice=SEARCH_ADVICE),
        queue=MOST_READINGS,
        prepare=partial(prepare_process, settings.log_format),
        kept_ready=False,
        reserve=0,  # all calls are of one client: a second process would read all file footers again
    )


def isolated_catalog(settings: Settings, searching: Bulkhead, wanted: Callable[[], bool]) -> Catalog:
    """The catalogues of the settings, searched in the processes `searching` for as long as `wanted` returns True."""
    search = partial(search_catalog, for_workers(settings))
    return IsolatedCatalog(partial(searching.submit, SEARCHES), search, wanted)


def isolated_features(
    settings: Settings, store: ObjectStore, reading: Bulkhead, client: str, wanted: Callable[[], bool]
) -> FeatureSource:
    """A source of features that reads files of this client's store in the processes `reading`, for as long as `wanted`
    returns True."""
    return IsolatedFeatures(
        direct_features(settings, store), partial(reading.submit, client), pack=PACK, unpack=unpack, wanted=wanted
    )


def file_features(
    settings: Settings, store: ObjectStore, reading: Bulkhead, client: str, wanted: Callable[[], bool]
) -> FeatureSource:
    """Like `isolated_features`, but reads a small file in this process, because starting another takes longer."""
    isolated = isolated_features(settings, store, reading, client, wanted)
    return FeaturesBySize(direct_features(settings, store), isolated, SMALL_FILE)


def begin_processes(settings: Settings) -> None:
    """First step of a command, before it starts threads. If it is set to use worker processes, they are forked from
    this one, which has imported what they need; otherwise the fork would cost more than it saves."""
    if "executor" in settings.model_fields_set and settings.executor.startswith("processes"):
        load_work()
        begin_here()


def executor_of(settings: Settings, *, ready: bool = False) -> Executor:
    """The executor for `inline`, `processes`, `processes:N`, `dask://host:port` or `dask+tls://host:port`. `ready`:
    start its processes now, not when there is work. Raises InvalidSetting if Dask is not installed, WorldError if no
    cluster answers."""
    kind, _, rest = settings.executor.partition(":")
    if kind == "inline":
        return InlineExecutor()
    if kind in CLUSTERS:
        guest = partial(prepare_guest, settings.log_format)
        return cluster(f"{CLUSTERS[kind]}:{rest}", guest, settings.policy.lease_seconds)
    prepare = partial(prepare_process, settings.log_format)
    workers, limits = int(rest) if rest else os.cpu_count() or 1, CallLimits(still_seconds=stall_seconds(settings))
    executor = ProcessExecutor(workers, prepare, SPARE_PLACES, load_work, limits)
    if ready:
        executor.make_ready()
    return executor


def stall_seconds(settings: Settings) -> float | None:
    """Seconds without progress after which a partition counts as hung; None: never."""
    wanted = settings.policy.stall_seconds
    return max(wanted, SCRIPT_LIMITS * settings.script_seconds) if wanted else None


def cluster(address: str, prepare: Callable[[], None], silence_seconds: float) -> Executor:
    """An executor on a Dask cluster. A worker that is silent for as long as a lease lasts loses its work, as a runner
    would. Raises InvalidSetting if Dask is not installed, WorldError if the cluster does not answer."""
    try:
        from arpent.adapters.executors.dask.executor import DaskExecutor
    except ImportError:
        raise InvalidSetting("ARPENT_EXECUTOR names a Dask cluster, which needs pip install 'arpent[dask]'") from None
    try:
        return DaskExecutor(address, prepare, silence_seconds)
    except WorldError as error:
        raise WorldError(f"{error} (ARPENT_EXECUTOR, or --executor)", transient=error.transient) from error


def operator_limits(settings: Settings, parallelism: int = 1, quota: Quota | None = None) -> Limits:
    """The limits that the settings define; a client's quota may lower them."""
    own = None if quota is None else quota.features
    features = [each for each in (settings.policy.maximum_features, own) if each is not None]
    return Limits(
        pixel_budget=settings.pixel_budget,
        parallelism=parallelism,
        maximum_features=min(features, default=None),
        lenient_histograms=settings.lenient_histograms,
    )


def analysis(
    job: Job, services: Services, settings: Settings, allowed: Limits, wanted: Callable[[], bool] = lambda: True
) -> Analysis:
    """Analyse a job. Raises NoLongerWanted soon after `wanted` returns False."""
    request = parse_batch(job.body, job.owner)
    return analyse(job.id, request, with_table(services, result_form(request, settings)), allowed, wanted)


def give_up_lease(job: Job, lease: Lease, error: Exception, services: Services, settings: Settings) -> Outcome:
    """Write the error as the result of every feature in the leased partition."""
    assert lease.partition is not None, "an analysis has no files"
    reason = ArpentError(sentence(error))
    request = lease.request or parse_batch(job.body, job.owner)
    with HeldObjects(services.objects, settings.policy.lease_seconds) as held:
        services = replace(services, objects=held)
        services = with_results(services, lease.job_id, request, lease.partition, settings)
        return give_up(lease.job_id, request, lease.partition, reason, services)


def check_request(known: Mapping[str, Collection], request: Request) -> None:
    """Check a new job's request against the known collections. Raises InvalidRequest."""
    check_collections(request, known.get)


def now() -> datetime:
    """The current time, aware, UTC."""
    return datetime.now(UTC)
