"""The referee of answers finds what the document does not say."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.support.described import Described

CONTENT: dict[str, Any] = {
    "paths": {
        "/jobs/{id}": {
            "get": {
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
                    "204": {},
                }
            }
        }
    },
    "components": {
        "schemas": {"Job": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}}
    },
}


def answer(status: int, body: Any, kind: str = "application/json") -> requests.Response:
    made = requests.Response()
    made.status_code, made._content = status, b"" if body is None else json.dumps(body).encode()
    made.headers["content-type"] = kind
    return made


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("/jobs/7", answer(200, {"id": "7"}), None),
        ("/jobs/7", answer(204, None), None),
        ("/jobs/7", answer(204, {}), "instead of"),
        ("/jobs/7", answer(200, {"id": 7}), "is not of type 'string'"),
        ("/jobs/7", answer(200, {}), "'id' is a required property"),
        ("/jobs/7", answer(418, {}), "418 is not described"),
        ("/jobs/7", answer(200, {"id": "7"}, "text/html"), "text/html instead of"),
        ("/jobs/7/more", answer(200, {}), "is no operation"),
    ],
)
def test_it(path: str, given: requests.Response, words: str | None) -> None:
    described = Described(CONTENT)
    described("GET", f"http://127.0.0.1:1{path}?count=1", given)
    assert (described.faults == []) if words is None else (words in described.faults[0])
