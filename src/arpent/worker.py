"""Worker: everything that a process needs to compute partitions or calls of a server. It does not load the web server
or the database, which would take a second and 100 MB per process."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from arpent.adapters.catalogs.routing import catalog_path, open_catalog
from arpent.adapters.collections.files import load_collections
from arpent.adapters.features.direct import DirectFeatures
from arpent.adapters.formats.job_files import fingerprints_of, open_earlier, stac_collection
from arpent.adapters.formats.parquet_table import table_of
from arpent.adapters.formats.vector.files import copy_file, load_libraries, read_file, read_one
from arpent.adapters.formats.vector.without_pandas import leave_pandas_out
from arpent.adapters.images.kept.blocks import KeptBlocks
from arpent.adapters.images.kept.ranges import FOLDER, KeptRanges
from arpent.adapters.images.reader import CogReader
from arpent.adapters.objects.folded import FoldedObjects
from arpent.adapters.objects.folder import FolderObjects
from arpent.adapters.objects.granted import GrantedObjects
from arpent.adapters.objects.held import HeldObjects
from arpent.adapters.scripts.jit.kernel_folder import tolerate_faults
from arpent.adapters.scripts.jit.runtime import CompiledRuntime
from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.adapters.sources.access import TableAccess
from arpent.adapters.sources.table import catalog_address, presets, source_table
from arpent.adapters.traces.sending import can_export, export_traces
from arpent.domain.boundary.address_grammar import ACCESS_KEY, MACHINE_REGION, SECRET_KEY
from arpent.domain.boundary.client_ids import LOCAL
from arpent.domain.boundary.span import Attribute
from arpent.domain.boundary.trace import read_trace, spanned, trace_fields
from arpent.domain.errors import InvalidSetting
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.partition import Outcome, Partition
from arpent.domain.ports.jobs import Lease
from arpent.domain.ports.scripts import ScriptRuntime
from arpent.domain.ports.storage import ObjectStore
from arpent.domain.request import Request, ResultForm
from arpent.engine.output_keys import own
from arpent.engine.processing.process import process
from arpent.engine.services import Limits, Services, SynchronousLimits
from arpent.engine.statistics import statistics
from arpent.jobs.bucket_grants import CLIENT_ID, BucketGrants, client_folder, grants_of
from arpent.logs import configure
from arpent.network.policy import EgressPolicy, is_web_address, policy_of
from arpent.network.source import SourceTable
from arpent.settings import Settings
from arpent.wire.request.body import SentBody
from arpent.wire.request.parse import check_collections, parse_batch, parse_statistical
from arpent.wire.secrets import without_forgotten

RUNNER_NICENESS = 3
"""Niceness of a runner that a server starts next to itself; the runner's workers add more."""
STORES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "GOOGLE_BASE_URL")
"""Environment variables with addresses of object stores. The store library panics if it cannot parse an address."""
OWN = {
    "AWS_REGION": MACHINE_REGION, "AWS_DEFAULT_REGION": MACHINE_REGION, "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
}  # fmt: skip
"""Environment variables that become part of addresses and headers → their permitted form."""
ACCOUNT = "GOOGLE_APPLICATION_CREDENTIALS"
"""Environment variable that names this machine's service account file."""


def process_lease(settings: Settings, lease: Lease) -> Outcome:
    """Process the leased partition; needs access to images and buckets, but not to the database."""
    assert lease.partition is not None, "an analysis stays with the runner"
    assert lease.request is not None, "the runner puts it in"
    final = lease.attempt >= settings.policy.attempts
    services = services_for(lease.owner, settings)
    export_traces(settings.otlp_endpoint, "worker")
    about: dict[str, Attribute] = {"arpent.job": lease.job_id, "arpent.partition": lease.partition.number}
    held = HeldObjects(services.objects, settings.policy.lease_seconds)
    with spanned("process", read_trace(lease.trace), **about) as told, held:
        services = replace(services, objects=held)
        services = with_results(services, lease.job_id, lease.request, lease.partition, settings)
        outcome = process(lease.job_id, lease.request, lease.partition, services, final=final)
        told |= {"arpent.features.done": outcome.done, "arpent.features.failed": outcome.failed}
        told |= {f"arpent.seconds.{stage}": seconds for stage, seconds in outcome.seconds}
        return outcome


def result_form(request: Request, settings: Settings) -> ResultForm:
    """Which results a job writes."""
    form = request.results or settings.results
    return ResultForm.FILES if form is ResultForm.FILES_AND_TABLE and not settings.parquet else form


def with_table(services: Services, form: ResultForm) -> Services:
    """The services, with writers of a table, its rows' fingerprints and a STAC collection if the job has a table."""
    if form is ResultForm.FILES:
        return services
    return replace(services, table=table_of, fingerprints=fingerprints_of, collection=stac_collection)


def with_results(
    services: Services, job_id: str, request: Request, partition: Partition, settings: Settings
) -> Services:
    """The services for a partition: as `with_table`, and with its files folded into one if only a table is wanted."""
    form = result_form(request, settings)
    services = with_table(services, form)
    if form is not ResultForm.TABLE:
        return services
    assert request.output is not None, "a batch request has an output"
    name = f"round-{partition.round:03d}-part-{partition.number:06d}"
    return replace(services, objects=FoldedObjects(services.objects, own(request.output, job_id, ""), name))


def prepare_process(log_format: Literal["text", "json"]) -> None:
    """Initialise a process of arpent, before anything else."""
    leave_pandas_out()
    prepare_guest(log_format)


def prepare_guest(log_format: Literal["text", "json"]) -> None:
    """Initialise a process of others, such as a cluster's worker, in which other code may use pandas."""
    configure(log_format, trace_fields)
    tolerate_faults()


def load_work() -> None:
    """Load what computing needs, in the process that the workers are then forked from. Starts no threads."""
    from numba.core.registry import cpu_target

    leave_pandas_out()
    cpu_target.typing_context.refresh()  # numba lists all functions that it knows, which takes 0.2 s
    cpu_target.target_context.refresh()


def load_readings() -> None:
    """As `load_work`, for processes that read features files."""
    leave_pandas_out()
    load_libraries()


def prepare_readings(log_format: Literal["text", "json"], otlp_endpoint: str | None) -> None:
    """Initialise a process that reads features files for a runner's analyses."""
    prepare_process(log_format)
    export_traces(otlp_endpoint, "reader")


def prepare_calls(settings: Settings) -> None:
    """Load what a first call would otherwise wait for, and lower this process's priority to the niceness of a runner,
    so that calls do not get more of the machine than the workers of partitions."""
    os.nice(RUNNER_NICENESS)
    prepare_process(settings.log_format)
    export_traces(settings.otlp_endpoint, "answers")
    quick_services(settings)


def answer_statistics(settings: Settings, body: SentBody) -> tuple[bytes, float, tuple[str, ...]]:
    """Answer a synchronous request: (JSON, processing units, hints). Raises CallerError, ScriptError or WorldError."""
    request, services = parse_statistical(body.whole()), quick_services(settings)
    check_collections(request, services.collections.get)
    return statistics(request, services, synchronous_limits(settings))


def answer_search(settings: Settings, search: tuple[SentBody, str]) -> bytes:
    """A page of results of a Catalog API search. `search`: body of the request, address of the API. Raises
    InvalidRequest, CatalogUnavailable."""
    from arpent.engine.catalog_search import search_page  # workers of partitions do not need it

    return search_page(search[0].whole(), search[1], services_of(settings))


def search_catalog(
    settings: Settings, search: tuple[Collection, Interval, tuple[float, float, float, float]]
) -> tuple[Item, ...]:
    """Search the catalogue on behalf of another process. Raises CatalogUnavailable."""
    return services_of(settings).catalog.search(*search)


def check_batch(settings: Settings, client: str, body: SentBody) -> str:
    """Check a client's batch request, and return its JSON text. Raises InvalidRequest."""
    text = body.whole()
    request = parse_batch(text, client)
    check_collections(request, services_of(settings).collections.get)
    grants(client, settings).check(request)
    return text


def explain_job(settings: Settings, asked: tuple[str, str, str | None, int, datetime | None, bool]) -> bytes:
    """The explanation of a feature's numbers as JSON or PNG. `asked`: the job's body and owner, the analysed script
    (None: that of the request), the feature's id, the start of the interval (None: the first with data), whether to
    return a PNG. Raises CallerError, ScriptError or WorldError."""
    from arpent.engine.explain import explain_feature  # workers of partitions do not need it
    from arpent.wire.explanation import render_explanation

    body, owner, script, feature, start, draw = asked
    request = parse_batch(without_forgotten(body), owner)
    request = request if script is None else replace(request, script=script)
    found = explain_feature(request, feature, start, services_for(owner, settings), synchronous_limits(settings))
    if not draw:
        return render_explanation(found)
    from arpent.adapters.formats.picture import picture

    return picture(found)


def synchronous_limits(settings: Settings) -> Limits:
    """The limits that the settings define for synchronous requests."""
    return Limits(
        lenient_histograms=settings.lenient_histograms,
        synchronous=SynchronousLimits(
            samples=settings.synchronous_pixel_budget, memory_mib=settings.synchronous_memory
        ),
    )


def for_workers(settings: Settings) -> Settings:
    """The settings for workers, without the database's password and the server's key. If this process cannot send
    traces, workers on this machine cannot either, and should not warn again; workers of a cluster may be able to."""
    heard = settings.executor.startswith("dask") or can_export(settings.otlp_endpoint)
    dropped = {"database_url": "", "secret_key": ()} | ({} if heard else {"otlp_endpoint": None})
    return settings.model_copy(update=dropped)


def services_of(settings: Settings) -> Services:
    """The services, one instance per process and settings, so that image headers and interpreters are reused."""
    return _services(settings.model_dump_json(exclude={"database_url", "secret_key"}))


@lru_cache(maxsize=4)
def _services(serialised: str) -> Services:
    settings = Settings.model_validate_json(serialised)
    if not gc.get_freeze_count():  # once: later it would also keep remains of earlier requests and their processes
        gc.freeze()  # excludes all loaded modules from garbage collection, each of which would take 0.1 s longer
    policy = egress_policy(settings)
    return Services(
        objects=objects(settings),
        catalog=open_catalog(*catalog_addresses(settings), policy, access_of(settings)),
        reader=CogReader(policy=policy, access=access_of(settings), kept=kept_ranges(settings)),
        runtime=script_runtime(settings),
        collections=collections(settings),
        features=direct_features(settings, objects(settings)),
        table=None,  # added by `with_table`, depending on the request
        open_earlier=open_earlier,
        samples_at_once=settings.pixel_budget,
    )


def quick_services(settings: Settings) -> Services:
    """The services for synchronous requests: blocks are decoded on all cores and kept for later requests."""
    services = services_of(settings)
    reader = _keeping_reader(settings.model_dump_json(exclude={"database_url", "secret_key"}))
    return replace(services, reader=reader.for_one_request())


@lru_cache(maxsize=4)
def _keeping_reader(serialised: str) -> KeptBlocks:
    settings = Settings.model_validate_json(serialised)
    policy, access, kept = egress_policy(settings), access_of(settings), kept_ranges(settings)
    reader = CogReader(threads=os.cpu_count() or 1, policy=policy, access=access, kept=kept)
    return KeptBlocks(reader, settings.synchronous_cache << 20)


def kept_ranges(settings: Settings) -> KeptRanges | None:
    """The cache for byte ranges of remote images; None: no cache."""
    return None if settings.cache is None else KeptRanges(*settings.cache_folder())


def services_for(client: str, settings: Settings) -> Services:
    """The services for a client, limited to the buckets that it may use."""
    services = services_of(settings)
    store = objects(settings, client) if has_client_folders(settings) else services.objects
    granted = GrantedObjects(store=store, grants=grants(client, settings))
    return replace(services, objects=granted, features=direct_features(settings, granted))


def has_client_folders(settings: Settings) -> bool:
    """Whether each client has its own folder of buckets."""
    return settings.buckets is not None and CLIENT_ID in str(settings.buckets)


def grants(client: str, settings: Settings) -> BucketGrants:
    """The bucket grants of a client; the operator's own command line may use everything."""
    allowed = {} if client == LOCAL else settings.bucket_grants
    return grants_of(allowed, client, folder=settings.buckets is not None)


def catalog_addresses(settings: Settings) -> tuple[str | None, dict[str, str]]:
    """Addresses of the default catalogue and of catalogues for single collections, with archive names resolved."""
    others = {collection: catalog_address(address) for collection, address in settings.catalogs.items()}
    return (catalog_address(settings.catalog) if settings.catalog else None), others


def access_of(settings: Settings) -> TableAccess:
    """The access keys of all sources, shared within a process. Raises InvalidSetting."""
    named = [address for address in (settings.catalog, *settings.catalogs.values()) if address]
    return _access(source_table(settings.sources, named), egress_policy(settings))


@lru_cache(maxsize=4)
def _access(table: SourceTable, policy: EgressPolicy) -> TableAccess:
    return TableAccess(table, policy)


def egress_policy(settings: Settings) -> EgressPolicy:
    """The hosts and folders that items may refer to: those named by settings and environment variables, and public
    hosts."""
    default, others = catalog_addresses(settings)
    catalogs = [address for address in (default, *others.values()) if address]
    paths = [path for path in map(catalog_path, catalogs) if path is not None]
    return policy_of(
        addresses=(
            *(address for address in catalogs if is_web_address(address)),
            *(address for source in settings.sources.values() for address in source.addresses),
            *(os.environ[name] for name in STORES if is_web_address(os.environ.get(name, ""))),
        ),
        folders=(str(path.parent if path.is_file() else path) for path in paths),
        further=settings.reachable,
    )


def direct_features(settings: Settings, store: ObjectStore) -> DirectFeatures:
    """A source of features files in the store, for processes whose crash is acceptable."""
    tolerate_faults()  # checking outlines uses kernels
    return DirectFeatures(
        objects=store,
        read=partial(read_file, most_bytes=settings.features_bytes),
        read_one=partial(read_one, most_bytes=settings.features_bytes),
        write_copy=partial(copy_file, most_bytes=settings.features_bytes),
        most_bytes=settings.features_bytes,
        most_rows=settings.features_rows,
    )


def script_runtime(settings: Settings) -> ScriptRuntime:
    """The runtime for evalscripts: interpreters, plus a compiler unless the settings disable it."""
    plain = interpreters(settings)
    return CompiledRuntime(plain) if settings.compile_scripts else plain


def interpreters(settings: Settings, *, require_mask: bool = True) -> V8Runtime:
    """Interpreters with the limits from the settings; `require_mask`: reject scripts without a dataMask output."""
    return V8Runtime(
        seconds=settings.script_seconds,
        memory_mib=settings.script_memory,
        require_mask=require_mask,
        unfiltered=settings.unfiltered_scripts,
    )


def objects(settings: Settings, client: str = LOCAL) -> ObjectStore:
    """The object store: folders on disk, or real buckets."""
    if settings.buckets is not None:
        return FolderObjects(Path(client_folder(str(settings.buckets), client)))
    from arpent.adapters.objects.cloud import CloudObjects  # slow to import, with clients of token services

    return CloudObjects(access=access_of(settings))


def collections(settings: Settings) -> Mapping[str, Collection]:
    """Data collections by id and alias."""
    return load_collections(settings.collections)


def check_places(settings: Settings) -> None:
    """Check that folders and files exist and that store addresses are valid. Called only when a user starts a command,
    since a disk that becomes unavailable later may come back. Raises InvalidSetting."""
    for variable in STORES:
        if (address := os.environ.get(variable)) and not is_web_address(address):
            raise InvalidSetting(f"{variable} is {address!r:.80}, but must be like https://host or http://host:9000")
    for variable, form in OWN.items():
        if (value := os.environ.get(variable)) and not form.fits(value):
            raise InvalidSetting(f"{variable} must {form.words}")  # the value is not shown: it may be a secret
    if (account := os.environ.get(ACCOUNT)) and not Path(account).is_file():
        raise InvalidSetting(
            f"{ACCOUNT} names {account}, which is not a file: name the file of a service account, or unset it"
        )
    if settings.buckets is not None:
        above = Path(str(settings.buckets).partition(CLIENT_ID)[0])  # a client's folder is created with the client
        if not above.is_dir():
            raise InvalidSetting(f"ARPENT_BUCKETS names {above}, which is not a folder: create it, or name another")
    if settings.cache is not None:
        folder, _ = settings.cache_folder()
        own = folder / FOLDER  # created later if it does not exist
        for place in (folder, own) if os.path.lexists(own) else (folder,):
            if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
                needs = f"ARPENT_CACHE needs {place}, which is not a folder that this user may write"
                raise InvalidSetting(f"{needs}: create or change it")
    access_of(settings)
    default, others = catalog_addresses(settings)
    named = {"ARPENT_CATALOG": default} if default else {}
    named |= {f"ARPENT_CATALOGS ({name})": address for name, address in others.items()}
    for name, address in named.items():
        if (path := catalog_path(address)) is not None and not path.exists():
            raise InvalidSetting(
                f"{name} names {address}, which does not exist: it must be a folder or file of STAC items, the URL of "
                f"a STAC API, stac-geoparquet (also s3://bucket/prefix), or one of {', '.join(presets())}"
            )
