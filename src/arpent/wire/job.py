"""Job → task and status objects of the real service (sentinelhub.md 1.3); Finding → entry of the features list."""

from __future__ import annotations

import json
from dataclasses import replace

from arpent.domain.finding import Finding
from arpent.domain.interval import iso_microseconds
from arpent.domain.job import Job, RowCounts, Status
from arpent.wire.request.body import deeper_than
from arpent.wire.request.misplaced import request_hints
from arpent.wire.secrets import without_secrets

NO_INTERVAL = (
    "The time range holds no whole interval: the files will hold no statistics. Lengthen aggregation->timeRange, "
    "shorten aggregation->aggregationInterval->of, or set its lastIntervalBehavior to SHORTEN or EXTEND."
)


WAITING = frozenset({Status.ANALYSING, Status.PROCESSING})
"""Statuses in which a job shows what its work is waiting for."""
SHOWN_DEPTH = 200
"""Maximum nesting depth at which a stored request can safely be written as JSON. The limit for new requests is far
lower."""
UNREADABLE = "The stored request cannot be read, or is nested too deeply to be shown; create it again."


def status_object(job: Job, completion: float) -> dict[str, object]:
    """Answer of `GET /{id}/status`, with fields in the order of the real service; absent fields are left out.

    `completion` is the completionPercentage, 0 to 100 (see `jobs.state_machine.completion`). The cost is given twice,
    since the real service sends `costPU` but its OpenAPI document says `costPu` (sentinelhub.md 9). `estimate`,
    `waiting`, `hint` and `progress` are arpent extensions."""
    fields: dict[str, object] = {
        "id": job.id,
        "status": job.status.value,
        "completionPercentage": _bare(round(completion, 2)),
    }
    if job.last_updated is not None:
        fields["lastUpdated"] = iso_microseconds(job.last_updated)
    fields |= {
        "costPU": job.progress.processing_units,
        "created": iso_microseconds(job.created),
        "costPu": job.progress.processing_units,
    }
    if job.status is Status.FAILED and job.error is not None:
        fields["error"] = job.error
    if job.status in WAITING and job.waiting_for is not None and job.waiting_since is not None:
        fields["waiting"] = {"for": job.waiting_for, "since": iso_microseconds(job.waiting_since)}
    if job.status is Status.STOPPED and job.stop_reason is not None:
        fields["stoppedStatusReason"] = job.stop_reason.value
    if job.estimate:
        fields["estimate"] = {name: _bare(number) for name, number in job.estimate.items()}
    if text := hint(job):
        fields["hint"] = text
    if job.progress.features or job.progress.partitions:
        fields["progress"] = _progress(job)
    return fields


def job_object(job: Job, completion: float) -> dict[str, object]:
    """Answer of create and of `GET /{id}`, and an entry of the job list: the status, the request without its secrets,
    and the user's last action.

    A job whose request cannot be shown (stored by an older version, or corrupt) is shown as FAILED with a message, so
    that its client can still list the other jobs.
    """
    try:
        request = without_secrets(job.body)
        if deeper_than(request, SHOWN_DEPTH):
            raise RecursionError
    except (ValueError, RecursionError, AttributeError):
        job, request = replace(job, status=Status.FAILED, error=UNREADABLE), {}
    fields = status_object(job, completion)
    fields["request"] = request
    fields["userAction"] = job.user_action.value
    if job.user_action_updated is not None:
        fields["userActionUpdated"] = iso_microseconds(job.user_action_updated)
    return fields


def hint(job: Job) -> str | None:
    """Remarks about what is allowed in the request but probably not intended, as one text; None if there are none. The
    real service has no such field (sentinelhub.md 2.3)."""
    found = [NO_INTERVAL] if job.estimate.get("intervals") == 0 else []
    return " ".join([*found, *_request_hints(job.body), *job.hints]) or None


def _request_hints(text: str) -> tuple[str, ...]:
    """Hints about the request itself; none if its body cannot be read."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    return request_hints(body) if isinstance(body, dict) else ()


def finding_object(finding: Finding) -> dict[str, object]:
    """One entry of `GET /{id}/features`; an arpent extension."""
    return {
        "id": finding.feature,
        "identifier": finding.identifier,
        "verdict": finding.verdict.value,
        "kind": finding.kind,
        "message": finding.message,
    }


def rows_object(rows: RowCounts) -> dict[str, object]:
    """Outcome counts of a job's rows, the `rows` of its progress; an arpent extension."""
    return {
        "withNumbers": rows.numbers,
        "allMasked": rows.masked,
        "withoutImagery": rows.absent,
        "failed": rows.failed,
        "kept": rows.kept,
        "reasons": [{"reason": reason, "count": count} for reason, count in rows.reasons],
    }


def _progress(job: Job) -> dict[str, object]:
    """Counts, rate and expected end of the job. If unknown, `rows` is left out, rate and end are null."""
    progress = job.progress
    counted = {} if progress.rows is None else {"rows": rows_object(progress.rows)}
    return {
        "features": progress.features,
        "done": progress.done,
        "failed": progress.failed,
        "incomplete": progress.incomplete,
        "partitions": progress.partitions,
        "open": progress.open,
        **counted,
        "featuresPerSecond": _rounded(progress.rate, 3),
        "secondsLeft": _rounded(progress.seconds_left, 1),
        "estimatedEnd": None if progress.end is None else iso_microseconds(progress.end),
    }


def _rounded(number: float | None, digits: int) -> int | float | None:
    return None if number is None else _bare(round(number, digits))


def _bare(number: float) -> int | float:
    """Whole numbers as int, so that JSON shows 0, not 0.0."""
    return int(number) if float(number).is_integer() else number
