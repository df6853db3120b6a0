"""Worker deaths: what happens to a partition whose workers die, and how often its halves are tried.

After `attempts` tries that ended with the death of its worker, a partition is halved, and its halves likewise, down to
the feature that kills workers. Each half has two tries, so that a death with another cause (the death of all workers at
once, for example) does not mislead the search. Finding one such feature among n costs `attempts` + 2 log2(n) deaths,
and each further one at most 2 log2(n) more. The work store ends the search if nearly every part kills its worker (it
finds at most 16 features in a partition). Other failures are counted separately: an unavailable catalogue never causes
a partition to be halved.

If the runner dies with its workers (a container that is killed as a whole for lack of memory), the only sign is an
expired lease; if a cluster's host or scheduler dies with them, the only sign is lost work. But a machine that slept or
a broken network leaves the same signs. Such a partition is halved too, which costs nothing, but a feature is given up
only after so many deaths that chance is excluded.
"""

from __future__ import annotations

from arpent.domain.errors import EnvironmentFault, WorkerDied, WorldError
from arpent.domain.ports.jobs import JobStore, Lease
from arpent.jobs.policy import Policy

TRIES_OF_A_HALF = 2
"""Tries of each half: more than one, since a single death may be chance."""
LEASES_OF_ONE = 4
"""How many leases on one feature, or on an analysis, may expire, as a multiple of `attempts`."""


def deaths_of_a_half(policy: Policy) -> int:
    """Number of deaths that a new half is counted to have, so that TRIES_OF_A_HALF tries remain."""
    return max(0, policy.attempts - TRIES_OF_A_HALF)


def analysis_kills(lease: Lease, policy: Policy) -> str | None:
    """Message: why an analysis is not tried again; None if it is tried again."""
    if lease.vanished < LEASES_OF_ONE * policy.attempts:
        return None
    return (
        f"The analysis crashed its runner {lease.vanished} times: it needs more memory than the runner has, or a "
        "feature crashes it. See the kernel's log on the runner's machine, or send fewer features per request"
    )


def suspected(lease: Lease, policy: Policy) -> bool:
    """Whether to halve a partition before it is tried again, because its leases expired too often."""
    return lease.vanished > 0 and lease.deaths + lease.vanished >= policy.attempts


def gone(lease: Lease, policy: Policy) -> WorkerDied | None:
    """The error with which a partition that cannot be halved is given up; None if it is tried again."""
    if lease.vanished < LEASES_OF_ONE * policy.attempts:
        return None
    return reason(lease, WorkerDied(f"Its worker disappeared without an error {lease.vanished} times"))


def blamed(lease: Lease, error: WorkerDied, jobs: JobStore) -> WorldError:
    """The error with which a partition whose workers died is given up. It blames the environment if the partition has
    several features and no feature of the job has a result yet."""
    assert lease.partition is not None, "an analysis has no worker"
    final = reason(lease, error)
    if len(lease.partition.features) > 1 and not jobs.get(lease.job_id).progress.done:
        return EnvironmentFault(str(final), transient=False)
    return final


def reason(lease: Lease, error: WorkerDied) -> WorkerDied:
    """The error that states, in files and report, why the features of a partition get no statistics; not transient."""
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
