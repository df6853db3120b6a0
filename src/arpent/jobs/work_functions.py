"""Work functions: the functions that a runner calls for the work it claims, and when it tries failed work again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeGuard

from arpent.domain.boundary.unforeseen import sentence
from arpent.domain.boundary.wanted import varied
from arpent.domain.errors import CatalogUnavailable, CatalogUnknown, StorageFault, WorldError
from arpent.domain.finding import Finding, Verdict
from arpent.domain.job import Job, RowCounts, row_reason
from arpent.domain.partition import Analysis, Outcome
from arpent.domain.ports.jobs import Lease
from arpent.domain.request import Request
from arpent.jobs.policy import LONGEST_PAUSE_SECONDS, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFunctions:
    """Functions of a runner. `process` runs in other processes and is picklable; the others run in this process."""

    analyse: Callable[[Job, Callable[[], bool]], Analysis]
    """Analyses a job for as long as the second argument returns True. Raises CallerError, ScriptError, WorldError
    or NoLongerWanted."""
    process: Callable[[Lease], Outcome]
    """Computes a partition and writes its results."""
    parse: Callable[[Job], Request]
    """Parses a job's request, for the leases of its partitions. Raises InvalidRequest."""
    give_up: Callable[[Lease, Exception], Outcome]
    """Writes an error with this reason for every feature of the partition."""
    analysed: Callable[[Lease, float], None] = lambda lease, seconds: None
    """Called after every analysis with its duration in seconds, for metrics."""
    finished: Callable[[Lease, Outcome], None] = lambda lease, outcome: None
    """Called after every finished partition, for metrics."""
    retried: Callable[[Lease, Exception], None] = lambda lease, error: None
    """Called after every failed attempt that will be repeated, for metrics."""
    exhausted: Callable[[str], bool] = lambda owner: False
    """Whether the client with this id has used up its processing units for this month."""
    close: Callable[[], None] = lambda: None
    """Releases the resources that analyses use; no analysis begins afterwards."""


def policy_for(owner: str, policy: Policy, functions: WorkFunctions) -> Policy:
    """The policy for a client's jobs: with a budget of 0 once its processing units for this month are used up."""
    return replace(policy, processing_unit_budget=0.0) if functions.exhausted(owner) else policy


def transient(error: Exception) -> bool:
    """Whether trying again may help."""
    return isinstance(error, WorldError) and error.transient


def pause_before_retry(attempt: int, policy: Policy) -> timedelta:
    """Time to wait after the failure of this attempt (the first is 1). It doubles with each attempt, with jitter so
    that attempts that failed together are not repeated together."""
    seconds = min(LONGEST_PAUSE_SECONDS, policy.retry_seconds * 2.0 ** (attempt - 1))
    return timedelta(seconds=varied(seconds))


def is_away(error: Exception) -> TypeGuard[CatalogUnavailable | StorageFault]:
    """Whether a catalogue or bucket is unavailable, in which case time is limited and not the number of attempts."""
    return isinstance(error, CatalogUnavailable | StorageFault)


def end_of_waiting(lease: Lease, error: WorldError, now: datetime, policy: Policy) -> datetime:
    """Until when work waits for something unavailable; the time is counted from the first failure. An analysis does not
    wait long for a catalogue whose host name does not resolve, since the name is most likely misspelt."""
    misspelt = lease.partition is None and isinstance(error, CatalogUnknown)
    seconds = policy.outage_seconds if error.transient and not misspelt else policy.absence_seconds
    return waiting_since(lease, now) + timedelta(seconds=seconds)


def waiting_since(lease: Lease, now: datetime) -> datetime:
    """Since when work has been waiting: since now if it was not waiting before, or if the clock was set back."""
    return min(lease.waiting_since or now, now)


def retry_while_away(lease: Lease, error: Exception, now: datetime, policy: Policy) -> datetime | None:
    """When to try a partition again whose catalogue or bucket is unavailable; the pauses double. None: the error is of
    another kind, or the partition has waited as long as it may."""
    if not is_away(error):
        return None
    last = end_of_waiting(lease, error, now, policy)
    if now >= last:
        return None
    waited = (now - waiting_since(lease, now)).total_seconds()
    seconds = min(LONGEST_PAUSE_SECONDS, max(policy.retry_seconds, waited))
    return min(last, now + timedelta(seconds=varied(seconds)))


def unwritten(lease: Lease, error: Exception) -> Outcome:
    """The outcome of a partition for which not even the errors could be written."""
    assert lease.partition is not None
    features, reason = lease.partition.features, f"No file could be written for this feature: {sentence(error)}"
    rows = len(features) * len(lease.request.intervals) if lease.request is not None else 0
    return Outcome(
        done=0,
        failed=len(features),
        unsettled=RowCounts(failed=rows, reasons=((row_reason(reason), rows),) if rows else ()),
        findings=tuple(
            Finding(
                feature=int(feature),
                identifier=identifier,
                verdict=Verdict.FAILED,
                kind="not-written",
                message=reason,
            )
            for feature, identifier in zip(features.ids, features.identifiers, strict=True)
        ),
    )


def without_texts(outcome: Outcome) -> Outcome:
    """The outcome with the same counts, but with texts that any database accepts in place of those that were
    refused."""
    message = "The finding about this feature cannot be stored; see its file and the server's log."
    plain = (replace(finding, identifier=None, message=message) for finding in outcome.findings)
    settled, unsettled = (replace(rows, reasons=()) for rows in (outcome.settled, outcome.unsettled))
    return replace(outcome, settled=settled, unsettled=unsettled, findings=tuple(plain))
