"""Routes of the Catalog API: those that the official client's SentinelHubCatalog uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from arpent.domain.errors import CollectionNotFound
from arpent.domain.imagery.collection import Collection
from arpent.server.address import list_address
from arpent.server.body import read_body
from arpent.server.calls import ProcessCalls, answer_of
from arpent.server.middleware import json_response
from arpent.server.options import ServerOptions
from arpent.wire.catalog.documents import (
    CONFORMANCE,
    collection_document,
    items_page,
    landing,
    only_feature,
    queryables_document,
)
from arpent.wire.catalog.query import body_of, body_of_one
from arpent.wire.request.body import SentBody

CATALOG_PATHS = ("/api/v1/catalog/1.0.0", "/catalog/v1")
"""The documented path, and the newer alias (sentinelhub.md 1.1)."""
GEOJSON = "application/geo+json;charset=utf-8"


def catalog_routes(
    calls: ProcessCalls,
    owner: Callable[[Request], Awaitable[str]],
    options: ServerOptions,
) -> APIRouter:
    """The routes, relative to one of CATALOG_PATHS. Searches run in other processes; the entry page needs no token."""
    collections = calls.collections
    router = APIRouter(tags=["catalog"])
    caller = Depends(owner)

    def address(request: Request) -> str:
        own = list_address(request, options)
        path = next(path for path in CATALOG_PATHS if path in own)
        return own[: own.index(path) + len(path)]

    def known(name: str) -> Collection:
        if name not in collections:
            ids = ", ".join(sorted({each.id for each in collections.values()}))
            raise CollectionNotFound(f"There is no collection '{name:.60}'; known: {ids}.")
        return collections[name]

    async def search(request: Request, client: str, body: SentBody) -> Response:
        payload = await answer_of(request, calls.catalog(client, body, address(request)), options.patience)
        return Response(payload, headers={"content-type": GEOJSON})

    async def entry(request: Request) -> Response:
        """The catalogue's landing page."""
        return json_response(landing(address(request)))

    router.add_api_route("", entry, methods=["GET"], response_class=Response)
    router.add_api_route("/", entry, methods=["GET"], response_class=Response, include_in_schema=False)

    @router.get("/conformance")
    async def conformance() -> Response:
        """The specifications to which this catalogue conforms."""
        return json_response({"conformsTo": list(CONFORMANCE)})

    @router.get("/collections", dependencies=[caller])
    async def list_collections(request: Request) -> Response:
        """All collections of this server."""
        own = address(request)
        every = {each.id: each for each in collections.values()}
        entries = [collection_document(every[name], own) for name in sorted(every)]
        return json_response({"collections": entries, "links": [{"rel": "self", "href": f"{own}/collections"}]})

    @router.get("/collections/{name}", dependencies=[caller])
    async def describe(request: Request, name: str) -> Response:
        """Describe one collection."""
        return json_response(collection_document(known(name), address(request)))

    @router.get("/collections/{name}/queryables", dependencies=[caller])
    async def what_to_ask(request: Request, name: str) -> Response:
        """The properties that a filter over this collection may use."""
        return json_response(queryables_document(known(name), address(request)))

    @router.get("/collections/{name}/items", summary="Acquisitions of a collection")
    async def items(request: Request, name: str, client: str = caller) -> Response:
        """Acquisitions of one collection; the query string takes the fields of a search."""
        collection = known(name)
        calls.admit(client)
        asked = dict(request.query_params)
        found = await search(request, client, SentBody(text=body_of(asked | {"collections": collection.id})))
        own = f"{address(request)}/collections/{collection.id}/items"
        return Response(items_page(bytes(found.body), own, asked), headers={"content-type": GEOJSON})

    @router.get("/collections/{name}/items/{item}")
    async def one_item(request: Request, name: str, item: str, client: str = caller) -> Response:
        """One acquisition by its id."""
        collection = known(name)
        calls.admit(client)
        found = await search(request, client, SentBody(text=body_of_one(collection.id, item)))
        if (feature := only_feature(bytes(found.body))) is None:
            raise CollectionNotFound(f"There is no item '{item:.200}' in collection '{collection.id}'.")
        return Response(feature, headers={"content-type": GEOJSON})

    @router.get("/search", summary="Acquisitions")
    async def search_by_parameters(request: Request, client: str = caller) -> Response:
        """Acquisitions of a collection; the query string takes the fields of the body."""
        calls.admit(client)
        return await search(request, client, SentBody(text=body_of(request.query_params)))

    @router.post("/search", summary="Acquisitions")
    async def search_by_body(request: Request, client: str = caller) -> Response:
        """Acquisitions of a collection in a time range and an area."""
        calls.admit(client)
        return await search(request, client, await read_body(request, options.maximum_body))

    return router
