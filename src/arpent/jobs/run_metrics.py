"""Run metrics: what a runner did since they were last taken, as amounts to add to counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock

from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease

Amounts = Mapping[tuple[str, str], float]
"""(name, what it is split by) → how much more."""


class RunMetrics:
    """Thread-safe: analyses count retries beside the runner's loop."""

    def __init__(self) -> None:
        self._amounts: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()

    def analysed(self, _: Lease, seconds: float) -> None:
        """An analysis came to its end."""
        self.put_back({("stage_seconds", "analysis"): seconds})

    def finished(self, _: Lease, outcome: Outcome) -> None:
        """A partition is done."""
        amounts: dict[tuple[str, str], float] = {
            ("partitions", ""): 1,
            ("features", "done"): outcome.done,
            ("features", "failed"): outcome.failed,
            ("read_bytes", ""): outcome.bytes_read,
            ("processing_units", ""): outcome.processing_units,
            **{("stage_seconds", stage): seconds for stage, seconds in outcome.seconds},
        }
        self.put_back(amounts)

    def retried(self, lease: Lease, _: Exception) -> None:
        """An attempt failed and is made again."""
        self.put_back({("retries", "analysis" if lease.partition is None else "partition"): 1})

    def take(self) -> Amounts:
        """Everything since the last time."""
        with self._lock:
            taken, self._amounts = self._amounts, Counter()
        return taken

    def put_back(self, amounts: Amounts) -> None:
        """Count these (again)."""
        with self._lock:
            for name, amount in amounts.items():
                self._amounts[name] += amount  # type: ignore[assignment]
