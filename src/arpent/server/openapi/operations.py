"""Operations: what each path answers, and which body and parameters it takes where its route reads them itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from arpent.domain.ports.jobs import SortKey
from arpent.server.access.auth import DISCOVERY_PATH, KEYS_PATH, TOKEN_PATHS
from arpent.server.openapi import answers
from arpent.wire.catalog.query import MOST, USUAL

JSON, GEOJSON = "application/json", "application/geo+json"
Media = Mapping[str, type[BaseModel] | dict[str, Any]]
OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": True}
TEXT: dict[str, Any] = {"type": "string"}
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}

NO_TOKEN = frozenset({
    *TOKEN_PATHS, DISCOVERY_PATH, KEYS_PATH, "/healthz", "/readyz", "/metrics", "{catalog}", "{catalog}/conformance",
})  # fmt: skip
"""Paths that need no token."""
NEVER_FAILS = frozenset({"/healthz", "{catalog}", "{catalog}/conformance", KEYS_PATH})
"""Paths that depend on nothing outside the process."""

TOKEN_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "client_id": TEXT,
        "client_secret": {"type": "string", "format": "password"},
    },
    "required": ["grant_type"],
}
SEARCH: dict[str, dict[str, Any]] = {
    "collections": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 1},
    "datetime": {"type": "string", "examples": ["2024-06-01T00:00:00Z/2024-06-30T00:00:00Z"]},
    "bbox": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
    "intersects": OBJECT,
    "ids": {"type": "array", "items": TEXT},
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
    "next": WHOLE,
    "fields": OBJECT,
    "filter": {"anyOf": [TEXT, OBJECT]},
    "filter-lang": {"type": "string", "enum": ["cql2-text", "cql2-json"]},
    "filter-crs": TEXT,
    "distinct": TEXT,
}
"""Fields of a catalogue search in a body. In a query string, lists are separated by commas, and objects are JSON."""
SEARCH_BODY: dict[str, Any] = {"type": "object", "properties": SEARCH, "required": ["collections"]}
IN_QUERY = {name: TEXT if shape.get("type") in ("array", "object") else shape for name, shape in SEARCH.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedOperation:
    """What the document says about one operation in addition to what the framework finds."""

    answer: Media | None
    """Media type → shape of a successful answer; None: no body."""
    status: str = "200"
    """HTTP status of success."""
    errors: tuple[int, ...] = (400, 404)
    """Error statuses specific to this operation; those of tokens, limits and faults apply to all."""
    body: Media | None = None
    """The body that it takes, where the route does not declare one."""
    query: Mapping[str, dict[str, Any]] | None = None
    """Query parameters that the route reads itself."""


TOKEN = DescribedOperation(
    answer={JSON: answers.TokenAnswer}, errors=(), body={"application/x-www-form-urlencoded": TOKEN_FORM}
)
ACTION = DescribedOperation(answer=None, status="204", errors=(400, 404, 409))
OPERATIONS: dict[str, DescribedOperation] = {
    **{f"POST {path}": TOKEN for path in TOKEN_PATHS},
    f"GET {DISCOVERY_PATH}": DescribedOperation(answer={JSON: OBJECT}, errors=()),
    f"GET {KEYS_PATH}": DescribedOperation(answer={JSON: OBJECT}, errors=()),
    "POST {batch}": DescribedOperation(answer={JSON: answers.TaskAnswer}, status="201", errors=(400, 413, 415)),
    "GET {batch}": DescribedOperation(answer={JSON: answers.TaskPage}, errors=(400,)),
    "POST {batch}/{job_id}/analyse": ACTION,
    "POST {batch}/{job_id}/start": ACTION,
    "POST {batch}/{job_id}/stop": ACTION,
    "POST {batch}/{job_id}/cancel": ACTION,
    "GET {batch}/{job_id}": DescribedOperation(answer={JSON: answers.TaskAnswer}),
    "GET {batch}/{job_id}/status": DescribedOperation(answer={JSON: answers.TaskStatusAnswer}),
    "GET {batch}/{job_id}/features": DescribedOperation(answer={JSON: answers.FindingPage}),
    "GET {batch}/{job_id}/features/{feature}/explain": DescribedOperation(
        answer={JSON: answers.ExplanationAnswer, "image/png": BINARY}, errors=(400, 404, 409)
    ),
    "GET {batch}/{job_id}/results": DescribedOperation(answer={JSON: answers.OverviewAnswer}),
    "GET {batch}/{job_id}/results/scale": DescribedOperation(answer={JSON: answers.ScaleAnswer}),
    "GET {batch}/{job_id}/results/tiles/{zoom}/{column}/{row}": DescribedOperation(
        answer={"application/vnd.mapbox-vector-tile": BINARY}
    ),
    "GET {batch}/{job_id}/results/values": DescribedOperation(answer={JSON: answers.ValuePage}),
    "GET {batch}/{job_id}/results/features/{feature}": DescribedOperation(answer={JSON: answers.SeriesAnswer}),
    "GET {batch}/{job_id}/results/table": DescribedOperation(
        answer={"text/csv": TEXT, "application/vnd.apache.parquet": BINARY}
    ),
    "POST {statistics}": DescribedOperation(answer={JSON: answers.StatisticalAnswer}, errors=(400, 413, 415)),
    "GET {catalog}": DescribedOperation(answer={JSON: OBJECT}, errors=()),
    "GET {catalog}/conformance": DescribedOperation(answer={JSON: answers.ConformanceAnswer}, errors=()),
    "GET {catalog}/collections": DescribedOperation(answer={JSON: answers.CollectionList}, errors=()),
    "GET {catalog}/collections/{name}": DescribedOperation(answer={JSON: answers.CollectionAnswer}, errors=(404,)),
    "GET {catalog}/collections/{name}/queryables": DescribedOperation(answer={JSON: OBJECT}, errors=(404,)),
    "GET {catalog}/collections/{name}/items": DescribedOperation(
        answer={GEOJSON: answers.FeaturePage},
        query={name: shape for name, shape in IN_QUERY.items() if name != "collections"},
    ),
    "GET {catalog}/collections/{name}/items/{item}": DescribedOperation(answer={GEOJSON: answers.FeatureAnswer}),
    "GET {catalog}/search": DescribedOperation(answer={GEOJSON: answers.FeaturePage}, query=IN_QUERY),
    "POST {catalog}/search": DescribedOperation(
        answer={GEOJSON: answers.FeaturePage}, errors=(400, 404, 413, 415), body={JSON: SEARCH_BODY}
    ),
    "GET /page/form": DescribedOperation(answer={JSON: OBJECT}, errors=()),
    "GET /page/script": DescribedOperation(answer={JSON: answers.EvalscriptAnswer}, errors=(400,)),
    "GET /page/features": DescribedOperation(answer={JSON: OBJECT}, errors=(400,)),
    "POST /page/files": DescribedOperation(
        answer={JSON: answers.FileAnswer}, status="201", errors=(400, 404, 413),
        body={"application/octet-stream": BINARY},
    ),
    "GET /healthz": DescribedOperation(answer={JSON: answers.HealthAnswer}, errors=()),
    "GET /readyz": DescribedOperation(answer={JSON: answers.HealthAnswer}, errors=()),
    "GET /metrics": DescribedOperation(answer={"text/plain": TEXT}, errors=(401, 403, 429)),
}  # fmt: skip
"""Method and path, with {batch}, {statistics} and {catalog} for their addresses → its description."""

PARAMETERS: dict[str, dict[str, Any]] = {
    "count": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    "viewtoken": {"type": "string", "pattern": "^[0-9]{1,12}$"},
    "sort": {"type": "string", "enum": [key.value for key in SortKey]},
    "job_id": {"type": "string", "format": "uuid"},
    "feature": {"type": "integer"},
    "zoom": {"type": "integer", "minimum": 0, "maximum": 24},
    "column": WHOLE,
    "row": WHOLE,
    "offset": WHOLE,
    "from": {"type": "string", "format": "date-time"},
    "mask": {"type": "string", "enum": ["true", "false"]},
    "index": {"type": "array", "items": TEXT},
}
"""Parameter name → schema; all others are text. Routes read all of them as text, to word their own errors."""
FORMATS: dict[str, list[str]] = {"explain": ["json", "png"], "table": ["csv", "parquet"]}
"""Last path segment → values of `format`."""
