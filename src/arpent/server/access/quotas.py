"""Quotas: limit each client's requests per minute, concurrent synchronous requests, and units and uploads per month."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from arpent.domain.errors import InsufficientUnits, RateLimited, WorldError
from arpent.domain.ports.clients import Usage, UsageStore
from arpent.jobs.policy import Quota

MOST_PACES = 10_000
"""Maximum number of clients whose request rate is remembered."""
_LOGGER = logging.getLogger(__name__)


class Quotas:
    """Limits on each client's use of this server. `pace` and `synchronous` run on the event loop, the other methods in
    threads."""

    def __init__(
        self, of: Callable[[str], Quota], usage: UsageStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`of` returns the quota of a client by its id; `clock` returns seconds."""
        self._of = of
        self._usage = usage
        self._clock = clock
        self._due: dict[str, float] = {}
        self._under_way: Counter[str] = Counter()

    def pace(self, client: str) -> None:
        """Count a request. Raises RateLimited, with the time until the next allowed request, above the client's
        requests per minute. After a pause of a minute, as many as that may arrive at once."""
        limit = self._of(client).requests_per_minute
        if limit is None:
            return
        now, interval = self._clock(), 60 / limit
        due = max(self._due.pop(client, now), now)
        early = due - now - (60 - interval)
        if early > 1e-9:
            self._due[client] = due
            # Rounded up to whole milliseconds, so that the next request is not too early again.
            raise RateLimited("You have exceeded your rate limit", seconds=math.ceil(early * 1000) / 1000)
        while len(self._due) >= MOST_PACES:
            self._due.pop(next(iter(self._due)))
        self._due[client] = due + interval

    @contextmanager
    def synchronous(self, client: str) -> Iterator[None]:
        """Count a synchronous request while it runs. Raises RateLimited if the client has too many running."""
        limit = self._of(client).synchronous
        if limit is not None and self._under_way[client] >= limit:
            raise RateLimited(f"You have {limit} synchronous requests under way; send the next when one has ended.")
        self._under_way[client] += 1
        try:
            yield
        finally:
            self._under_way[client] -= 1
            if not self._under_way[client]:
                del self._under_way[client]

    def check_units(self, client: str) -> None:
        """Check that the client has processing units left this month. Raises InsufficientUnits."""
        limit = self._of(client).processing_units_per_month
        if limit is not None and self._usage.this_month(client, Usage.PROCESSING_UNITS) >= limit:
            raise InsufficientUnits

    def spend(self, client: str, units: float) -> None:
        """Count the processing units of a synchronous request, if the client has a quota of them. A failure to count is
        only logged, because the answer is ready and is sent anyway."""
        if self._of(client).processing_units_per_month is not None:
            self._count(client, Usage.PROCESSING_UNITS, units)

    def upload(self, client: str, size: int) -> None:
        """Count an upload of `size` bytes. Raises RateLimited if it exceeds the client's monthly limit."""
        limit = self._of(client).upload_bytes_per_month
        # Counted before it is checked, so that concurrent uploads, on any server, cannot all use the same remainder.
        self._usage.add(client, Usage.UPLOAD_BYTES, size)
        if limit is not None and self._usage.this_month(client, Usage.UPLOAD_BYTES) > limit:
            self.give_back(client, size)
            raise RateLimited(f"You may upload {limit} bytes in a calendar month; wait for the next.", seconds=3600.0)

    def give_back(self, client: str, size: int) -> None:
        """Subtract an upload that was counted but not stored."""
        self._count(client, Usage.UPLOAD_BYTES, -size)

    def _count(self, client: str, usage: Usage, amount: float) -> None:
        try:
            self._usage.add(client, usage, amount)
        except WorldError:
            _LOGGER.exception("the usage of %s was not counted: %s %s", client, amount, usage.value)
