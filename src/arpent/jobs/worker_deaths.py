"""Worker deaths: what happens to a partition whose workers die, and how often its halves are tried.

A partition gets `attempts` tries that end with its worker's death; then it is halved, and so are its halves, down to
the feature that kills. A half has two tries, so that a kill with another cause (of all workers at once, for example)
does not mislead the search. Finding one such feature among n costs `attempts` + 2 log2(n) deaths, and each further one
at most 2 log2(n) more. The work store ends the search where nearly every part kills (it finds at most 16 features in a
partition). Other failures are counted separately: an unavailable catalogue never halves anything.

If the runner dies with its workers (a container that is killed as a whole for lack of memory), only a lease that ran
out shows it; if a cluster's host or scheduler dies with them, only lost work does. But machines may also sleep, and
networks break. Such a partition is halved too, which costs nothing, but a feature is given up only after so many deaths
that chance is excluded.
"""

from __future__ import annotations

from arpent.domain.errors import EnvironmentFault, WorkerDied, WorldError
from arpent.domain.ports.jobs import JobStore, Lease
from arpent.jobs.policy import Policy

TRIES_OF_A_HALF = 2
"""Tries of a half: one death may be chance."""
LEASES_OF_ONE = 4
"""Leases on one feature, or on an analysis, that may run out, as a multiple of `attempts`."""


def deaths_of_a_half(policy: Policy) -> int:
    """Number of deaths with which a half starts, so that TRIES_OF_A_HALF tries remain."""
    return max(0, policy.attempts - TRIES_OF_A_HALF)


def analysis_kills(lease: Lease, policy: Policy) -> str | None:
    """Why an analysis is not tried again; None if it is."""
    if lease.vanished < LEASES_OF_ONE * policy.attempts:
        return None
    return (
        f"The analysis crashed its runner {lease.vanished} times: it needs more memory than the runner has, or a "
        "feature crashes it. See the kernel's log on the runner's machine, or send fewer features per request"
    )


def suspected(lease: Lease, policy: Policy) -> bool:
    """Whether to halve a partition before it is tried again, because its leases ran out too often."""
    return lease.vanished > 0 and lease.deaths + lease.vanished >= policy.attempts


def gone(lease: Lease, policy: Policy) -> WorkerDied | None:
    """Why a partition that cannot be halved is not tried again; None if it is."""
    if lease.vanished < LEASES_OF_ONE * policy.attempts:
        return None
    return reason(lease, WorkerDied(f"Its worker disappeared without an error {lease.vanished} times"))


def blamed(lease: Lease, error: WorkerDied, jobs: JobStore) -> WorldError:
    """Why a partition whose workers died is not tried again. While no feature of the job has a result, no feature can
    be blamed."""
    assert lease.partition is not None, "an analysis has no worker"
    final = reason(lease, error)
    if len(lease.partition.features) > 1 and not jobs.get(lease.job_id).progress.done:
        return EnvironmentFault(str(final), transient=False)
    return final


def reason(lease: Lease, error: WorkerDied) -> WorkerDied:
    """Why the features of a partition get no statistics, for their files and the report; not transient."""
    assert lease.partition is not None, "an analysis has no worker"
    last = error.args[0]
    if len(lease.partition.features) == 1:
        return WorkerDied(
            f"Every worker that computed this feature alone died; the last: {last}. It needs more memory than a worker "
            "has, crashes it or makes it hang: make it smaller, resx and resy larger or the intervals shorter, or give "
            "workers more memory; then START the request again",
            transient=False,
        )
    return WorkerDied(
        "Workers died on nearly all features that were tried, so the features are unlikely to be the cause; the last: "
        f"{last}. See the kernel's log about memory on the workers' machines, lower ARPENT_PIXEL_BUDGET for "
        "later requests; then START the request again",
        transient=False,
    )
