"""Where links lead, and who is on this machine."""

from __future__ import annotations

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from arpent.server.access.callers import Callers
from arpent.server.address import is_local, list_address
from arpent.server.health import health_routes
from arpent.server.options import ServerOptions

TRUSTING = ServerOptions(trust_forwarded=True)


def request(headers: dict[str, str], client: tuple[str, int] | None = ("10.0.0.9", 1)) -> Request:
    return Request({
        "type": "http", "method": "GET", "scheme": "http", "server": ("inner", 8000), "path": "/api/v1/x",
        "root_path": "",
        "query_string": b"count=1", "client": client,
        "headers": [(b"host", b"inner:8000"), *((name.encode(), value.encode()) for name, value in headers.items())],
    })  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"x-forwarded-proto": "https"}, "https://inner:8000/api/v1/x"),
        ({"x-forwarded-proto": "https", "x-forwarded-host": "stats.example"}, "https://stats.example/api/v1/x"),
        ({"x-forwarded-host": "a.example, stats.example:8443"}, "http://stats.example:8443/api/v1/x"),
        ({"x-forwarded-prefix": "/arpent/"}, "http://inner:8000/arpent/api/v1/x"),
        ({"x-forwarded-host": "[::1]:80"}, "http://[::1]:80/api/v1/x"),
        ({"x-forwarded-proto": "javascript"}, "http://inner:8000/api/v1/x"),
        ({"x-forwarded-host": "evil/x"}, "http://inner:8000/api/v1/x"),
        ({"x-forwarded-host": "me@evil"}, "http://inner:8000/api/v1/x"),
        ({"x-forwarded-prefix": "//evil"}, "http://inner:8000/api/v1/x"),
        ({"x-forwarded-prefix": "evil"}, "http://inner:8000/api/v1/x"),
        ({}, "http://inner:8000/api/v1/x"),
    ],
)
def test_links_follow_a_trusted_proxy(headers: dict[str, str], address: str) -> None:
    assert list_address(request(headers), TRUSTING) == address


def test_links_do_not_follow_who_is_not_trusted() -> None:
    headers = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example", "x-forwarded-prefix": "/evil"}
    assert list_address(request(headers), ServerOptions()) == "http://inner:8000/api/v1/x"


@pytest.mark.parametrize(
    ("client", "headers", "local"),
    [
        ("127.0.0.1", {}, True), ("::1", {}, True), ("::ffff:127.0.0.1", {}, True), (None, {}, True),
        ("10.0.0.9", {}, False), ("testclient", {}, False), ("127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, False),
        ("127.0.0.1", {"forwarded": "for=203.0.113.9"}, False),
    ],
)  # fmt: skip
def test_who_is_on_this_machine(client: str | None, headers: dict[str, str], local: bool) -> None:
    assert is_local(request(headers, None if client is None else (client, 1))) is local


def test_metrics_are_for_this_machine() -> None:
    nobody = Callers(None)  # type: ignore[arg-type]
    for public, host, shown in ((False, "127.0.0.1", True), (False, "10.0.0.9", False), (True, "10.0.0.9", True)):
        routes = {route.path: route for route in health_routes(None, lambda: "x 1", nobody, public=public).routes}
        show = routes["/metrics"].endpoint
        if shown:
            assert asyncio.run(show(request({}, (host, 1)))).body == b"x 1"
        else:
            with pytest.raises(HTTPException, match="ARPENT_PUBLIC_METRICS"):
                asyncio.run(show(request({}, (host, 1))))
