"""Origin: what the metadata of a table and of a features file say about where they come from."""

from __future__ import annotations

import json

from arpent import __version__
from arpent.domain.request import Request


def origin(request: Request) -> str:
    """JSON for the metadata of a table: software, collections, and the request without its secrets. Job, output and the
    request that was updated are not named: the same wish gives the same bytes, wherever and in how many steps."""
    wish = json.loads(request.shown or "{}")
    return json.dumps(
        {
            "software": f"arpent {__version__}",
            "collections": [source.collection for source in request.sources],
            "request": {name: value for name, value in wish.items() if name not in ("output", "update")},
        },
        ensure_ascii=False,
    )
