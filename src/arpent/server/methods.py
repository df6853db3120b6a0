"""Methods: which of them a path takes, for `Allow`."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def allowed(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """All methods of this request's path, as `Allow` lists them; empty where there is nothing at the path."""
    every = tuple(routes)
    found = [method for method in METHODS if _takes(every, {**scope, "method": method})]
    if not found:
        return ""
    return ", ".join([*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"])


def _takes(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(dict(scope))[0] is Match.FULL for route in routes)
