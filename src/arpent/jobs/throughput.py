"""Throughput: how many features a second a job finished of late, told from what ended in ever longer windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

WINDOWS = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta.max)
"""How far back to look, from short to long; never behind the job's last beginning."""
LEAST_ENDED = 8
"""So many partitions have to end in a window …"""
ROUNDS = 4
"""… which has to be so many times as long as one of them takes: workers that began together end together, and a window
that holds such a burst but not the time before it would tell a rate that is far too high."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What ended in a window."""

    partitions: int
    """Partitions that were finished."""
    features: int
    """Features that they brought, with numbers or without."""
    seconds: float
    """Seconds of work in them, summed over workers."""


def features_per_second(ended: Ended, window: timedelta, age: timedelta) -> float | None:
    """The rate that a window tells; None: it holds too little, look farther back. `age`: since the job began; a window
    that long tells what there is, if anything ended at all."""
    seconds = window.total_seconds()
    tells = ended.partitions >= LEAST_ENDED and seconds * ended.partitions >= ROUNDS * ended.seconds
    return ended.features / seconds if ended.features and (tells or window == age) else None
