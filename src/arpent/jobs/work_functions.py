"""Work functions: what a runner calls for the work it claims: the engine's functions, the policy's patience."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from arpent.domain.boundary.unforeseen import sentence
from arpent.domain.errors import WorldError
from arpent.domain.finding import Finding, Verdict
from arpent.domain.job import Job
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.jobs import Lease
from arpent.domain.request import Request
from arpent.jobs.policy import Policy

LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFunctions:
    """Functions; `process` leaves the process and is picklable, the others stay here."""

    analyse: Callable[[Job], Analysis]
    """Raises CallerError, ScriptError or WorldError."""
    process: Callable[[Lease], Outcome]
    """Computes a partition and writes its results."""
    parse: Callable[[Job], Request]
    """A job's request, for the leases of its partitions. Raises InvalidRequest."""
    give_up: Callable[[Lease, Exception], Outcome]
    """Writes an error with this reason for every feature of the partition."""
    analysed: Callable[[Lease, float], None] = lambda lease, seconds: None
    """Told of every analysis that came to its end, and its seconds, for metrics."""
    finished: Callable[[Lease, Outcome], None] = lambda lease, outcome: None
    """Told of every partition that is done, for metrics."""
    retried: Callable[[Lease, Exception], None] = lambda lease, error: None
    """Told of every failed attempt that is tried again, for metrics."""
    close: Callable[[], None] = lambda: None
    """Ends what analyses use; none begins after that."""


def transient(error: Exception) -> bool:
    """Whether trying again can help."""
    return isinstance(error, WorldError) and error.transient


def pause_before_retry(attempt: int, policy: Policy) -> timedelta:
    """How long to wait after the failure of this attempt, counted from 1: doubling, with jitter so that the many
    that failed together do not come back together."""
    seconds = min(LONGEST_PAUSE_SECONDS, policy.retry_seconds * 2.0 ** (attempt - 1))
    return timedelta(seconds=seconds * random.uniform(0.5, 1.5))


def unwritten(lease: Lease, error: Exception) -> Outcome:
    """What came of a partition of which not even the errors could be written."""
    assert lease.partition is not None
    features = lease.partition.features
    return Outcome(
        done=0,
        failed=len(features),
        findings=tuple(
            Finding(
                feature=int(feature),
                identifier=identifier,
                verdict=Verdict.FAILED,
                kind="not-written",
                message=f"No file could be written for this feature: {sentence(error)}",
            )
            for feature, identifier in zip(features.ids, features.identifiers, strict=True)
        ),
    )


def without_texts(outcome: Outcome) -> Outcome:
    """The same counts, with findings that any database takes: what it was told of these features, it refused."""
    message = "What was found of this feature cannot be stored; its file and the server's log have it."
    plain = (replace(finding, identifier=None, message=message) for finding in outcome.findings)
    return replace(outcome, findings=tuple(plain))
