"""Answers held to the server's own OpenAPI document, whoever asks for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import requests

from tests.support.openapi import Document


class Described:
    """A Fault (see `tampering`) that alters nothing, and remembers what the document does not say."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._document = Document(content)
        self._content = content
        self.faults: list[str] = []
        self.seen: set[str] = set()
        """Operations that were answered with success."""

    def __call__(self, method: str, url: str, answer: requests.Response) -> None:
        path = urlsplit(url).path
        for name, operation in self._document.operations():
            how, _, template = name.partition(" ")
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
            if how == method and re.fullmatch(pattern, path):
                self._look(name, operation, answer)
                return
        self.faults.append(f"{method} {path} is no operation of the document")

    def _look(self, name: str, operation: Mapping[str, Any], answer: requests.Response) -> None:
        said = operation["responses"].get(str(answer.status_code))
        if said is None:
            self.faults.append(f"{name}: {answer.status_code} is not described")
            return
        if answer.ok:
            self.seen.add(name)
        kind = answer.headers.get("content-type", "").partition(";")[0]
        content = said.get("content", {})
        if (kind not in content) if content else answer.content:
            self.faults.append(f"{name}: {answer.status_code} has {kind or 'nothing'} instead of {sorted(content)}")
        elif content and "json" in kind:
            schema = {**content[kind]["schema"], "components": self._content["components"]}
            for error in jsonschema.Draft202012Validator(schema).iter_errors(answer.json()):
                self.faults.append(f"{name}: {error.json_path}: {error.message[:300]}")
