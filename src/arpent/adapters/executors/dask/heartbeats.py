"""Heartbeats: which workers of a Dask cluster are still heard of, whatever the scheduler thinks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_GAP_SECONDS = 30.0
"""Silence that counts between two looks: it may have been we who slept."""
HEARTBEATS = 5
"""So many are always waited for; Dask has its workers say that they live every half second, and where there are many of
them every n / 200 seconds and one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHeartbeat:
    """What a scheduler says of a worker."""

    threads: int
    """Threads that take work."""
    last_seen: float
    """When it was last heard of, by the scheduler's clock: only its changes mean anything here."""


class Heartbeats:
    """Workers of a cluster, as seen by one who looks now and then. No clock but ours is trusted."""

    def __init__(self, silence_seconds: float) -> None:
        """A worker of which nothing is heard for so long is silent: cut off, frozen, or dead."""
        self._silence_seconds = silence_seconds
        self._heartbeats: dict[str, WorkerHeartbeat] = {}
        self._unheard: dict[str, float] = {}
        self._looked_at: float | None = None

    def look(self, heartbeats: Mapping[str, WorkerHeartbeat], now: float) -> None:
        """What the scheduler says at this instant of a clock that never goes back; by address of the worker."""
        gap = 0.0 if self._looked_at is None else min(now - self._looked_at, LONGEST_GAP_SECONDS)
        self._unheard = {
            address: self._unheard.get(address, 0.0) + gap if self._is_same(address, heartbeat) else 0.0
            for address, heartbeat in heartbeats.items()
        }
        self._heartbeats, self._looked_at = dict(heartbeats), now

    @property
    def silent(self) -> frozenset[str]:
        """Those that should not be waited for."""
        patience = max(self._silence_seconds, HEARTBEATS * (0.5 + len(self._heartbeats) / 200))
        return frozenset(address for address, seconds in self._unheard.items() if seconds >= patience)

    @property
    def living(self) -> tuple[str, ...]:
        """The others."""
        silent = self.silent
        return tuple(address for address in self._heartbeats if address not in silent)

    @property
    def threads(self) -> int:
        """Of the living."""
        return sum(self._heartbeats[address].threads for address in self.living)

    def _is_same(self, address: str, heartbeat: WorkerHeartbeat) -> bool:
        known = self._heartbeats.get(address)
        return known is not None and known.last_seen == heartbeat.last_seen
