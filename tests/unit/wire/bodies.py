"""Request bodies to start from: the documented examples, changed where a test wants it."""

from __future__ import annotations

import copy
import json
from typing import Any

SCRIPT = "//VERSION=3\nfunction setup() {}\nfunction evaluatePixel(samples) {}"
SECRET = "tOp-sEcReT-vAlUe"

BATCH: dict[str, Any] = {
    "input": {
        "features": {
            "s3": {"url": "s3://bucket/parcels.gpkg", "accessKey": "AKIA", "secretAccessKey": SECRET},
        },
        "data": [{"type": "sentinel-2-l2a", "dataFilter": {"mosaickingOrder": "leastCC"}}],
    },
    "aggregation": {
        "timeRange": {"from": "2020-06-01T00:00:00Z", "to": "2020-07-31T00:00:00Z"},
        "aggregationInterval": {"of": "P30D"},
        "evalscript": SCRIPT,
        "resx": 10,
        "resy": 10,
    },
    "output": {"s3": {"url": "s3://bucket/results/", "accessKey": "AKIA", "secretAccessKey": SECRET}},
}

STATISTICAL: dict[str, Any] = {
    "input": {
        "bounds": {
            "bbox": [414315, 4958219, 414859, 4958819],
            "properties": {"crs": "http://www.opengis.net/def/crs/EPSG/0/32633"},
        },
        "data": [{"type": "sentinel-2-l2a"}],
    },
    "aggregation": BATCH["aggregation"],
}

REMOVE = object()


def text(base: dict[str, Any], changes: dict[str, Any] | None = None) -> str:
    """The body with values put at paths such as `aggregation.resx`; REMOVE takes one away."""
    body = copy.deepcopy(base)
    for path, value in (changes or {}).items():
        *steps, last = path.split(".")
        place: Any = body
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        key: Any = int(last) if isinstance(place, list) else last
        if value is REMOVE:
            del place[key]
        else:
            place[key] = value
    return json.dumps(body)
