"""`arpent run`: a job without a server and without a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from rich.console import Console

from arpent import worker
from arpent.api.progress import compiling
from arpent.api.run import run_request
from arpent.cli.progress_bar import bar_of
from arpent.domain.errors import ArpentError
from arpent.domain.finding import INCOMPLETE, Finding
from arpent.domain.job import NO_ROWS, Job, Status
from arpent.domain.location import ID, REQUEST_ID
from arpent.engine.output_keys import template
from arpent.jobs.state_machine import completion
from arpent.settings import Settings
from arpent.wire.job import hint, rows_object
from arpent.wire.request.parse import parse_batch
from arpent.wiring import local

INCOMPLETE_KINDS = (INCOMPLETE, "intervals-failed")
"""Kinds of findings about features that lack some of their intervals because of an error."""
COMPILING = "COMPILING, once"
"""What the bar says while kernels are compiled for this machine; see `arpent warm`."""
COMMONEST = 5
"""Maximum number of kinds of findings that are reported."""


def run(settings: Settings, body: str, console: Console) -> dict[str, Any]:
    """Run one request; returns its outcome as JSON fields. Raises CallerError for an invalid request, ArpentError if
    the job failed."""
    worker.check_places(settings)
    local.begin_processes(settings)
    progress = bar_of(console)
    bar = progress.add_task(str(Status.CREATED), total=100)
    with ExitStack() as shown:

        def show(**fields: Any) -> None:
            if not progress.live.is_started:  # only once the request is known to be valid
                shown.enter_context(progress)
            progress.update(bar, **fields)

        def watch(job: Job) -> None:
            show(description=str(job.status), completed=completion(job, settings.policy))

        def compiler(at_work: bool) -> None:
            if at_work:
                show(description=COMPILING)

        with compiling(compiler):
            ran = run_request(settings, body, watch)
    if ran.job.status is Status.FAILED:
        raise ArpentError(ran.job.error or "the job failed")
    return _outcome(ran.job, ran.findings)


def _outcome(job: Job, findings: Sequence[Finding]) -> dict[str, Any]:
    request = parse_batch(job.body)
    assert request.output is not None, "a batch request has an output"
    folder = request.output.at(template(request.output).replace(REQUEST_ID, job.id).split(ID, 1)[0])
    return {
        "id": job.id,
        "status": str(job.status),
        "features": job.progress.features,
        "done": job.progress.done,
        "failed": job.progress.failed,
        "incomplete": sum(each.kind in INCOMPLETE_KINDS for each in findings),
        "rows": rows_object(job.progress.rows or NO_ROWS),
        "findings": [
            {"verdict": verdict, "kind": kind, "features": count, "message": message}
            for (verdict, kind), count, message in commonest(findings)
        ],
        "finding_lines": [
            f"{count:,} features {kind}, such as: {text}" for (_, kind), count, text in commonest(findings)
        ],
        "output": folder.url,
        "costPU": job.progress.processing_units,
        **({"hint": text} if (text := hint(job)) else {}),
    }


def commonest(findings: Sequence[Finding]) -> Iterator[tuple[tuple[str, str], int, str]]:
    """((verdict, kind), number of features, message of the first of them), the most common first."""
    first: dict[tuple[str, str], str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for each in findings:
        first.setdefault((str(each.verdict), each.kind), each.message)
        counts[(str(each.verdict), each.kind)] += 1
    for key, count in counts.most_common(COMMONEST):
        yield key, count, first[key]
