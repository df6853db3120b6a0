"""Local: a query about some fields, answered on this machine by the engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from arpent import worker
from arpent.adapters.features.temporary_folder import temporary_folder
from arpent.api.fields import Fields
from arpent.api.query import Query, body_of
from arpent.api.run import FinishedRun, run_features
from arpent.api.tables import long_table
from arpent.api.update import earlier_results, fingerprints_in
from arpent.api.zones import in_metres
from arpent.domain.errors import WorldError
from arpent.domain.job import NO_ROWS, Job, RowCounts
from arpent.domain.request import ResultForm
from arpent.settings import Settings
from arpent.wire.origin import origin
from arpent.wire.request.parse import parse_batch

Watch = Callable[[Job, int, int], None]
"""Callback: takes the job, the index of its group of features (from 0), and the number of groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to a query."""

    rows: pa.Table
    """The long table; see `api.tables`."""
    fields: Fields
    features: int
    """Number of features."""
    intervals: int
    """Number of intervals."""
    counts: RowCounts
    """Number of rows by outcome; a row is one feature in one interval."""
    hints: tuple[str, ...]
    """Remarks on what is allowed but probably not intended."""
    fingerprints: bytes
    """What a later update compares; stored in the metadata of the long table."""
    about: str
    """Provenance as JSON: software, collection, the request, the CRS of the grids."""


def answer(settings: Settings, fields: Fields, query: Query, watch: Watch, earlier: Path | None = None) -> Answer:
    """Compute the answer. `earlier`: a long table whose rows are kept if they are still valid. Raises CallerError,
    ScriptError or WorldError (also if the catalogue was unavailable for some features of an update), and ArpentError if
    a job failed."""
    body = body_of(query, worker.collections(settings))
    request = parse_batch(body)
    with temporary_folder() as folder:
        for bucket in ("fields", "results"):
            Path(folder, bucket).mkdir()
        if earlier is not None and (update := earlier_results(earlier, Path(folder, "results"))) is not None:
            body = json.dumps({**json.loads(body), "update": update})
        wish = {"buckets": Path(folder), "parquet": True, "results": ResultForm.TABLE, "bucket_grants": {}}
        own = settings.model_copy(update=wish)
        groups = list(in_metres(fields.features))
        ran: list[FinishedRun] = []
        for number, features in enumerate(groups):
            labelled = partial(_labelled, watch, number, len(groups))
            ran.append(run_features(own, body, features, labelled))
            if ran[-1].away is not None and earlier is not None and earlier.exists():  # its numbers would be lost
                raise WorldError(f"{ran[-1].away} {earlier} is left as it was; run the update again later.")
        folders = [Path(folder, "results", one.job.id) for one in ran]
        rows = long_table([one / "parquet" for one in folders], fields.table)
        fingerprints = fingerprints_in(folders, fields, rows)
    hints = tuple(dict.fromkeys(hint for one in ran for hint in one.job.hints))
    return Answer(
        rows=rows,
        fields=fields,
        features=len(fields.features),
        intervals=len(request.intervals),
        counts=sum((one.job.progress.rows or NO_ROWS for one in ran), NO_ROWS),
        hints=hints,
        fingerprints=fingerprints,
        about=json.dumps(
            {
                **json.loads(origin(request)),
                "gridCrs": [f"EPSG:{features.crs.to_epsg()}" for features in groups],
                "catalog": settings.catalog,
            },
            ensure_ascii=False,
        ),
    )


def _labelled(watch: Watch, number: int, count: int, job: Job) -> None:
    watch(job, number, count)
