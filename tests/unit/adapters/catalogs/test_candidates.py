"""Candidates: a folder's index and the columns of stac-geoparquet leave out no item that the collections would take."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely

from arpent.adapters.catalogs.deduplicate import newest
from arpent.adapters.catalogs.geoparquet.catalog import GeoParquetCatalog
from arpent.adapters.catalogs.item import read_items
from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Catalog
from tests.support.geoparquet import write_geoparquet

Document = dict[str, Any]
COLLECTIONS = {collection.id: collection for collection in load_collections().values()}
ALWAYS = Interval(start=datetime(1970, 1, 1, tzinfo=UTC), end=datetime(2090, 1, 1, tzinfo=UTC))
JUNE_1 = Interval(start=datetime(2023, 6, 1, tzinfo=UTC), end=datetime(2023, 6, 2, tzinfo=UTC))
WORLD = (-180.0, -90.0, 180.0, 90.0)


def item(name: str, collection: str, *assets: str, **own: object) -> Document:
    ground = shapely.box(15, 46, 16, 47)
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "links": [],
        "geometry": json.loads(shapely.to_geojson(ground)), "bbox": list(ground.bounds),
        "properties": {"datetime": "2023-06-01T10:00:00Z", **own},
        "assets": {key: {"href": f"https://images.test/{name}/{key}.tif"} for key in assets},
    }  # fmt: skip


LANDSAT_8, LANDSAT_5 = "LC08_L2SP_190028_20230601_20230607_02_T1", "LT05_L2SP_190028_20230601_20230607_02_T1"
MADE: dict[str, tuple[Document, ...]] = {
    "landsat-ot-l2": (
        item(LANDSAT_8, "mine", "red", "lwir11", platform="landsat-8", instruments=["oli", "tirs"]),
        item(LANDSAT_8.replace("190028", "190029"), "landsat-c2-l2", "red", "lwir11", platform="LANDSAT_8"),
    ),
    "landsat-tm-l2": (item(LANDSAT_5, "landsat-c2-l2", "red", platform="landsat-5"), item(LANDSAT_5 + "x", "b", "red")),
    "hls": (
        item("HLS.L30.T33TWM.2023152T100000.v2.0", "HLSL30_2.0", "B04"),
        item("HLS.S30.T33TWM.2023152T100000.v2.0", "hls2-s30", "B04"),
    ),
    "sentinel-2-l2a": (item("S2A_33TWM_20230601_0_L2A", "s2", "red", constellation="Sentinel 2"),),
    "dem": (item("none", "cop-dem-glo-30", "data"),),
}
"""Items by the collection that takes them."""


@pytest.fixture(params=["folder", "geoparquet"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Sequence[Document]], Catalog]:
    def folder(items: Sequence[Document]) -> Catalog:
        (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        return FolderCatalog(tmp_path)

    def geoparquet(items: Sequence[Document]) -> Catalog:
        write_geoparquet(tmp_path / "items.parquet", items, rows=3)
        return GeoParquetCatalog(str(tmp_path / "items.parquet"))

    return {"folder": folder, "geoparquet": geoparquet}[request.param]


def ids(catalog: Catalog, name: str, interval: Interval = ALWAYS) -> list[str]:
    try:
        return sorted(found.id for found in catalog.search(COLLECTIONS[name], interval, WORLD))
    except CatalogUnavailable as error:
        if "has no items of" not in str(error):
            raise
        return []


def test_collection_constellation_and_product_name_a_candidate(
    opened: Callable[[Sequence[Document]], Catalog],
) -> None:
    catalog = opened([each for items in MADE.values() for each in items])
    for name, items in MADE.items():
        assert ids(catalog, name) == sorted(each["id"] for each in items), name


def test_two_items_of_usgs_are_one_image(opened: Callable[[Sequence[Document]], Catalog]) -> None:
    catalog = opened(
        [item(LANDSAT_8, "landsat-c2l2-sr", "red"), item(LANDSAT_8, "landsat-c2l2-st", "lwir11")]
    )  # fmt: skip
    (found,) = catalog.search(COLLECTIONS["landsat-ot-l2"], ALWAYS, WORLD)
    assert {"B04", "B10"} <= found.assets.keys()
    (other,) = found.joined
    assert len(other.assets.keys() & {"B04", "B10"}) == 1


def test_a_day_in_the_id_counts_before_the_times(opened: Callable[[Sequence[Document]], Catalog]) -> None:
    """MCD43A4 of 1 June is made of the days from 24 May to 8 June."""
    asset = COLLECTIONS["modis"].bands["B01"].assets[0]
    range_ = {"datetime": None, "start_datetime": "2023-05-24T00:00:00Z", "end_datetime": "2023-06-08T23:59:59Z"}
    stamp = {"datetime": "2023-05-24T00:00:00Z"}
    names = [f"MCD43A4.A2023152.h19v04.061.202316{n}000000" for n in range(2)]
    documents = [item(name, "modis-43A4-061", asset, **own) for name, own in zip(names, (range_, stamp), strict=True)]
    assert ids(opened(documents), "modis", JUNE_1) == names


@pytest.mark.parametrize("rename", [False, True], ids=["own ids", "another id"])
def test_real_items_are_found_as_they_are_read(tmp_path: Path, shared_data: Path, rename: bool) -> None:
    documents = [json.loads(path.read_text()) for path in sorted((shared_data / "stac_items").rglob("*.json"))]
    if rename:
        documents = [{**document, "collection": "mine"} for document in documents]
    for number, document in enumerate(documents):
        (tmp_path / f"{number}.json").write_text(json.dumps(document))
    catalog = FolderCatalog(tmp_path)
    taken = 0
    for name, collection in COLLECTIONS.items():
        read = newest(read_items([(document, "x.json") for document in documents], collection, folder=True))
        assert ids(catalog, name) == sorted(each.id for each in read), name
        taken += len(read)
    assert taken >= 15
