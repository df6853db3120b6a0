"""The published examples of the Statistical API, as they stand: accepted, and answered in the documented shape.

They are read from a copy of the provider's documentation: set ARPENT_TEST_DOCUMENTATION to its folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.client import signed_in
from tests.support.documented import Example, examples_of
from tests.support.server import Server

PAGE = Path("APIs", "SentinelHub", "Statistical", "Examples.qmd")
EPSG = 32633
SIDE = 160
COLLECTIONS = {
    "sentinel-2-l2a": ("sentinel-2-l2a", {"B04": "red", "B08": "nir", "SCL": "scl"}, "uint16"),
    "sentinel-1-grd": ("sentinel-1-rtc", {"VV": "vv"}, "float32"),
}
"""Sentinel Hub's name → collection of the items, band → asset, type."""


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    folder = os.environ.get("ARPENT_TEST_DOCUMENTATION")
    if not folder:
        pytest.skip("needs a copy of the provider's documentation: set ARPENT_TEST_DOCUMENTATION to its folder")
    found = examples_of(Path(folder) / PAGE)
    assert found, f"no example in {PAGE}"
    return found


@pytest.fixture(scope="module")
def archive(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up imagery where and when the examples ask for some: every fifth day."""
    folder = tmp_path_factory.mktemp("archive")
    places = {(entry.request["input"]["data"][0]["type"], *corner(entry.request)) for entry in examples}
    for number, (kind, west, north) in enumerate(sorted(places)):
        for day in range(0, 366, 5):
            moment = datetime(2020, 1, 1, 10, tzinfo=UTC) + timedelta(days=day)
            write_item(folder / f"{number}-{day}", kind, (west, north), moment)
    return folder


def corner(request: dict[str, Any]) -> tuple[float, float]:
    """North-west corner of an image around the place."""
    bounds = request["input"]["bounds"]
    box = bounds.get("bbox") or shapely.from_geojson(json.dumps(bounds["geometry"])).bounds
    return np.floor(box[0] / 10) * 10 - 200, np.ceil(box[3] / 10) * 10 + 200


def write_item(home: Path, kind: str, place: tuple[float, float], moment: datetime) -> None:
    collection, assets, dtype = COLLECTIONS[kind]
    home.mkdir()
    transform = Affine(10, 0, place[0], 0, -10, place[1])
    dice = np.random.default_rng(moment.toordinal())
    for band in assets:
        numbers = dice.integers(4, 12 if band == "SCL" else 5_000, (SIDE, SIDE))
        pixels = (numbers / (10_000 if dtype == "float32" else 1)).astype(dtype)
        with rasterio.open(
            home / f"{band}.tif", "w", driver="COG", width=SIDE, height=SIDE, count=1, dtype=dtype,
            crs=f"EPSG:{EPSG}", transform=transform, blocksize=128,
        ) as image:  # fmt: skip
            image.write(pixels, 1)
    change = Transformer.from_crs(EPSG, 4326, always_xy=True).transform
    square = shapely.box(place[0], place[1] - SIDE * 10, place[0] + SIDE * 10, place[1])
    footprint = shapely.transform(square, lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"{collection}-{home.name}",
        "collection": collection,
        "geometry": json.loads(shapely.to_geojson(footprint)),
        "bbox": list(footprint.bounds),
        "properties": {
            "datetime": moment.isoformat().replace("+00:00", "Z"),
            "eo:cloud_cover": 5.0,
            "earthsearch:boa_offset_applied": True,
            "proj:epsg": EPSG,
        },
        "assets": {asset: {"href": f"./{band}.tif"} for band, asset in assets.items()},
        "links": [],
    }
    (home / "item.json").write_text(json.dumps(item))


@pytest.fixture(scope="module")
def session(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, OAuth2Session]]:
    server = Server(folder=tmp_path_factory.mktemp("documented"), catalog=archive, settings={})
    try:
        server.start()
        with signed_in(server, *server.add_client()) as oauth:
            yield server, oauth
    finally:
        server.close()


def test_every_example(examples: list[Example], session: tuple[Server, OAuth2Session]) -> None:
    server, oauth = session
    for example in examples:
        answer = oauth.request(
            "POST", f"{server.url}/api/v1/statistics", headers=client.JSON, json=example.request, timeout=60
        )
        assert answer.status_code == 200, f"{example.title}: {answer.text}"
        found = answer.json()
        assert found["status"] == example.answer["status"]
        ours = {entry["interval"]["from"]: entry for entry in found["data"]}
        for published in example.answer["data"]:
            mine = ours[published["interval"]["from"]]
            assert shape_of(mine) == shape_of(published), f"{example.title}: {published['interval']}"


def shape_of(entry: Any, key: str = "") -> Any:
    """Keys, types, and what does not depend on the imagery: intervals, sample counts."""
    if isinstance(entry, dict):
        return {name: shape_of(value, name) for name, value in entry.items()}
    if key == "bins":
        return [shape_of(entry[0])]  # without a highEdge their number follows from the values
    return entry if key in ("from", "to", "sampleCount", "lowEdge") else type(entry).__name__
