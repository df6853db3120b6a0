"""Throughput: how many features per second a job finished lately, counted in increasingly long windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

WINDOWS = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta.max)
"""Windows to look back, from short to long; none reaches back before the job's last beginning."""
LEAST_ENDED = 8
"""Minimum number of partitions that must end in a window …"""
ROUNDS = 4
"""… which must be this many times as long as a partition takes: workers that begin together end together, and a window
with only such a burst would give a rate that is far too high."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Partitions that ended in a window."""

    partitions: int
    """Number of finished partitions."""
    features: int
    """Number of their features, with statistics or without."""
    seconds: float
    """Seconds of work in them, summed over workers."""


def features_per_second(ended: Ended, window: timedelta, age: timedelta) -> float | None:
    """The rate in a window; None if too little ended in it, so that a longer window is needed. `age`: time since the
    job began; a window that long gives a rate if anything ended at all."""
    seconds = window.total_seconds()
    tells = ended.partitions >= LEAST_ENDED and seconds * ended.partitions >= ROUNDS * ended.seconds
    return ended.features / seconds if ended.features and (tells or window == age) else None
