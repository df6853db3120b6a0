"""The port of the web page at `/`: the functions and values that its routes need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arpent.domain.job import Job
from arpent.domain.ports.execution import PendingCall


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCalls:
    """The functions that the page's routes call, all of which raise ArpentError, and values shown to every client."""

    results: Callable[[Job, str, tuple[Any, ...]], PendingCall[bytes]]
    """(job, what to show, arguments) → the answer; see adapters.formats.results.view."""
    describe: Callable[[str, str], PendingCall[bytes]]
    """(client id, URL of a features file) → JSON about the file."""
    places: Callable[[str], Sequence[str]]
    """(client id) → each `bucket` or `bucket/prefix` where the client may put files; empty if buckets are not folders.
    """
    store: Callable[[str, str, bytes], None]
    """(client id, URL, content): stores a file at the URL."""
    script: Callable[[Sequence[str], str, bool], str]
    """(indices, collection, whether to mask clouds) → an evalscript."""
    offers: Callable[[], Mapping[str, object]] = dict
    """Returns the collections and indices that the form offers to every client."""
    most_upload: int = 100_000_000
    """Maximum size of an uploaded file, in bytes; 0: uploads are disabled."""
    basemap: str | None = None
    """URL template for the images of a base map; None: there is no base map."""
