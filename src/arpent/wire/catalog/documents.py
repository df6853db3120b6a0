"""Documents: the answers of the Catalog API: landing page, collections, pages of features."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
import shapely

from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.wire.catalog.names import properties_of, queryables
from arpent.wire.catalog.query import SearchQuery

STAC_VERSION = "1.0.0"
CONFORMANCE = (
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#fields",
    "https://api.stacspec.org/v1.0.0-rc.2/item-search#filter",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
)
TITLE = "arpent: the catalogues that this server reads"
ANYWHERE = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
JSON, GEOJSON = "application/json", "application/geo+json"


def landing(address: str) -> dict[str, object]:
    """The landing page of the API at this address."""
    return {
        "id": "arpent", "type": "Catalog", "stac_version": STAC_VERSION, "title": TITLE,
        "description": "Collections by the names that a request's input.data has, found in STAC catalogues.",
        "conformsTo": list(CONFORMANCE),
        "links": [
            _link("self", address), _link("root", address), _link("conformance", f"{address}/conformance"),
            _link("data", f"{address}/collections"),
            _link("search", f"{address}/search", GEOJSON) | {"method": "GET"},
            _link("search", f"{address}/search", GEOJSON) | {"method": "POST"},
        ],
    }  # fmt: skip


def collection_document(collection: Collection, address: str) -> dict[str, object]:
    """The document of one collection. Its extent is given as unlimited, since finding the true one would require
    querying the catalogues."""
    own = f"{address}/collections/{collection.id}"
    return {
        "id": collection.id, "type": "Collection", "stac_version": STAC_VERSION, "title": collection.id,
        "description": f"STAC collections: {', '.join(collection.stac_collections) or 'any'}.", "license": "other",
        "extent": ANYWHERE,
        "summaries": {"eo:bands": [{"name": band} for band in collection.bands]},
        "links": [
            _link("self", own), _link("root", address), _link("parent", address),
            _link("items", f"{own}/items", GEOJSON),
            _link("http://www.opengis.net/def/rel/ogc/1.0/queryables", f"{own}/queryables", "application/schema+json"),
        ],
    }  # fmt: skip


def queryables_document(collection: Collection, address: str) -> dict[str, object]:
    """JSON schema of the properties that a filter on the collection may use."""
    return {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$id": f"{address}/collections/{collection.id}/queryables",
        "type": "object", "title": collection.id, "properties": queryables(collection), "additionalProperties": False,
    }  # fmt: skip


def render_page(entries: Sequence[object], query: SearchQuery, address: str, *, more: bool) -> bytes:
    """The JSON of a page of features, or of distinct values of a property; `more`: whether further entries follow."""
    context: dict[str, object] = {"limit": query.limit, "returned": len(entries)}
    links = [_link("self", f"{address}/search", GEOJSON), _link("root", address)]
    if more:
        following = query.start + query.limit
        context["next"] = following
        body = {"method": "POST", "body": {"next": following}, "merge": True}
        links.append(_link("next", f"{address}/search", GEOJSON) | body)
    return orjson.dumps({"type": "FeatureCollection", "features": list(entries), "links": links, "context": context})


def items_page(page: bytes, address: str, parameters: Mapping[str, str]) -> bytes:
    """Turn a page of a search into the answer of the collection's item list at `address`, queried with `parameters`."""
    found = orjson.loads(page)
    found["links"] = [_link("self", address, GEOJSON)]
    following = found["context"].get("next")
    if following is not None:
        query = urlencode({**parameters, "next": following}, safe=",:/")
        found["links"].append(_link("next", f"{address}?{query}", GEOJSON))
    return orjson.dumps(found)


def only_feature(page: bytes) -> bytes | None:
    """The first feature of a page; None if it has none."""
    found = orjson.loads(page)["features"]
    return orjson.dumps(found[0]) if found else None


def feature(item: Item, query: SearchQuery, address: str) -> dict[str, object]:
    """One item, with the parts that `fields` selects. Assets are left out, so as not to disclose their addresses."""
    own = f"{address}/collections/{query.collection.id}"
    whole: dict[str, Any] = {
        "type": "Feature", "stac_version": STAC_VERSION, "id": item.id, "collection": query.collection.id,
        "geometry": json.loads(shapely.to_geojson(item.footprint)),
        "bbox": [float(each) for each in shapely.bounds(item.footprint)],
        "properties": properties_of(item, query.collection),
        "assets": {},
        "links": [_link("collection", own), _link("parent", own), _link("root", address)],
    }  # fmt: skip
    if query.include:
        return _only(whole, query.include)
    for path in query.exclude:
        _drop(whole, path)
    return whole


def _only(whole: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in paths:
        name, dot, rest = path.partition(".")
        if name not in whole:
            continue
        if not dot:
            found[name] = whole[name]
        elif isinstance(whole[name], Mapping) and rest in whole[name]:
            inner = found.setdefault(name, {})
            inner[rest] = whole[name][rest]
    return found


def _drop(whole: dict[str, Any], path: str) -> None:
    name, dot, rest = path.partition(".")
    if not dot:
        whole.pop(name, None)
    elif isinstance(whole.get(name), dict):
        whole[name] = {key: value for key, value in whole[name].items() if key != rest}


def _link(relation: str, address: str, kind: str = JSON) -> dict[str, object]:
    return {"rel": relation, "href": address, "type": kind}
