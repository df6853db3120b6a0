"""Collection: a STAC collection that describes a job's results, with its tables' columns (table extension)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from arpent import __version__
from arpent.domain.calculation import share_column
from arpent.domain.interval import iso_seconds
from arpent.domain.request import Request

EXTENSIONS = (
    "https://stac-extensions.github.io/table/v1.2.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.1.0/schema.json",
)
PARQUET = "application/vnd.apache.parquet"
DESCRIPTIONS = {
    "id": "Primary key of the feature",
    "identifier": "Its identifier in the file of features",
    "from": "Start of the interval",
    "to": "End of the interval, exclusive",
    "output": "Output of the evalscript",
    "band": "Band of the output",
    "min": "Smallest sample that counts",
    "max": "Largest sample that counts",
    "mean": "Mean of the samples that count",
    "stDev": "Their standard deviation, of the population",
    "sample_count": "Samples of the feature's grid, inside the polygon or not",
    "no_data_count": "Samples that do not count",
    "geometry_pixel_count": "Samples inside the polygon",
    "valid_share": "Share of the samples inside the polygon that count",
    "cloudy_share": "Share of the samples inside the polygon that have imagery but are masked out",
    "tiny": "Whether the polygon is smaller than a sample, or at most one sample belongs to it",
    "histogram_edges": "Edges of the histogram's bins",
    "histogram_counts": "Samples in each bin",
    "underflow": "Samples below the first edge",
    "overflow": "Samples above the last edge",
    "status": "OK or FAILED",
    "reason": "Why it failed",
    "items": "Ids of the STAC items that gave samples",
    "sum": "Sum of the samples that count",
    "count": "Number of samples that count",
    "variance": "Variance of the samples that count, of the population",
    "median": "Their median",
    "mode": "The most frequent of them",
    "weightedMean": "Their mean, each weighted by the share that the polygon covers",
}


def render_collection(
    job_id: str, request: Request, features: int, box: Sequence[float], columns: Iterable[tuple[str, str]]
) -> bytes:
    """The JSON of a job's collection, which is stored in a folder next to those of its tables. `features`: number of
    features; `box`: west, south, east, north in degrees; `columns`: name and type of each column of the long table."""
    sources = ", ".join(dict.fromkeys(source.collection for source in request.sources))
    whole = request.time_range
    return json.dumps(
        {
            "type": "Collection",
            "stac_version": "1.0.0",
            "stac_extensions": list(EXTENSIONS),
            "id": job_id,
            "title": f"Statistics of {features:,} features from {sources}",
            "description": f"Statistics per feature and interval, from {sources}: a row per feature, interval, output "
            "and band in `table`, each feature once in `features`; both have the column `id`.",
            "license": "other",
            "extent": {
                "spatial": {"bbox": [list(box)]},
                "temporal": {"interval": [[iso_seconds(whole.start), iso_seconds(whole.end)]]},
            },
            "table:columns": [{"name": name, "description": _words(name), "type": kind} for name, kind in columns],
            "processing:software": {"arpent": __version__},
            "assets": {
                "table": {"href": "../parquet/", "title": "The numbers", "type": PARQUET, "roles": ["data"]},
                "features": {
                    "href": "../features/features.parquet",
                    "title": "The features, GeoParquet",
                    "type": PARQUET,
                    "roles": ["data"],
                    "table:primary_geometry": "geometry",
                    "table:row_count": features,
                },
            },
            "links": [],
        },
        ensure_ascii=False,
    ).encode()


def features_described(payload: bytes) -> int | None:
    """The number of features stated in the JSON of a job's collection; None if it is not stated."""
    try:
        found = json.loads(payload)["assets"]["features"]["table:row_count"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None


def _words(name: str) -> str:
    """The description of a column for users."""
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    prefix = share_column("")
    if name.startswith(prefix):
        return f"Share of the class {name.removeprefix(prefix)} in the samples that count"
    return f"Percentile {name[1:]} of the samples that count"
