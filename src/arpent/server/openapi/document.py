"""Document: the app's OpenAPI document, made from what the framework finds in the routes and what `operations` adds.

Routes read bodies and parameters themselves, so that errors have the real service's shape. The framework's own
validation error (422) therefore never occurs, and is removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from arpent.server.openapi.answers import ErrorAnswer, ErrorFields, OAuthErrorAnswer
from arpent.server.openapi.operations import (
    FORMATS,
    JSON,
    NEVER_FAILS,
    NO_TOKEN,
    OPERATIONS,
    PARAMETERS,
    TEXT,
    TOKEN,
    DescribedOperation,
    Media,
)
from arpent.wire.problems import PROBLEMS
from arpent.wire.request.schema import BatchBody, StatisticalBody

_REFERENCE = "#/components/schemas/{model}"
_CITATION = re.compile(r"\s*\(sentinelhub\.md [^)]*\)")
"""A citation of the page about the real service in a docstring: meant for developers, not for readers of /docs."""
_OF_TOKENS, _OF_ALL = (401, 403, 429), (500, 503)
_RETRY = {"schema": {"type": "integer", "minimum": 0}, "description": "Milliseconds to wait"}
_SPENT = {"schema": {"type": "number", "minimum": 0}, "description": "Processing units of this request"}


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


def document(app: FastAPI, bases: Mapping[str, Sequence[str]]) -> None:
    """Complete the app's OpenAPI document with bodies, answers, errors, parameters and tokens. `bases`: the addresses
    that {batch}, {statistics} and {catalog} stand for in `operations`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schema["components"] = {"schemas": _shapes(), "securitySchemes": {"client": _flow()}}
            schema["security"] = [{"client": []}]
            for method, path, found in _operations(schema):
                _complete(method, path, found, _generic(path, bases))
            app.openapi_schema = _without_citations(schema)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _operations(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, found in methods.items():
            yield method.upper(), path, found


def _generic(path: str, bases: Mapping[str, Sequence[str]]) -> str:
    """The path with {batch}, {statistics} or {catalog} in place of its base address."""
    for name, addresses in bases.items():
        for address in addresses:
            if path == address or path.startswith(f"{address}/"):
                return name + path.removeprefix(address)
    return path


def _complete(method: str, path: str, found: dict[str, Any], place: str) -> None:
    """Add answers, errors, parameters and security to one operation found by the framework. `place`: its path as
    written in `operations`."""
    said = OPERATIONS[f"{method} {place}"]
    found["operationId"] = _name(method, path)
    if place in NO_TOKEN:
        found["security"] = []
    if said.body is not None:
        found["requestBody"] = {"required": True, "content": _content(said.body)}
    parameters = [*found.get("parameters", []), *_query(said)]
    for parameter in parameters:
        _describe(parameter, path)
    if parameters:
        found["parameters"] = parameters
    found["responses"] = _responses(said, place)


def _responses(said: DescribedOperation, place: str) -> dict[str, Any]:
    success: dict[str, Any] = {"description": HTTPStatus(int(said.status)).phrase}
    if said.answer is not None:
        success["content"] = _content(said.answer)
    if place == "{statistics}":
        success["headers"] = {"x-processingunits-spent": _SPENT}
    statuses = {*said.errors, *(() if place in NO_TOKEN else _OF_TOKENS), *(() if place in NEVER_FAILS else _OF_ALL)}
    errors = {str(status): _refusal(status) for status in sorted(statuses)}
    if said is TOKEN:
        oauth = _content({JSON: OAuthErrorAnswer})
        errors |= {str(status): {"description": HTTPStatus(status).phrase, "content": oauth} for status in (400, 401)}
        errors["413"] = _refusal(413)
    return {said.status: success, **dict(sorted(errors.items()))}


def _refusal(status: int) -> dict[str, Any]:
    """An error response. That of 429 has no wrapper object, and says how long to wait (sentinelhub.md 1.5, 1.7)."""
    told: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    told["content"] = _content({JSON: ErrorFields if status == HTTPStatus.TOO_MANY_REQUESTS else ErrorAnswer})
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        told["headers"] = {"Retry-After": _RETRY}
    return told


def _content(media: Media) -> dict[str, Any]:
    return {
        kind: {"schema": shape if isinstance(shape, dict) else {"$ref": _REFERENCE.format(model=shape.__name__)}}
        for kind, shape in media.items()
    }


def _query(said: DescribedOperation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": name == "collections", "schema": dict(shape)}
        for name, shape in (said.query or {}).items()
    ]


def _describe(parameter: dict[str, Any], path: str) -> None:
    """Describe the values that a parameter may have; to the framework, routes declare plain text."""
    name, last = parameter["name"], path.rpartition("/")[2]
    if name == "format" and last in FORMATS:
        parameter["schema"] = {"type": "string", "enum": FORMATS[last]}
    elif name in PARAMETERS:
        parameter["schema"] = dict(PARAMETERS[name])
    elif parameter["schema"].get("type") is None:
        parameter["schema"] = dict(TEXT)


def _name(method: str, path: str) -> str:
    """An operation name for generated clients: letters, digits and underscores."""
    return "_".join([method.lower(), *re.findall(r"[A-Za-z0-9]+", path)])


def _shapes() -> dict[str, Any]:
    """Schemas of all bodies and answers, by name."""
    models = {
        shape for said in OPERATIONS.values() for shape in (said.answer or {}).values() if isinstance(shape, type)
    }
    models |= {ErrorAnswer, ErrorFields, OAuthErrorAnswer}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, sent = models_json_schema([(BatchBody, "validation"), (StatisticalBody, "validation")], ref_template=_REFERENCE)
    _, told = models_json_schema([(model, "validation") for model in ordered], ref_template=_REFERENCE)
    shapes: dict[str, Any] = {**sent["$defs"], **told["$defs"]}
    codes = sorted({code for _, code in PROBLEMS.values()} | {"COMMON_METHOD_NOT_ALLOWED"})
    shapes["ErrorFields"]["properties"]["code"]["enum"] = codes
    return shapes


def _flow() -> dict[str, Any]:
    return {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}}}


def _without_citations(part: Any) -> Any:
    """The same JSON with citations removed from its texts."""
    if isinstance(part, dict):
        return {name: _without_citations(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_without_citations(value) for value in part]
    return _CITATION.sub("", part) if isinstance(part, str) else part
