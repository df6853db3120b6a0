"""Form: what a new job can be made from (indices, collections, buckets), and the upload of a file of features."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from arpent.domain.errors import InvalidRequest
from arpent.domain.ports.page import PageCalls
from arpent.server.access.quotas import Quotas
from arpent.server.calls import answer_of
from arpent.server.middleware import JSON, json_response
from arpent.server.page.turns import Turns
from arpent.server.threads import threads_of

UPLOAD_PATH = "/page/files"
"""The only path that takes bodies of up to `most_upload` bytes."""
OF_CLIENT, IN_ALL = 3, 20
"""Maximum concurrent uploads of one client and of all clients: each takes a file on disk."""
AT_ONCE = 2
"""Uploads that are in memory at once, while they are stored."""
FOLDER = "uploads"
"""Folder of a bucket for uploaded files. Each file gets its own subfolder, so that none replaces another."""
ENDINGS = ("gpkg", "fgb", "geojson", "json", "zip", "parquet", "geoparquet")
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._ -]{{0,99}}\.({'|'.join(ENDINGS)})", re.IGNORECASE)
NO_PLACE = "is not a bucket that this client may use; GET /page/form lists them"


def form_routes(
    options: PageCalls, owner: Callable[[Request], Awaitable[str]], quotas: Quotas, patience: float
) -> APIRouter:
    """The routes below /page. `patience`: seconds that a call may wait for a free process."""
    router = APIRouter(tags=["page"])
    caller = Depends(owner)
    turns, storing = Turns(of_client=OF_CLIENT, in_all=IN_ALL), asyncio.Semaphore(AT_ONCE)

    @router.get("/page/form", summary="Options for a new request")
    def offers(client: str = caller) -> Response:
        """Collections, indices, and the places where this client may upload files."""
        places = list(options.places(client)) if options.most_upload else []
        told = {"places": places, "uploadBytes": options.most_upload, "endings": ENDINGS, "basemap": options.basemap}
        return json_response({**options.offers(), **told})

    @router.get("/page/script", summary="An evalscript of indices")
    def script(
        index: Annotated[list[str] | None, Query()] = None,
        collection: str | None = None,
        mask: str | None = None,
        client: str = caller,
    ) -> Response:
        """A commented script with an output for each index; `mask=true` masks clouds."""
        text = options.script(index or [], collection or "", mask == "true")
        return json_response({"evalscript": text})

    @router.get("/page/features", summary="What a file of features holds")
    async def features(request: Request, url: str | None = None, client: str = caller) -> Response:
        """Number of features, CRS and extent of a file."""
        if not url:
            raise InvalidRequest.at("url", "is required, as s3://bucket/path/to/file.gpkg")
        payload = await answer_of(request, options.describe(client, url), patience)
        return Response(payload, headers={"content-type": JSON})

    @router.post(UPLOAD_PATH, status_code=201, summary="Upload a file of features")
    async def upload(
        request: Request, place: str | None = None, name: str | None = None, client: str = caller
    ) -> Response:
        """The body is the file; `place` is one of the places in /page/form. Answers with the file's URL."""
        if not options.most_upload:
            raise HTTPException(404, "This server accepts no uploads (ARPENT_UPLOAD_BYTES is 0).")
        if place not in await run_in_threadpool(options.places, client):
            raise InvalidRequest.at("place", NO_PLACE)
        if name is None or not _NAME.fullmatch(name):
            raise InvalidRequest.at(
                "name", f"must be letters, digits, spaces and ._- and end in .{', .'.join(ENDINGS)}"
            )
        url = f"s3://{place}/{FOLDER}/{token_hex(8)}/{name}"
        async with turns.turn(client):
            with tempfile.TemporaryFile(prefix="arpent-upload-") as spool:
                size = await _receive(request, spool)
                await threads_of(request).write(quotas.upload, client, size)
                try:
                    async with storing:
                        await run_in_threadpool(lambda: options.store(client, url, _whole(spool)))
                except Exception:
                    await threads_of(request).write(quotas.give_back, client, size)
                    raise
        return json_response({"url": url}, 201)

    return router


async def _receive(request: Request, spool: IO[bytes]) -> int:
    """Write the body to disk as it arrives, and return its size. RequestMiddleware ends a body that is too large."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        await run_in_threadpool(spool.write, chunk)
    if not size:
        raise InvalidRequest("The body is empty: it must be the file.")
    return size


def _whole(spool: IO[bytes]) -> bytes:
    spool.seek(0)
    return spool.read()
