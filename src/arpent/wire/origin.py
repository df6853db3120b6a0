"""Origin: the metadata of tables and features files that states how they were made."""

from __future__ import annotations

import json

from arpent import __version__
from arpent.domain.request import Request


def origin(request: Request) -> str:
    """JSON for the metadata of a table: software, collections, and the request without its secrets. Job, output and the
    request that was updated are left out, so that equal requests give equal bytes wherever the results are written and
    however many updates led to them."""
    wish = json.loads(request.shown or "{}")
    return json.dumps(
        {
            "software": f"arpent {__version__}",
            "collections": [source.collection for source in request.sources],
            "request": {name: value for name, value in wish.items() if name not in ("output", "update")},
        },
        ensure_ascii=False,
    )
