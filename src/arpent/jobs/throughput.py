"""Throughput: how many features per second a job has finished recently, counted in increasingly long windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

WINDOWS = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta.max)
"""Windows of time to look back, from short to long; each is cut at the time when the job last began."""
LEAST_ENDED = 8
"""Minimum number of partitions that must end in a window …"""
ROUNDS = 4
"""… which must be at least this many times as long as an average partition takes: workers that begin together end
together, and a window that holds only such a burst would give a rate that is far too high."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Partitions that ended in a window."""

    partitions: int
    """Number of finished partitions."""
    features: int
    """Number of features in them, with or without statistics."""
    seconds: float
    """Seconds of work spent on them, summed over workers."""


def features_per_second(ended: Ended, window: timedelta, age: timedelta) -> float | None:
    """The rate in a window; None if too few partitions ended in it, so that a longer window is needed. `age`: time
    since the job began; a window of that length gives a rate if any partition has ended."""
    seconds = window.total_seconds()
    tells = ended.partitions >= LEAST_ENDED and seconds * ended.partitions >= ROUNDS * ended.seconds
    return ended.features / seconds if ended.features and (tells or window == age) else None
