"""Page: constructor calls for what the page's routes call. Results and files are read in a server's other processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from arpent.adapters.formats.results.features import JobFeatures
from arpent.adapters.formats.results.tables import JobTables
from arpent.adapters.formats.results.view import ResultView
from arpent.domain.job import Job
from arpent.domain.ports.execution import Bulkhead, PendingCall
from arpent.domain.ports.page import PageCalls
from arpent.engine.output_keys import own
from arpent.evalscript.indices.masks import usual_mask
from arpent.evalscript.indices.script import IndexQuery, index_offers, index_script
from arpent.jobs.bucket_grants import client_folder
from arpent.settings import Settings
from arpent.wire.features import render_features
from arpent.wire.request.access import features_at
from arpent.wire.request.parse import parse_batch
from arpent.wire.secrets import without_forgotten
from arpent.worker import collections, for_workers, grants, services_for


@dataclass(frozen=True, slots=True)
class JobAsked:
    """A job whose results are being viewed."""

    id: str
    """Id of the job."""
    owner: str
    """Id of its client."""
    body: str = field(repr=False)
    """JSON text of its request, including the keys in it."""
    moment: str
    """A text that changes whenever the results may have changed."""
    analysis: str
    """A text that changes whenever the job's features may have changed."""


def view_results(settings: Settings, wish: tuple[JobAsked, str, tuple[Any, ...]]) -> bytes:
    """What the page shows of a job's results. `wish`: the job, the name of a method of ResultView, and its arguments.
    Raises CallerError or WorldError."""
    asked, method, arguments = wish
    view = _result_view(settings.model_dump_json(exclude={"database_url", "secret_key"}), asked)
    shown: bytes = getattr(view, method)(*arguments)
    return shown


@lru_cache(maxsize=2)
def _result_view(serialised: str, asked: JobAsked) -> ResultView:
    return ResultView(_job_features(serialised, replace(asked, moment="")))


@lru_cache(maxsize=2)
def _job_features(serialised: str, asked: JobAsked) -> JobFeatures:
    """The features of a job, which remain valid when its results change."""
    settings = Settings.model_validate_json(serialised)
    request = parse_batch(without_forgotten(asked.body), asked.owner)
    assert request.output is not None, "a batch request has one"
    return JobFeatures(JobTables(services_for(asked.owner, settings).objects, own(request.output, asked.id, "")))


def describe_features(settings: Settings, wish: tuple[str, str]) -> bytes:
    """JSON that describes a file of features. `wish`: client id and URL. Raises InvalidRequest, FeaturesUnreadable or
    WorldError."""
    client, url = wish
    return render_features(services_for(client, settings).features.features(features_at(url, "url")))


def upload_places(settings: Settings, client: str) -> list[str]:
    """Where a client may upload files: `bucket` or `bucket/prefix`, ascending; nowhere if buckets are not folders."""
    if settings.buckets is None:
        return []
    root = Path(client_folder(str(settings.buckets), client))
    try:
        buckets = sorted(entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
    return grants(client, settings).places(buckets)


def store_upload(settings: Settings, client: str, url: str, payload: bytes) -> None:
    """Store a file for a client. Raises InvalidRequest, StorageDenied, StorageNotFound, StorageUnavailable."""
    services_for(client, settings).objects.write(features_at(url, "place"), payload)


def page_calls(settings: Settings, bulkhead: Bulkhead) -> PageCalls:
    """The calls of the page's routes, which read results and files in the bulkhead's processes."""
    theirs = for_workers(settings)

    def results(job: Job, method: str, arguments: tuple[Any, ...]) -> PendingCall[bytes]:
        progress = job.progress
        moment = f"{job.status} {job.last_updated} {progress.done} {progress.failed} {progress.open}"
        # Once PROCESSING has begun, a job is not analysed again.
        analysis = f"{job.status} {job.last_updated}" if job.begun is None else "done"
        asked = JobAsked(id=job.id, owner=job.owner, body=job.body, moment=moment, analysis=analysis)
        return bulkhead.submit(job.owner, partial(view_results, theirs), (asked, method, arguments))

    return PageCalls(
        results=results,
        describe=lambda client, url: bulkhead.submit(client, partial(describe_features, theirs), (client, url)),
        places=partial(upload_places, settings),
        store=partial(store_upload, settings),
        script=script_of_indices,
        offers=lru_cache(maxsize=1)(partial(page_offers, settings)),  # the same for everybody
        most_upload=settings.upload_bytes,
        basemap=settings.basemap,
    )


def script_of_indices(names: Sequence[str], collection: str, mask: bool) -> str:
    """The evalscript of these indices; `mask`: with the collection's first cloud mask. Raises InvalidRequest."""
    return index_script(IndexQuery(index=names, collection=collection, mask=usual_mask(collection) if mask else None))


def page_offers(settings: Settings) -> dict[str, object]:
    """What the form offers to every client: collections with the indices that their bands allow, the usual ones first,
    and whether clouds can be masked."""
    return {"collections": index_offers({collection.id for collection in collections(settings).values()})}
