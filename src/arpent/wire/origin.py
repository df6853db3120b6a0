"""Origin: what the metadata of a table and of a features file say about where they come from."""

from __future__ import annotations

import json

from arpent import __version__
from arpent.domain.request import Request


def origin(job_id: str, request: Request) -> str:
    """JSON, the same for every file of a job: software, job, collections, and the request without its secrets."""
    return json.dumps(
        {
            "software": f"arpent {__version__}",
            "id": job_id,
            "collections": [source.collection for source in request.sources],
            "request": json.loads(request.shown or "{}"),
        },
        ensure_ascii=False,
    )
