"""Worker deaths: what happens to a partition whose workers die, and how patiently its halves are tried.

A partition gets `attempts` tries that end with its worker's death; then it is cut in halves, and so are they, down to
the feature that kills. A half has two tries, so that somebody else's killing (of all workers at once, say) does not
send the search astray. Finding one killer among n features costs `attempts` + 2 log2(n) deaths, each further one at
most 2 log2(n) more; the work store ends the search where nearly every part kills (it finds at most 16 in a partition).
Other failures are counted apart: a catalogue that is away never cuts anything.

Where the runner dies with its workers (a container that ends as a whole when its memory is short), all that is left is
a lease that ran out; where a cluster's host or scheduler goes with them, work that is lost. Leases of machines that
sleep run out, too, and networks break: such a partition is cut alike, which costs nothing, but a feature is given up
only after so many that it cannot be chance.
"""

from __future__ import annotations

from arpent.domain.errors import WorkerDied
from arpent.domain.ports.jobs import Lease
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
        f"The analysis took its runner with it {lease.vanished} times: it needs more memory than the runner has, or a "
        "feature crashes it. See the kernel's log on the runner's machine, or send fewer features per request"
    )


def suspected(lease: Lease, policy: Policy) -> bool:
    """Whether to halve a partition before it is tried again, because its leases ran out too often."""
    return lease.vanished > 0 and lease.deaths + lease.vanished >= policy.attempts


def gone(lease: Lease, policy: Policy) -> WorkerDied | None:
    """Why a partition that cannot be halved is not tried again; None if it is."""
    if lease.vanished < LEASES_OF_ONE * policy.attempts:
        return None
    return reason(lease, WorkerDied(f"Whoever computed it was gone without a word {lease.vanished} times"))


def reason(lease: Lease, error: WorkerDied) -> WorkerDied:
    """Why the features of a partition get no statistics, for their files and the report; not transient."""
    assert lease.partition is not None, "an analysis has no worker"
    last = error.args[0]
    if len(lease.partition.features) == 1:
        return WorkerDied(
            f"Every worker that computed this feature alone died; the last: {last}. It needs more memory than a worker "
            "has, or crashes it: make it smaller, resx and resy larger or the intervals shorter, or give workers more "
            "memory; then START the request again",
            transient=False,
        )
    return WorkerDied(
        "Workers died with nearly all features that were tried, so that it is hardly the features; the last: "
        f"{last}. See what the kernel's log says of memory on the workers' machines, lower ARPENT_PIXEL_BUDGET for "
        "requests to come; then START the request again",
        transient=False,
    )
