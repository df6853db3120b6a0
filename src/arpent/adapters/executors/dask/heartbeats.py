"""Heartbeats: finds out which workers of a Dask cluster still respond, whatever state the scheduler reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_GAP_SECONDS = 30.0
"""Maximum silence counted between two checks: this process may have been suspended itself."""
HEARTBEATS = 5
"""Minimum number of heartbeats to miss before a worker is silent. Dask workers send one every 0.5 s, or if there are
many (n), every 1 + n / 200 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHeartbeat:
    """What a scheduler knows about a worker."""

    threads: int
    """Number of threads that take work."""
    last_seen: float
    """When the worker was last seen, by the scheduler's clock; used only to notice changes."""


class Heartbeats:
    """The workers of a cluster, checked periodically. Only this process's clock is used."""

    def __init__(self, silence_seconds: float) -> None:
        """A worker without a heartbeat for `silence_seconds` is silent: cut off, frozen or dead."""
        self._silence_seconds = silence_seconds
        self._heartbeats: dict[str, WorkerHeartbeat] = {}
        self._unheard: dict[str, float] = {}
        self._looked_at: float | None = None

    def look(self, heartbeats: Mapping[str, WorkerHeartbeat], now: float) -> None:
        """Record the scheduler's state, by address of the worker; `now` is a monotonic clock in seconds."""
        gap = 0.0 if self._looked_at is None else min(now - self._looked_at, LONGEST_GAP_SECONDS)
        self._unheard = {
            address: self._unheard.get(address, 0.0) + gap if self._is_same(address, heartbeat) else 0.0
            for address, heartbeat in heartbeats.items()
        }
        self._heartbeats, self._looked_at = dict(heartbeats), now

    @property
    def silent(self) -> frozenset[str]:
        """Addresses of the silent workers, whose work should not be waited for."""
        patience = max(self._silence_seconds, HEARTBEATS * (0.5 + len(self._heartbeats) / 200))
        return frozenset(address for address, seconds in self._unheard.items() if seconds >= patience)

    @property
    def living(self) -> tuple[str, ...]:
        """Addresses of the workers that respond."""
        silent = self.silent
        return tuple(address for address in self._heartbeats if address not in silent)

    @property
    def threads(self) -> int:
        """Number of threads of the workers that respond."""
        return sum(self._heartbeats[address].threads for address in self.living)

    def _is_same(self, address: str, heartbeat: WorkerHeartbeat) -> bool:
        known = self._heartbeats.get(address)
        return known is not None and known.last_seen == heartbeat.last_seen
