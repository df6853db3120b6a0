"""Run metrics: what a runner has done since its metrics were last taken, as amounts to add to counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock

from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease

Amounts = Mapping[tuple[str, str], float]
"""(name, label) → amount to add."""


class RunMetrics:
    """Collects a runner's metrics. Thread-safe, because analyses count retries in threads of their own."""

    def __init__(self) -> None:
        self._amounts: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()

    def analysed(self, _: Lease, seconds: float) -> None:
        """Count an analysis that ended."""
        self.put_back({("stage_seconds", "analysis"): seconds})

    def finished(self, _: Lease, outcome: Outcome) -> None:
        """Count a partition that is done."""
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
        """Count an attempt that failed and is repeated."""
        self.put_back({("retries", "analysis" if lease.partition is None else "partition"): 1})

    def take(self) -> Amounts:
        """Return the amounts since the last call, and reset them."""
        with self._lock:
            taken, self._amounts = self._amounts, Counter()
        return taken

    def put_back(self, amounts: Amounts) -> None:
        """Add amounts, for example amounts that were taken but could not be stored."""
        with self._lock:
            for name, amount in amounts.items():
                self._amounts[name] += amount  # type: ignore[assignment]
