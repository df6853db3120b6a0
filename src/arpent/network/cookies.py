"""Cookies: those that hosts set at the end of a login, sent back to the same hosts only."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from threading import Lock
from urllib.parse import urlsplit

from urllib3 import HTTPHeaderDict

from arpent.network.access import AuthorizedRequest

MOST = 32
"""Maximum number of cookies kept for one host."""
LONGEST = 8192
"""Maximum length of a cookie, in characters."""


class Cookies:
    """Cookies by host. Thread-safe. Attributes such as expiry are ignored: a cookie goes back to the scheme, host and
    port that set it, until that host replaces it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], dict[str, str]] = {}
        self._lock = Lock()

    def of(self, asked: AuthorizedRequest) -> dict[str, str]:
        """The `cookie` header for a request; empty if there are no cookies to send."""
        kept = self._kept.get(_site(asked)) if asked.keeps_cookies else None
        return {"cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}

    def keep(self, asked: AuthorizedRequest, headers: HTTPHeaderDict | Mapping[str, str]) -> None:
        """Keep the cookies of an answer, if the source of the request uses cookies."""
        if not asked.keeps_cookies or "set-cookie" not in headers:
            return
        lines = headers.getlist("set-cookie") if isinstance(headers, HTTPHeaderDict) else [headers["set-cookie"]]
        found: dict[str, str] = {}
        for line in lines:
            try:
                found |= {name: morsel.coded_value for name, morsel in SimpleCookie(line).items()}
            except CookieError:
                continue
        with self._lock:
            kept = self._kept.get(_site(asked), {}) | {name: it for name, it in found.items() if len(it) <= LONGEST}
            self._kept[_site(asked)] = dict(list(kept.items())[-MOST:])


def _site(asked: AuthorizedRequest) -> tuple[str, str]:
    parts = urlsplit(asked.url)
    return parts.scheme, parts.netloc
