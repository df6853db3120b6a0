"""Documentation: what /docs shows of request bodies that routes read themselves, and of tokens."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from arpent.wire.request.schema import BatchBody, StatisticalBody

_REFERENCE = "#/components/schemas/{model}"
_CITATION = re.compile(r"\s*\(sentinelhub\.md [^)]*\)")
"""A citation of the page about the real service in a docstring: for developers, not for readers of /docs."""


def request_body(shape: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI of a body: JSON, or a form with the parts `request` and `evalscript` (sentinelhub.md 1.2)."""
    body = {"$ref": _REFERENCE.format(model=shape.__name__)}
    form = {
        "type": "object",
        "properties": {"request": body, "evalscript": {"type": "string"}},
        "required": ["request"],
    }
    content = {"application/json": {"schema": body}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


def document(app: FastAPI) -> None:
    """Add the models of the bodies and the token endpoint to the app's OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, shapes = models_json_schema(
                [(BatchBody, "validation"), (StatisticalBody, "validation")], ref_template=_REFERENCE
            )
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {}).update(shapes["$defs"])
            flow = {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}}
            components["securitySchemes"] = {"client": {"type": "oauth2", "flows": flow}}
            schema["security"] = [{"client": []}]
            app.openapi_schema = _without_citations(schema)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _without_citations(part: Any) -> Any:
    """The same JSON with citations removed from its texts."""
    if isinstance(part, dict):
        return {name: _without_citations(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_without_citations(value) for value in part]
    return _CITATION.sub("", part) if isinstance(part, str) else part
