"""Request cache: the parsed requests of the jobs whose partitions a runner submits."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from arpent.domain.job import Job
from arpent.domain.request import Request

KEPT_REQUESTS = 64
"""Maximum number of requests kept; the least recently used is dropped first."""
KEPT_SECONDS = 60.0
"""Seconds for which a request is kept after its last use; not longer, because it may hold secrets."""

_Key = tuple[str, bytes]


class RequestCache:
    """Parses a job's request once and not for every partition. The request is kept in the memory of the runner, which
    reads bodies from the database anyway, and is sent with the lease to the worker that computes the partition. Not
    thread-safe."""

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
        """The job's request with the evalscript that was analysed; parsed again if the job's body has changed. Raises
        InvalidRequest, and what `script` raises."""
        key = (job.id, sha256(f"{job.owner}\0{job.body}".encode(errors="surrogatepass")).digest())
        kept = self._kept.pop(key, None)
        request = self._analysed(job) if kept is None else kept[0]
        self._kept[key] = (request, self._clock())
        if len(self._kept) > KEPT_REQUESTS:
            self._kept.popitem(last=False)
        return request

    def _analysed(self, job: Job) -> Request:
        """The request with the script that was analysed, even if the script in the bucket has changed since: all
        results of a job come from one script."""
        request, script = self._parse(job), self._script(job.id)
        return request if script is None else replace(request, script=script)

    def expire(self) -> None:
        """Drop the requests that no partition has used for KEPT_SECONDS."""
        oldest = self._clock() - KEPT_SECONDS
        while self._kept and next(iter(self._kept.values()))[1] < oldest:
            self._kept.popitem(last=False)
