"""Origin: what the metadata of a table and of a features file say about where they come from."""

from __future__ import annotations

import json

from arpent import __version__
from arpent.domain.request import Request


def origin(request: Request) -> str:
    """JSON for the metadata of a table: software, collections, and the request without its secrets. The job is not
    named: the same request gives the same bytes."""
    return json.dumps(
        {
            "software": f"arpent {__version__}",
            "collections": [source.collection for source in request.sources],
            "request": json.loads(request.shown or "{}"),
        },
        ensure_ascii=False,
    )
