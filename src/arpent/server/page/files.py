"""Files: serves the built page and /docs, under a policy that allows no other server but the base map's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
"""Names of built files. Other names are not looked up: the file system has its own errors for long ones."""
BUILT = Path(__file__).parent / "built"
"""Where `make page` and the wheel's build put the files."""
TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Ending of a file's name → media type. Files of other types are not served."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:{images}; connect-src 'self'"
    "{images}; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: everything comes from this server, and nothing is inline in the page. Images may be made in
the page (`blob:`), and those of MapLibre's buttons are `data:` URLs in its style sheet."""
SAFE: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
FRESH, FOR_GOOD = "no-cache", "public, max-age=31536000, immutable"
"""Cache-Control: pages are requested again each time; files with a content hash in their name never change."""
MISSING = """<!doctype html>
<html lang="en"><title>arpent</title>
<h1>arpent</h1>
<p>The server runs, but its page has not been built: run <code>make page</code> in the repository, or install arpent
from a wheel. The API works without it; <a href="openapi.json">openapi.json</a> describes it.</p>
</html>
"""


def file_routes(folder: Path, basemap: str | None) -> APIRouter:
    """`/`, `/docs` and `/assets/{name}`, without a token. `folder`: the built files; `basemap`: as in PageCalls."""
    router = APIRouter(include_in_schema=False)
    headers = {**SAFE, "content-security-policy": POLICY.format(images=_origin(basemap))}

    def page(name: str) -> Response:
        path = folder / name
        if not path.is_file():
            return HTMLResponse(MISSING, headers={**headers, "cache-control": FRESH})
        return _sent(path, {**headers, "cache-control": FRESH})

    @router.get("/")
    def index() -> Response:
        """The page that lists and shows requests."""
        return page("index.html")

    @router.get("/docs")
    def docs() -> Response:
        """The API, described by its OpenAPI document."""
        return page("docs.html")

    @router.get("/assets/{name}")
    def asset(request: Request, name: str) -> Response:
        """A file that the pages load."""
        path = folder / "assets" / name
        if not _NAME.fullmatch(name) or path.suffix not in TYPES or not path.is_file():
            raise HTTPException(404)
        kept = {**headers, "cache-control": FOR_GOOD, "vary": "accept-encoding"}
        packed = path.with_name(f"{name}.gz")
        if packed.is_file() and "gzip" in request.headers.get("accept-encoding", ""):
            return _sent(packed, {**kept, "content-encoding": "gzip"}, TYPES[path.suffix])
        return _sent(path, kept)

    return router


def _sent(path: Path, headers: Mapping[str, str], kind: str | None = None) -> Response:
    return FileResponse(path, headers={**headers, "content-type": kind or TYPES[path.suffix]})


def _origin(basemap: str | None) -> str:
    """The base map's server as an entry of the policy, after a space; empty without a base map."""
    if basemap is None:
        return ""
    parts = urlsplit(basemap)
    return f" {parts.scheme}://{parts.netloc}"
