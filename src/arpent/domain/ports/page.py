"""The port of the page at `/`: what it asks of this installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arpent.domain.job import Job
from arpent.domain.ports.execution import PendingCall


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCalls:
    """What the page's routes call; all raise ArpentError. And what they show everybody."""

    results: Callable[[Job, str, tuple[Any, ...]], PendingCall[bytes]]
    """(job, what to show, arguments) → the answer: see adapters.formats.results.view."""
    describe: Callable[[str, str], PendingCall[bytes]]
    """(client id, URL of a file of features) → JSON about it."""
    places: Callable[[str], Sequence[str]]
    """(client id) → `bucket` or `bucket/prefix` where it may put files; none where buckets are not folders."""
    store: Callable[[str, str, bytes], None]
    """(client id, URL, content): puts a file there."""
    script: Callable[[Sequence[str], str, bool], str]
    """(indices, collection, whether to mask clouds) → an evalscript."""
    offers: Callable[[], Mapping[str, object]] = dict
    """What the form offers everybody: collections and indices."""
    most_upload: int = 100_000_000
    """Bytes of a file that is uploaded, at most; 0: none is."""
    basemap: str | None = None
    """Template of the URLs of a base map's images; None: there is none."""
