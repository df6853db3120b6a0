"""Other APIs: paths of the real service that arpent does not serve, and what to do instead.

They answer 404 and not 501: the official client would try a 5xx four times, over more than a minute
(sentinelhub.md 1.7)."""

from __future__ import annotations

from collections.abc import Mapping

BATCH = "POST a request to /api/v1/statistics/batch, or one polygon to /api/v1/statistics"

APIS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "the Process API (images)": (
        ("/api/v1/process", "/process/v1"),
        f"It computes numbers for polygons, not images: {BATCH}",
    ),
    "the Catalog API before 2023": (
        ("/api/v1/catalog/search", "/api/v1/catalog/collections"),
        "Its newer form is at /api/v1/catalog/1.0.0, which uses filter instead of query",
    ),
    "the BYOC API (collections of your own)": (
        ("/api/v1/byoc", "/byoc/v1", "/byoc", "/api/v1/zarr", "/zarr/v1"),
        "Describe the collection in a TOML file in the folder ARPENT_COLLECTIONS (docs/collections.md), and its images"
        " in the STAC catalogue",
    ),
    "the asynchronous Process API": (
        ("/api/v1/async", "/async/v1"),
        f"It computes numbers for polygons, not images: {BATCH}",
    ),
    "the Batch Processing API (images)": (
        ("/api/v1/batch", "/api/v2/batch", "/batch/v1", "/batch/v2"),
        f"It computes numbers for polygons, not images: {BATCH}",
    ),
    "the Feature Information Service (FIS)": (
        ("/ogc/fis", "/v1/fis"),
        "It is the old form of the Statistical API: POST to /api/v1/statistics",
    ),
    "the OGC services (WMS, WMTS, WCS, WFS)": (("/ogc",), f"It computes numbers for polygons, not maps: {BATCH}"),
    "the Configuration API": (
        ("/configuration", "/api/v2/configuration"),
        "Send the evalscript with each request; nothing needs to be configured beforehand",
    ),
    "the Third Party Data Import API": (
        ("/api/v1/dataimport", "/dataimport/v1"),
        "Order images from their provider, and describe them in the STAC catalogue",
    ),
    "the service's accounts": (
        ("/oauth/auth", "/oauth/tokeninfo", "/oauth/users", "/ims", "/contract", "/ratelimit", "/api/v1/accounting"),
        "Clients are created on the server's machine: arpent client add NAME",
    ),
    "the OpenSearch and index services": (("/opensearch", "/index"), "Search the STAC catalogue itself"),
}
"""Name of an API → (its paths, which include everything below them; what to do instead)."""


def other_api_message(path: str) -> str | None:
    """A message about a path of one of these APIs; None for other paths. The longest match counts."""
    matches = [
        (len(start), f"This is {what}, which arpent does not serve. {instead}.")
        for what, (starts, instead) in APIS.items()
        for start in starts
        if path == start or path.startswith(start + "/")
    ]
    return max(matches)[1] if matches else None
