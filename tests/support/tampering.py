"""A client's session that alters answers on their way: a server with a planted fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import requests

Fault = Callable[[str, str, requests.Response], None]
"""(method, path, answer): alters the answer in place, or leaves it."""


class TamperedSession(requests.Session):
    """Like any session, but each answer goes through a fault first."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self._fault = fault

    def request(self, method: str | bytes, url: str | bytes, *arguments: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        answer = super().request(method, url, *arguments, **options)
        self._fault(str(method), str(url), answer)
        return answer


def replaced(answer: requests.Response, body: Any) -> None:
    """Give the answer another JSON body."""
    answer._content = json.dumps(body).encode()


def status(wanted: int, instead: int, path: str) -> Fault:
    """Another status for answers of paths that end so."""

    def fault(_: str, url: str, answer: requests.Response) -> None:
        if answer.status_code == wanted and url.endswith(path):
            answer.status_code = instead

    return fault


def field(change: Callable[[dict[str, Any]], Any], status_code: int = 200, method: str = "") -> Fault:
    """Something else in the objects that answers with this status hold; answers that lack the place are left."""

    def fault(how: str, _: str, answer: requests.Response) -> None:
        if answer.status_code != status_code or (method and how != method):
            return
        try:
            body = answer.json()
            change(body)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return
        replaced(answer, body)

    return fault
