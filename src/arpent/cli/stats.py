"""`arpent stats`: a file of fields in, a table out, without JSON, buckets or a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from arpent.api.fields import Columns
from arpent.api.files import check_ending, check_long_table, save
from arpent.api.query import names_of, query_of
from arpent.api.statistics import answer_of
from arpent.cli.row_lines import row_lines
from arpent.domain.errors import InvalidRequest
from arpent.settings import load
from arpent.wire.job import rows_object
from arpent.wiring import local


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsOptions:
    """The options as typed on the command line."""

    features: Path
    catalog: str
    output: Path
    start: str
    end: str
    every: str
    resolution: str
    index: str | None
    script: Path | None
    mask_clouds: bool
    collection: str
    order: str
    max_cloud_coverage: float | None
    percentiles: str | None
    pixels: str
    more: str | None
    shares: str | None
    columns: str | None
    id: str | None
    wide: bool
    executor: str | None
    update: Path | None = None


def stats(options: StatsOptions, console: Console) -> dict[str, Any]:
    """Compute and write the table; returns JSON fields: `rows`, `files`, `hints`. Raises CallerError, ScriptError or
    WorldError; ArpentError if the job failed."""
    check_ending(options.output)
    local.begin_processes(load(catalog=options.catalog, executor=options.executor))
    if options.update is not None:
        check_long_table(options.update)
        if options.wide and options.output.resolve() == options.update.resolve():
            raise InvalidRequest("--wide with --update needs another file, -o: a wide table cannot be updated again")
    query = query_of(
        start=options.start,
        end=options.end,
        every=options.every,
        resolution=options.resolution,
        index=options.index,
        script=options.script,
        mask_clouds=options.mask_clouds,
        collection=options.collection,
        order=options.order,
        max_cloud_coverage=options.max_cloud_coverage,
        percentiles=_numbers(options.percentiles),
        pixels=options.pixels,
        more=options.more,
        shares=_classes(options.shares),
    )
    columns = Columns(keep=None if options.columns is None else names_of(options.columns), id=options.id)
    found = answer_of(
        options.features, options.catalog, query, columns, executor=options.executor, progress=console.is_terminal,
        earlier=options.update,
    )  # fmt: skip
    files = save(found, options.output, wide=options.wide)
    rows = rows_object(found.counts)
    for line in (*row_lines(rows), *found.hints):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return {
        "status": "DONE",
        "files": [str(path) for path in files],
        "rows": {"features": found.features, "intervals": found.intervals, **rows},
        "hints": list(found.hints),
    }


def _numbers(text: str | None) -> tuple[float, ...]:
    """The numbers in `5,50,95`. Raises InvalidRequest."""
    try:
        return tuple(float(part) for part in names_of(text))
    except ValueError:
        raise InvalidRequest(f"--percentiles {text!r:.60} must be numbers from 0 to 100: 5,50,95") from None


def _classes(text: str | None) -> dict[str, int]:
    """The classes in `vegetation=4,soil=5`. Raises InvalidRequest."""
    try:
        return {name.strip(): int(value) for name, value in (part.split("=") for part in names_of(text))}
    except ValueError:
        raise InvalidRequest(f"--shares {text!r:.60} must be names and whole numbers: vegetation=4,soil=5") from None
