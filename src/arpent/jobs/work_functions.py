"""Work functions: what a runner calls for the work it claims: the engine's functions, the policy's patience."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeGuard

from arpent.domain.boundary.unforeseen import sentence
from arpent.domain.errors import CatalogUnavailable, StorageFault, WorldError
from arpent.domain.finding import Finding, Verdict
from arpent.domain.job import Job
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.jobs import Lease
from arpent.jobs.policy import Policy

LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFunctions:
    """Functions; `process` leaves the process and is picklable, the others stay here."""

    analyse: Callable[[Job, Callable[[], bool]], Analysis]
    """Looks now and then whether it is still wanted. Raises CallerError, ScriptError, WorldError or NoLongerWanted."""
    process: Callable[[Lease], Outcome]
    """Computes a partition and writes its results."""
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


def is_away(error: Exception) -> TypeGuard[CatalogUnavailable | StorageFault]:
    """Whether the catalogue or a bucket is not to be had, which is waited for, and not tried so many times."""
    return isinstance(error, CatalogUnavailable | StorageFault)


def retry_while_away(lease: Lease, error: Exception, now: datetime, policy: Policy) -> datetime | None:
    """When a partition is tried again that lacks its catalogue or a bucket; the pauses double, and such tries are no
    failed attempts. None: it lacks something else, or has waited for as long as it may."""
    if not is_away(error):
        return None
    since = lease.waiting_since or now
    last = since + timedelta(seconds=policy.outage_seconds if error.transient else policy.absence_seconds)
    if now >= last:
        return None
    seconds = min(LONGEST_PAUSE_SECONDS, max(policy.retry_seconds, (now - since).total_seconds()))
    return min(last, now + timedelta(seconds=seconds * random.uniform(0.5, 1.5)))


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
