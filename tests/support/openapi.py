"""What an OpenAPI document promises, flat enough to compare: operations, and fields of bodies by path.

`python -m tests.support.openapi DOCUMENT.yml …` prints it as JSON, for tests/contracts/published_api.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

METHODS = ("get", "put", "post", "delete", "patch")
DEEPEST = 20
"""Levels of a body: GeoJSON refers to itself."""
Fields = dict[str, list[Any]]
"""Path of a field, `input.data[].type` → its enum, or nothing."""


class Document:
    """One OpenAPI document."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content

    def operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(POST /path, the operation)."""
        for path, methods in self.content["paths"].items():
            for method, found in methods.items():
                if method in METHODS:
                    yield f"{method.upper()} {path}", found

    def resolved(self, part: Any) -> Any:
        """What a reference leads to."""
        while isinstance(part, Mapping) and "$ref" in part:
            _, *steps = part["$ref"].split("/")
            part = self.content
            for step in steps:
                part = part[step]
        return part

    def query(self, operation: Mapping[str, Any]) -> Fields:
        """Parameters of the query string."""
        parameters = [self.resolved(each) for each in operation.get("parameters", [])]
        return {
            each["name"]: self.resolved(each["schema"]).get("enum", []) for each in parameters if each["in"] == "query"
        }

    def body(self, operation: Mapping[str, Any]) -> Fields:
        """Fields of the JSON body that is sent."""
        content = self.resolved(operation.get("requestBody", {})).get("content", {})
        return self.fields(content.get("application/json", {}).get("schema", {}))

    def answer(self, operation: Mapping[str, Any], status: str) -> Fields:
        """Fields of the JSON body that is answered with this status."""
        content = self.resolved(operation["responses"][status]).get("content", {})
        media = next(
            (found for kind, found in content.items() if kind.startswith("application/") and "json" in kind), {}
        )
        return self.fields(media.get("schema", {}))

    def fields(self, schema: Any) -> Fields:
        """Every field of a schema, whichever of its alternatives it belongs to."""
        found: Fields = {}
        for path, values in self._walk(schema, "", 0):
            found[path] = sorted({*found.get(path, []), *values})
        return found

    def _walk(self, schema: Any, path: str, depth: int) -> Iterator[tuple[str, list[Any]]]:
        schema = self.resolved(schema)
        if not isinstance(schema, Mapping) or depth > DEEPEST:
            return
        if path:
            only = [schema["const"]] if "const" in schema else []
            yield path, [value for value in schema.get("enum", only) if value is not None]
        for group in ("allOf", "oneOf", "anyOf"):
            for each in schema.get(group, []):
                yield from self._walk(each, path, depth + 1)
        if "items" in schema:
            yield from self._walk(schema["items"], f"{path}[]", depth + 1)
        for name, each in schema.get("properties", {}).items():
            yield from self._walk(each, f"{path}.{name}" if path else name, depth + 1)
        if isinstance(schema.get("additionalProperties"), Mapping):
            yield from self._walk(schema["additionalProperties"], f"{path}.*" if path else "*", depth + 1)


def promised(document: Document) -> dict[str, Any]:
    """Operation → statuses, whether it needs a token, query, body, and answer of success."""
    found = {}
    for name, operation in document.operations():
        success = next(status for status in operation["responses"] if status.startswith("2"))
        found[name] = {
            "statuses": sorted(operation["responses"]),
            "token": bool(operation.get("security", document.content.get("security"))),
            "query": document.query(operation),
            "body": document.body(operation),
            "answer": document.answer(operation, success),
        }
    return found


if __name__ == "__main__":
    every: dict[str, Any] = {}
    for argument in sys.argv[1:]:
        every |= promised(Document(yaml.safe_load(Path(argument).read_text())))
    print(json.dumps(every, indent=1, sort_keys=True))
