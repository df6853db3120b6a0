"""The state machine: TRANSITIONS lists what can happen to a job, and `advance` applies it; both are pure
(sentinelhub.md 1.4).

**Events** have two sources. A job's user asks for ANALYSE, START and STOP. A runner reports ANALYSED and
ANALYSIS_FAILED when an analysis ends, ANALYSIS_STOPPED when STOP ended it early, ENVIRONMENT_FAILED when no worker can
do its work, and BEGUN, FINISHED, BROKEN and EXHAUSTED when `due` or `trouble` derives them from the stored job and the
sums over its partitions. A job never depends on the clock, process or memory of one runner: if a runner dies, the job
stays as it is, and the next runner derives from it what is due.

**Statuses** are those of the real service, whose clients poll them, so arpent adds none. Each determines who acts next:

| status | who acts next |
|---|---|
| CREATED | the user: nothing has been asked for |
| ANALYSING | a runner: the analysis is one piece of work |
| ANALYSIS_DONE | the user after ANALYSE, a runner after START |
| PROCESSING | the runners: each partition is a piece of work |
| STOPPED | the user: work is left, but no runner does it |
| DONE | nobody, or the user if another attempt may repair failures |
| FAILED | the user: there is an error; START continues the job |

A status alone does not show what the user wants next, so two more fields belong to the state. `user_action` is the
user's last action: during ANALYSING, START and STOP are only recorded in it; the analysis checks it periodically, and
ANALYSED follows it. `retry` means that the next BEGUN reopens the partitions with failed features: START changes only
the job, in one write, and leaves the partitions to a runner.

**A runner may assume:**

* Only ANALYSING jobs (the analysis) and PROCESSING jobs (partitions) have work to claim. So STOP only has to change the
  status: no more work is handed out; work under way is finished, and counts.
* While a job is ANALYSING, its partitions belong to the holder of its analysis's lease, and no runner processes them.
  Later they are changed only by finish, by cut and, before a BEGUN with `retry`, by reopen.
* FINISHED is due for a job in PROCESSING without open partitions, no matter which runner looks, or when.
* Every save names the version that was read. A Conflict means that someone else has changed the job: read it again and
  call `due` again. A repeated event changes nothing: the second time there is no transition, and it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from arpent.domain.errors import ActionNotAllowed
from arpent.domain.job import Job, Progress, Status, StopReason, UserAction
from arpent.jobs.policy import Policy
from arpent.wire.secrets import FORGOTTEN


class Event(StrEnum):
    """What can happen to a job."""

    ANALYSE = "ANALYSE"
    """The user asks for the analysis only."""
    START = "START"
    """The user asks to process everything, what remains, or what failed."""
    STOP = "STOP"
    """The user asks to stop."""
    ANALYSED = "ANALYSED"
    """The analysis succeeded."""
    ANALYSIS_FAILED = "ANALYSIS_FAILED"
    """The analysis found an error in the request, or could not be performed."""
    ANALYSIS_STOPPED = "ANALYSIS_STOPPED"
    """The analysis was given up because the user asked to stop."""
    BEGUN = "BEGUN"
    """A runner begins processing a job whose user asked for START."""
    FINISHED = "FINISHED"
    """No partition is open."""
    ENVIRONMENT_FAILED = "ENVIRONMENT_FAILED"
    """Something that the work needs is missing and stays missing: workers, disk space, a bucket."""
    BROKEN = "BROKEN"
    """Too many features have failed."""
    EXHAUSTED = "EXHAUSTED"
    """The budget of processing units is used up."""


ACTIONS: Mapping[Event, UserAction] = {
    Event.ANALYSE: UserAction.ANALYSE,
    Event.START: UserAction.START,
    Event.STOP: UserAction.STOP,
}
"""The events that users cause."""

STOP_REASONS: Mapping[Event, StopReason] = {
    Event.STOP: StopReason.USER_ACTION,
    Event.ANALYSED: StopReason.USER_ACTION,
    Event.ANALYSIS_STOPPED: StopReason.USER_ACTION,
    Event.BROKEN: StopReason.UNHEALTHY,
    Event.EXHAUSTED: StopReason.OUT_OF_PU,
}
"""Event that stopped a job → stop reason; ANALYSED stops a job if STOP came during its analysis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition of a transition."""

    text: str
    """Text in the diagram."""
    holds: Callable[[Job], bool]
    """Whether the job meets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One arrow of the diagram."""

    to: Status
    """The next status."""
    when: Condition | None = None
    """Condition; None: always."""
    retry: bool = False
    """Whether failed features are processed again."""


STOP_ASKED = Condition(text="STOP was requested", holds=lambda job: job.user_action is UserAction.STOP)
START_ASKED = Condition(text="START was requested", holds=lambda job: job.user_action is UserAction.START)
SOME_FAILED = Condition(
    text="some features failed or lack intervals", holds=lambda job: job.progress.failed + job.progress.incomplete > 0
)
UNKNOWN = Condition(text="it was never analysed", holds=lambda job: job.progress.partitions == 0)
HAD_BEGUN = Condition(text="its analysis had succeeded", holds=lambda job: job.begun is not None)
UNHEALTHY = Condition(text="it was UNHEALTHY", holds=lambda job: job.stop_reason is StopReason.UNHEALTHY)

TRANSITIONS: Mapping[tuple[Status, Event], tuple[Transition, ...]] = {
    (Status.CREATED, Event.ANALYSE): (Transition(to=Status.ANALYSING),),
    (Status.CREATED, Event.START): (Transition(to=Status.ANALYSING),),
    (Status.ANALYSING, Event.START): (Transition(to=Status.ANALYSING),),
    (Status.ANALYSING, Event.STOP): (Transition(to=Status.ANALYSING),),
    (Status.ANALYSING, Event.ANALYSED): (
        Transition(to=Status.STOPPED, when=STOP_ASKED),
        Transition(to=Status.ANALYSIS_DONE),
    ),
    (Status.ANALYSING, Event.ANALYSIS_FAILED): (Transition(to=Status.FAILED),),
    (Status.ANALYSING, Event.ANALYSIS_STOPPED): (Transition(to=Status.STOPPED, when=STOP_ASKED),),
    (Status.ANALYSIS_DONE, Event.START): (Transition(to=Status.ANALYSIS_DONE),),
    (Status.ANALYSIS_DONE, Event.STOP): (Transition(to=Status.STOPPED),),
    (Status.ANALYSIS_DONE, Event.ENVIRONMENT_FAILED): (Transition(to=Status.FAILED),),
    (Status.ANALYSIS_DONE, Event.BEGUN): (Transition(to=Status.PROCESSING, when=START_ASKED),),
    (Status.PROCESSING, Event.STOP): (Transition(to=Status.STOPPED),),
    (Status.PROCESSING, Event.FINISHED): (Transition(to=Status.DONE),),
    (Status.PROCESSING, Event.BROKEN): (Transition(to=Status.STOPPED),),
    (Status.PROCESSING, Event.EXHAUSTED): (Transition(to=Status.STOPPED),),
    (Status.PROCESSING, Event.ENVIRONMENT_FAILED): (Transition(to=Status.FAILED),),
    (Status.STOPPED, Event.START): (
        Transition(to=Status.ANALYSING, when=UNKNOWN),
        Transition(to=Status.ANALYSIS_DONE, when=UNHEALTHY, retry=True),
        Transition(to=Status.ANALYSIS_DONE),
    ),
    (Status.DONE, Event.START): (Transition(to=Status.ANALYSIS_DONE, when=SOME_FAILED, retry=True),),
    (Status.FAILED, Event.START): (
        Transition(to=Status.ANALYSIS_DONE, when=HAD_BEGUN, retry=True),
        Transition(to=Status.ANALYSING),
    ),
}
"""(status, event) → transitions; the first whose condition holds is taken. If there is none, the event is refused."""


def advance(job: Job, event: Event, now: datetime, policy: Policy, *, error: str | None = None) -> Job:
    """The job after the event; `error` is the reason for ANALYSIS_FAILED or ENVIRONMENT_FAILED. Raises ActionNotAllowed
    with the real service's message (sentinelhub.md 1.4) if the status does not allow the event."""
    transition = next(
        (each for each in TRANSITIONS.get((job.status, event), ()) if each.when is None or each.when.holds(job)), None
    )
    if transition is None:
        raise ActionNotAllowed(_refusal(job, event))
    if event is Event.START:
        _check_pause(job, now, policy)
        _check_keys(job)
    stopped = transition.to is Status.STOPPED
    after = replace(
        job,
        status=transition.to,
        last_updated=now,
        begun=now if event is Event.BEGUN else job.begun,
        stop_reason=STOP_REASONS[event] if stopped else None,
        error=error if transition.to is Status.FAILED else None,
        retry=transition.retry or (job.retry and event is not Event.BEGUN),
    )
    if event in ACTIONS:
        after = replace(after, user_action=ACTIONS[event], user_action_updated=now)
    return after


def due(job: Job, policy: Policy) -> Event | None:
    """The event that a runner has to apply to this job next; None: none."""
    if job.status is Status.ANALYSIS_DONE and job.user_action is UserAction.START:
        return Event.BEGUN
    if job.status is not Status.PROCESSING:
        return None
    if job.progress.open == 0:
        return Event.FINISHED
    return trouble(job.progress, policy)


def trouble(progress: Progress, policy: Policy) -> Event | None:
    """The event that stops a job with open partitions: BROKEN or EXHAUSTED; None: none."""
    accounted = progress.done + progress.failed
    if progress.failed >= max(1, policy.unhealthy_least) and progress.failed >= policy.unhealthy_share * accounted:
        return Event.BROKEN
    budget = policy.processing_unit_budget
    return Event.EXHAUSTED if budget is not None and progress.processing_units >= budget else None


def completion(job: Job, policy: Policy) -> float:
    """completionPercentage, 0 to 100. It is 100 only when the job is DONE or, if the policy says so, FAILED, because
    the official client would otherwise wait for ever (sentinelhub.md 1.4). It does not fall while a job runs, is
    stopped or resumed; only a START that repeats failed features lowers it."""
    if job.status is Status.DONE or (job.status is Status.FAILED and policy.failed_reports_full):
        return 100.0
    return min(job.progress.percentage, 99.99)


def _refusal(job: Job, event: Event) -> str:
    if event in ACTIONS:
        return f"Illegal to change userAction from {job.user_action} to {ACTIONS[event]} with task status {job.status}"
    return f"{event} does not apply to a job with status {job.status}"


def _check_keys(job: Job) -> None:
    """Refuse to continue a request whose own keys were deleted: without them it would use access other than its client
    intended."""
    if job.status is Status.FAILED and f'"{FORGOTTEN}"' in job.body:
        raise ActionNotAllowed(
            f"{_refusal(job, Event.START)}: the keys sent with the request have been deleted; create it again"
        )


def _check_pause(job: Job, now: datetime, policy: Policy) -> None:
    """Refuse START during the pause after a stop: 30 or 60 minutes in the real service (sentinelhub.md 1.4), here a
    setting."""
    pauses = {
        StopReason.USER_ACTION: (policy.restart_pause_minutes, job.user_action_updated),
        StopReason.OUT_OF_PU: (policy.restart_pause_out_of_pu_minutes, job.last_updated),
    }
    minutes, since = pauses.get(job.stop_reason, (0.0, None)) if job.stop_reason else (0.0, None)
    if job.status is not Status.STOPPED or since is None:
        return
    left = since + timedelta(minutes=minutes) - now
    if timedelta(0) < left <= timedelta(minutes=minutes):  # more than the pause is left only if the clock was set back
        wait = ceil(left.total_seconds() / 60)
        raise ActionNotAllowed(
            f"{_refusal(job, Event.START)}: a job stopped with {job.stop_reason} cannot be started for {minutes:g} "
            f"minutes; start it again in {wait} minute{'s' if wait != 1 else ''}"
        )
