"""Request cache: the parsed requests of the jobs that a runner hands out partitions of."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from arpent.domain.job import Job
from arpent.domain.request import Request

KEPT_REQUESTS = 64
"""Requests at once; the one that was wanted least recently goes first."""
KEPT_SECONDS = 60.0
"""How long a request is kept after a partition wanted it: it may hold secrets."""

_Key = tuple[str, bytes]


class RequestCache:
    """A job's request is parsed for its first partition, not anew for each. It lives in the memory of the runner, which
    reads bodies from the database anyway, and goes with the lease to whoever computes the partition.
    Not thread-safe."""

    def __init__(
        self,
        parse: Callable[[Job], Request],
        script: Callable[[str], str | None] = lambda job_id: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`parse` raises InvalidRequest; `script` of a job id: see `JobStore.script`; `clock` gives seconds."""
        self._parse = parse
        self._script = script
        self._clock = clock
        self._kept: OrderedDict[_Key, tuple[Request, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def request_of(self, job: Job) -> Request:
        """The job's request with the evalscript that was analysed; parsed anew if its body has changed. Raises
        InvalidRequest, and what `script` raises."""
        key = (job.id, sha256(f"{job.owner}\0{job.body}".encode(errors="surrogatepass")).digest())
        kept = self._kept.pop(key, None)
        request = self._analysed(job) if kept is None else kept[0]
        self._kept[key] = (request, self._clock())
        if len(self._kept) > KEPT_REQUESTS:
            self._kept.popitem(last=False)
        return request

    def _analysed(self, job: Job) -> Request:
        """Whatever lies in the script's bucket by now: a job's result is that of one script."""
        request, script = self._parse(job), self._script(job.id)
        return request if script is None else replace(request, script=script)

    def expire(self) -> None:
        """Forget the requests that no partition has wanted for KEPT_SECONDS."""
        oldest = self._clock() - KEPT_SECONDS
        while self._kept and next(iter(self._kept.values()))[1] < oldest:
            self._kept.popitem(last=False)
