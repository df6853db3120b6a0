"""stac-geoparquet as a catalogue: files of other writers, what is read of them, buckets and web, and faults."""

from __future__ import annotations

import asyncio
import json
import math
import os
import pickle
import re
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rustac
import shapely

from arpent.adapters.catalogs.geoparquet import catalog as module
from arpent.adapters.catalogs.geoparquet import files
from arpent.adapters.catalogs.geoparquet.catalog import GeoParquetCatalog
from arpent.adapters.catalogs.geoparquet.row_groups import row_group_bounds
from arpent.adapters.catalogs.item import read_item
from arpent.adapters.catalogs.routing import open_catalog
from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.adapters.collections.files import load_collections
from arpent.adapters.sources.access import TableAccess
from arpent.adapters.sources.table import source_table
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Catalog
from arpent.network import renewal
from arpent.network.deadline import current
from arpent.network.policy import policy_of
from arpent.network.source import ArchiveSource
from tests.support.archives import archive
from tests.support.geoparquet import Document, write_geoparquet
from tests.support.http_server import QuietHandler, served
from tests.support.loopback_s3 import LoopbackS3, loopback_s3

COLLECTIONS = load_collections()
COLLECTION = COLLECTIONS["sentinel-2-l2a"]
YEAR = Interval(start=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2021, 1, 1, tzinfo=UTC))
ALWAYS = Interval(start=datetime(1990, 1, 1, tzinfo=UTC), end=datetime(2090, 1, 1, tzinfo=UTC))
WORLD = (-180.0, -90.0, 180.0, 90.0)


def item(number: int, west: float, south: float, day: int) -> Document:
    ground = shapely.box(west, south, west + 1, south + 1)
    instant = YEAR.start + timedelta(days=day, microseconds=number)
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": f"item {number:05}", "collection": "sentinel-2-l2a",
        "links": [], "geometry": json.loads(shapely.to_geojson(ground)), "bbox": list(ground.bounds),
        "properties": {"datetime": instant.isoformat(), "eo:cloud_cover": number % 101, "constellation": "sentinel-2"},
        "assets": {"red": {"href": f"https://images.test/{number}.tif", "roles": ["data"]}},
    }  # fmt: skip


def grid(step: int = 20) -> list[Document]:
    """Every cell on five days, ordered by place."""
    places = [(west, south) for west in range(-180, 180, step) for south in range(-60, 60, step)]
    cells = [(west, south, day) for west, south in places for day in range(0, 365, 73)]
    return [item(number, *cell) for number, cell in enumerate(cells)]


def write_with_rustac(path: Path, items: list[Document]) -> None:
    async def write() -> None:
        await rustac.write(str(path), items)

    asyncio.run(write())


def ids(found: tuple[Item, ...]) -> list[str]:
    return [entry.id for entry in found]


def test_the_same_as_from_a_folder(tmp_path: Path) -> None:
    items = grid()
    write_geoparquet(tmp_path / "items.parquet", items, rows=50)
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    one, other = GeoParquetCatalog(str(tmp_path / "items.parquet")), FolderCatalog(tmp_path / "json")
    random = Random(7)
    for _ in range(40):
        west, south = random.uniform(-180, 170), random.uniform(-60, 50)
        box = (west, south, west + random.uniform(0, 40), south + random.uniform(0, 30))
        box = (box[0], box[1], box[2] - 360 if box[2] > 180 else box[2], box[3])
        start = YEAR.start + timedelta(days=random.randrange(300))
        interval = Interval(start=start, end=start + timedelta(days=random.randrange(1, 120)))
        expected = other.search(COLLECTION, interval, box)
        found = one.search(COLLECTION, interval, box)
        assert [(each.id, each.instant, each.cloud_cover, dict(each.assets)) for each in found] == [
            (each.id, each.instant, each.cloud_cover, dict(each.assets)) for each in expected
        ]


def test_only_row_groups_that_may_match_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_geoparquet(tmp_path / "items.parquet", grid(), rows=30)
    read: list[tuple[str, int]] = []
    for name in ("read_filter_columns", "whole_rows"):
        true = getattr(module, name)

        def noted(file: object, group: int, *rest: object, name: str = name, true: object = true) -> object:
            read.append((name, group))
            return true(file, group, *rest)  # type: ignore[operator]

        monkeypatch.setattr(module, name, noted)
    catalog = GeoParquetCatalog(str(tmp_path / "items.parquet"))
    for _ in range(2):  # the second time nothing is read again
        assert len(catalog.search(COLLECTION, YEAR, (-179.9, -59.9, -179.8, -59.8))) == 5
    assert read == [("read_filter_columns", 0), ("whole_rows", 0)]
    assert len(row_group_bounds(pq.read_metadata(tmp_path / "items.parquet"))) == 18
    read.clear()
    assert catalog.search(COLLECTION, Interval(start=YEAR.end, end=YEAR.end + timedelta(days=9)), WORLD) == ()
    assert catalog.search(COLLECTION, YEAR, (10.0, 70.0, 11.0, 71.0)) == ()
    assert read == []


def test_rows_without_a_box_are_found_by_their_geometry(tmp_path: Path) -> None:
    """Statistics of a row group leave them out: its other rows say nothing of where these lie."""
    here, there = item(1, 15.0, 46.0, 100), item(2, 100.0, 10.0, 100)
    del here["bbox"]
    write_geoparquet(tmp_path / "items.parquet", [here, there])
    found = GeoParquetCatalog(str(tmp_path)).search(COLLECTION, YEAR, (15.2, 46.2, 15.3, 46.3))
    assert [one.id for one in found] == [here["id"]]


@pytest.mark.parametrize("value", [float("nan"), 15.75])
def test_statistics_that_cannot_be_say_nothing(tmp_path: Path, value: float) -> None:
    """NaN as the least west; or a least that is above the greatest."""
    west = 15.123 if math.isnan(value) else 15.5
    items = [item(1, west, 46.0, 3), item(2, west + 0.125, 46.0, 3)]
    path = tmp_path / "items.parquet"
    write_geoparquet(path, items)
    whole = path.read_bytes()
    foot = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    changed = whole[foot:].replace(struct.pack("<d", west), struct.pack("<d", value))
    assert changed != whole[foot:]
    path.write_bytes(whole[:foot] + changed)
    here = (west + 0.01, 46.2, west + 0.02, 46.3)
    assert ids(GeoParquetCatalog(str(path)).search(COLLECTION, YEAR, here)) == ["item 00001"]


def test_footprints_across_180(tmp_path: Path) -> None:
    """With a bbox as STAC wants it (west > east), as numbers beyond 180, and as wide as the world."""
    ground = shapely.MultiPolygon([shapely.box(179.5, 46, 180, 47), shapely.box(-180, 46, -179.5, 47)])
    items = [item(0, 179.5, 46, 1), item(1, 179.5, 46, 1), item(2, 179.5, 46, 1), item(3, 10, 46, 1)]
    for one, sides in zip(items, ([179.5, 46, -179.5, 47], [179.5, 46, 180.5, 47], [-180, 46, 180, 47]), strict=False):
        one["geometry"], one["bbox"] = json.loads(shapely.to_geojson(ground)), sides
    write_geoparquet(tmp_path / "one.parquet", items)
    write_geoparquet(tmp_path / "each.parquet", items, rows=1)
    for name in ("one", "each"):
        catalog = GeoParquetCatalog(str(tmp_path / f"{name}.parquet"))
        for box in ((179.6, 46.2, 179.7, 46.3), (-179.8, 46.2, -179.7, 46.3), (179.9, 46.2, -179.9, 46.3)):
            assert ids(catalog.search(COLLECTION, YEAR, box)) == ["item 00000", "item 00001", "item 00002"], (name, box)
        assert ids(catalog.search(COLLECTION, YEAR, (10.1, 46.1, 10.2, 46.2))) == ["item 00003"]


def held(catalog: Catalog, collection: Collection) -> tuple[Item, ...]:
    """All items; a catalogue without any of the collection says so."""
    try:
        return catalog.search(collection, ALWAYS, WORLD)
    except CatalogUnavailable:
        return ()


def test_real_items_written_by_rustac(shared_data: Path, tmp_path: Path) -> None:
    """The same items with the same assets and times as from their JSON; a file for each archive's collection."""
    archives: dict[str, list[Document]] = {}
    for path in sorted((shared_data / "stac_items").rglob("*.json")):
        document = json.loads(path.read_text())
        if document.get("type") == "Feature" and document.get("geometry"):
            archives.setdefault(str(document.get("collection")), []).append(document)
    (tmp_path / "parquet").mkdir()
    (tmp_path / "json").mkdir()
    for number, items in enumerate(archives.values()):
        try:
            write_with_rustac(tmp_path / "parquet" / f"{number:03}.parquet", items)
        except Exception:
            continue  # some items are none, by its opinion
        collection = {"type": "FeatureCollection", "features": items}
        (tmp_path / "json" / f"{number:03}.json").write_text(json.dumps(collection))
    parquet, folder = GeoParquetCatalog(str(tmp_path / "parquet")), FolderCatalog(tmp_path / "json")
    compared = 0
    for collection_id, each in {each.id: each for each in COLLECTIONS.values()}.items():
        expected, found = held(folder, each), held(parquet, each)
        assert ids(found) == ids(expected), collection_id
        for one, other in zip(found, expected, strict=True):
            compared += 1
            assert abs(one.instant - other.instant) < timedelta(milliseconds=1)
            assert one.cloud_cover == other.cloud_cover
            assert set(one.assets) == set(other.assets)
            for band, asset in one.assets.items():
                assert asset.harmonization == other.assets[band].harmonization, (one.id, band)
                if "://" in other.assets[band].href:
                    assert asset.href == other.assets[band].href
    assert compared >= 15


def test_a_collection_that_no_file_has_is_told(tmp_path: Path) -> None:
    write_geoparquet(tmp_path / "items.parquet", grid(60))
    catalog = GeoParquetCatalog(str(tmp_path / "items.parquet"))
    with pytest.raises(CatalogUnavailable, match=r"no items of dem .*It has: sentinel-2-l2a"):
        catalog.search(COLLECTIONS["dem"], YEAR, WORLD)


def test_changes_are_seen(tmp_path: Path) -> None:
    catalog = GeoParquetCatalog(str(tmp_path), look_seconds=0)
    with pytest.raises(CatalogUnavailable, match="no Parquet files"):
        catalog.search(COLLECTION, YEAR, WORLD)
    write_geoparquet(tmp_path / "a.parquet", [item(1, 10, 10, 1)])
    assert ids(catalog.search(COLLECTION, YEAR, WORLD)) == ["item 00001"]
    write_geoparquet(tmp_path / "year=2020" / "b.parquet", [item(2, 10, 10, 2)])
    assert ids(catalog.search(COLLECTION, YEAR, WORLD)) == ["item 00001", "item 00002"]
    write_geoparquet(tmp_path / "a.parquet", [item(3, 10, 10, 1)])
    assert ids(catalog.search(COLLECTION, YEAR, WORLD)) == ["item 00003", "item 00002"]
    copy = pickle.loads(pickle.dumps(catalog))
    assert len(copy.search(COLLECTION, YEAR, WORLD)) == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "cannot be read"), (b"PAR1 and no more", "cannot be read"), (b"x" * 4000, "cannot be read")],
)
def test_what_is_no_parquet_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "items.parquet").write_bytes(content)
    with pytest.raises(CatalogUnavailable, match=told):
        GeoParquetCatalog(str(tmp_path / "items.parquet")).search(COLLECTION, YEAR, WORLD)


def age(path: Path, seconds: float = 3600.0) -> None:
    """As if it had been written some time ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.999])
def test_a_file_that_is_rewritten_in_place_is_waited_for(tmp_path: Path, cut: float) -> None:
    path = tmp_path / "items.parquet"
    write_geoparquet(path, grid(60))
    age(path)
    whole = path.read_bytes()
    catalog = GeoParquetCatalog(str(path), look_seconds=0)
    assert len(catalog.search(COLLECTION, YEAR, WORLD)) == 60
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(CatalogUnavailable, match="cannot be read") as caught:
        catalog.search(COLLECTION, YEAR, WORLD)
    assert caught.value.transient
    path.write_bytes(whole)
    assert len(catalog.search(COLLECTION, YEAR, WORLD)) == 60
    path.write_bytes(whole[: int(cut * len(whole))])
    age(path)
    for each in (catalog, GeoParquetCatalog(str(path))):
        with suppress(CatalogUnavailable):
            each.search(COLLECTION, YEAR, WORLD)
        with pytest.raises(CatalogUnavailable, match="cannot be read") as caught:
            each.search(COLLECTION, YEAR, WORLD)
        assert not caught.value.transient, "it stays as it is"


def test_a_file_that_is_replaced_under_a_search_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise rows at places of the old file would be read from the new one."""
    path = tmp_path / "items.parquet"
    write_geoparquet(path, [item(1, 10, 10, 1)])
    catalog = GeoParquetCatalog(str(path))
    real, times = module.whole_rows, iter(range(1, 100))

    def slow(*arguments: Any) -> Any:
        yield from real(*arguments)
        if (number := next(times)) <= most:
            write_geoparquet(path, [item(10 * number, 10, 10, 1)])

    monkeypatch.setattr(module, "whole_rows", slow)
    most = 2
    assert ids(catalog.search(COLLECTION, YEAR, WORLD)) == ["item 00020"]
    most = 90
    write_geoparquet(path, [item(5, 10, 10, 1)])
    with pytest.raises(CatalogUnavailable, match="is being replaced while it is read") as caught:
        GeoParquetCatalog(str(path)).search(COLLECTION, YEAR, WORLD)
    assert caught.value.transient


def test_other_parquet_is_told(tmp_path: Path) -> None:
    write_geoparquet(tmp_path / "items.parquet", [item(1, 10, 10, 1)])
    table = pq.read_table(tmp_path / "items.parquet").drop_columns(["assets"])
    pq.write_table(table, tmp_path / "items.parquet")
    with pytest.raises(CatalogUnavailable, match="not a stac-geoparquet file: it has no column assets"):
        GeoParquetCatalog(str(tmp_path / "items.parquet")).search(COLLECTION, YEAR, WORLD)
    with pytest.raises(CatalogUnavailable, match="does not exist"):
        GeoParquetCatalog(str(tmp_path / "nowhere.parquet")).search(COLLECTION, YEAR, WORLD)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, list[int]]]:
    """Its address, and the bytes of each answer."""
    sent: list[int] = []

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            path = tmp_path / self.path.partition("?")[0].lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            content = path.read_bytes()
            first, last = (int(part) for part in self.headers["range"].removeprefix("bytes=").split("-"))
            piece = content[first : last + 1]
            sent.append(len(piece))
            self.send_response(206)
            self.send_header("content-range", f"bytes {first}-{first + len(piece) - 1}/{len(content)}")
            self.send_header("content-length", str(len(piece)))
            if "mirrors" in self.path:
                changed = path.stat().st_mtime
                self.send_header("etag", f'"{len(sent) % 2}-{changed}"')
                self.send_header("last-modified", formatdate(changed, usegmt=True))
            self.end_headers()
            self.wfile.write(piece)

    with served(Handler) as url:
        yield url, sent


def test_behind_http_only_what_matches_is_fetched(tmp_path: Path, web: tuple[str, list[int]]) -> None:
    address, sent = web
    random, items = Random(3), grid()
    for one in items:
        one["properties"]["note"] = random.randbytes(2000).hex()
    write_geoparquet(tmp_path / "items.parquet", items, rows=30)
    catalog = open_catalog(f"{address}/items.parquet", policy=policy_of([address], []))
    assert len(catalog.search(COLLECTION, YEAR, (0.1, 0.1, 0.2, 0.2))) == 5
    assert sum(sent) < (tmp_path / "items.parquet").stat().st_size / 5
    with pytest.raises(CatalogUnavailable, match="does not exist"):
        open_catalog(f"{address}/other.parquet", policy=policy_of([address], [])).search(COLLECTION, YEAR, WORLD)
    with pytest.raises(CatalogUnavailable, match="leads to an address that is not allowed"):
        open_catalog(f"{address}/items.parquet", policy=policy_of([], [])).search(COLLECTION, YEAR, WORLD)


def test_servers_of_one_name_may_differ_in_the_tag(tmp_path: Path, web: tuple[str, list[int]]) -> None:
    """As for images; what has another time is another file."""
    path = tmp_path / "mirrors.parquet"
    write_geoparquet(path, grid(), rows=30)
    catalog = GeoParquetCatalog(f"{web[0]}/mirrors.parquet", look_seconds=0.0)
    for _ in range(3):
        assert len(catalog.search(COLLECTION, YEAR, (0.1, 0.1, 0.2, 0.2))) == 5
    assert len(catalog._open) == 1, "its footer is read once"
    catalog._look_seconds = 100.0
    write_geoparquet(path, grid(), rows=30)
    os.utime(path, (1, 1))
    catalog._filter_columns.clear()
    with pytest.raises(CatalogUnavailable, match="is being replaced while it is read") as caught:
        catalog.search(COLLECTION, YEAR, WORLD)
    assert caught.value.transient
    assert catalog.search(COLLECTION, YEAR, WORLD)


def test_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_geoparquet(tmp_path / "a.parquet", [item(1, 10, 10, 1)])
    write_geoparquet(tmp_path / "b.parquet", [item(2, 10, 10, 2)])
    with loopback_s3() as s3:
        for name in ("a", "b"):
            s3.buckets["bucket"][f"items/year=2020/{name}.parquet"] = (tmp_path / f"{name}.parquet").read_bytes()
        for name, value in {"ENDPOINT_URL_S3": s3.url, "ACCESS_KEY_ID": s3.key, "SECRET_ACCESS_KEY": "x"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        found = open_catalog("s3://bucket/items/").search(COLLECTION, YEAR, WORLD)
        assert ids(found) == ["item 00001", "item 00002"]
        assert len(open_catalog("s3://bucket/items/year=2020/a.parquet").search(COLLECTION, YEAR, WORLD)) == 1
        s3.buckets["bucket"] |= {
            "odd/part.parquet/": b"",
            "odd/part.parquet/a?b#c.parquet": (tmp_path / "a.parquet").read_bytes(),
        }
        assert ids(open_catalog("s3://bucket/odd/").search(COLLECTION, YEAR, WORLD)) == ["item 00001"]
        with pytest.raises(CatalogUnavailable, match="no Parquet files"):
            open_catalog("s3://bucket/other/").search(COLLECTION, YEAR, WORLD)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
        with pytest.raises(CatalogUnavailable, match="s3://bucket/items/"):
            open_catalog("s3://bucket/items/").search(COLLECTION, YEAR, WORLD)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackS3]:
    """A store that environment variables name, with a file whose rows are read one by one."""
    write_geoparquet(tmp_path / "a.parquet", [item(number, 10, 10, number) for number in range(9)], rows=1)
    with loopback_s3() as s3:
        for name, value in {"ENDPOINT_URL_S3": s3.url, "ACCESS_KEY_ID": s3.key, "SECRET_ACCESS_KEY": "x"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        s3.buckets["bucket"]["a.parquet"] = (tmp_path / "a.parquet").read_bytes()
        yield s3


def test_a_bucket_is_opened_once(bucket: LoopbackS3, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    true = files._bucket
    monkeypatch.setattr(files, "_bucket", lambda name, way: (opened.append(name), true(name, way))[1])
    assert len(open_catalog("s3://bucket/").search(COLLECTION, YEAR, WORLD)) == 9
    assert opened == ["bucket"]


def test_an_object_that_is_replaced_meanwhile_is_told_and_then_read(
    bucket: LoopbackS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by one of the same size."""
    monkeypatch.setattr(files, "_TAIL", 1)
    catalog = open_catalog("s3://bucket/a.parquet")
    assert len(catalog.search(COLLECTION, Interval(start=YEAR.start, end=YEAR.start + timedelta(days=2)), WORLD)) == 2
    bucket.tag = "another"
    with pytest.raises(CatalogUnavailable, match=r"s3://bucket/a\.parquet is being replaced") as caught:
        catalog.search(COLLECTION, YEAR, WORLD)
    assert caught.value.transient
    assert len(catalog.search(COLLECTION, YEAR, WORLD)) == 9


def test_a_search_ends_in_time_and_what_it_read_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        write_geoparquet(tmp_path / f"{number}.parquet", [item(number, 10, 10, number)])
    read: list[object] = []
    true = GeoParquetCatalog._parquet

    def slow(catalog: GeoParquetCatalog, file: files.FoundFile) -> pq.ParquetFile:
        """Reading a footer takes all the time that there is."""
        deadline = current()
        assert deadline is not None
        if file not in read:
            read.append(file)
            deadline.end = 0.0
        return true(catalog, file)

    monkeypatch.setattr(GeoParquetCatalog, "_parquet", slow)
    catalog = GeoParquetCatalog(str(tmp_path))
    for number in range(2):
        with pytest.raises(CatalogUnavailable, match=r"does not answer \(no complete answer within 100 s\)") as caught:
            catalog.search(COLLECTION, YEAR, WORLD)
        assert caught.value.transient
        assert len(read) == number + 1
    assert len(catalog.search(COLLECTION, YEAR, WORLD)) == 3
    assert len(read) == 3


def test_searches_do_not_wait_for_the_trial_of_new_footers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_geoparquet(tmp_path / "a.parquet", [item(1, 10, 10, 1)])
    catalog = GeoParquetCatalog(str(tmp_path), look_seconds=0)
    assert ids(catalog.search(COLLECTION, YEAR, WORLD)) == ["item 00001"]
    write_geoparquet(tmp_path / "b.parquet", [item(2, 10, 10, 2)])
    begun, enough = Event(), Event()

    def slow(footers: list[pq.FileMetaData]) -> list[int]:
        begun.set()
        assert enough.wait(60)
        return []

    monkeypatch.setattr(module, "damaged", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(catalog.search, COLLECTION, YEAR, WORLD)
        try:
            assert begun.wait(60)
            second = pool.submit(catalog.search, COLLECTION, YEAR, WORLD)
            assert ids(second.result(60)) == ["item 00001"]
        finally:
            enough.set()
        assert ids(first.result(60)) == ["item 00001", "item 00002"]


def test_the_first_searches_wait_until_the_files_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        write_geoparquet(tmp_path / f"{number}.parquet", [item(number, 10, 10, number)])
    monkeypatch.setattr(module, "TOGETHER", 1)
    begun, enough = Event(), Event()

    def slow(footers: list[pq.FileMetaData]) -> list[int]:
        if begun.is_set():  # one of both files is known
            assert enough.wait(60)
        begun.set()
        return []

    monkeypatch.setattr(module, "damaged", slow)
    catalog = GeoParquetCatalog(str(tmp_path))
    with ThreadPoolExecutor(2) as pool:
        searches = [pool.submit(catalog.search, COLLECTION, YEAR, WORLD) for _ in range(2)]
        try:
            assert begun.wait(60)
            assert not wait(searches, timeout=0.2).done
        finally:
            enough.set()
        assert [ids(search.result(60)) for search in searches] == [["item 00000", "item 00001"]] * 2


def test_no_message_shows_what_is_secret(tmp_path: Path, web: tuple[str, list[int]]) -> None:
    address = web[0]
    write_geoparquet(tmp_path / "items.parquet", [item(1, 10, 10, 1)])
    table = pq.read_table(tmp_path / "items.parquet")
    pq.write_table(table.drop_columns(["assets"]), tmp_path / "other.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    for name, told in {
        "items": "has no items of dem", "other": "has no column assets", "broken": "cannot be read",
        "none": "does not exist",
    }.items():  # fmt: skip
        plain = f"{address}/{name}.parquet"
        for secret, words in ((f"{plain}?sig=SECRET", told), (plain.replace("://", "://me:SECRET@"), "names a user")):
            with pytest.raises(CatalogUnavailable, match=f"{re.escape(plain)} .*{words}") as caught:
                open_catalog(secret, policy=policy_of([address], [])).search(COLLECTIONS["dem"], YEAR, WORLD)
            assert "SECRET" not in str(caught.value)


def test_no_message_about_an_item_shows_what_is_secret() -> None:
    wrong = {**item(1, 10, 10, 1), "properties": {"datetime": "never"}}
    with pytest.raises(CatalogUnavailable, match=r"in https://host/a\.parquet is not") as caught:
        read_item(wrong, COLLECTION, "https://me:SECRET@host/a.parquet?sig=SECRET")
    assert "SECRET" not in str(caught.value)


def keys(**entry: object) -> TableAccess:
    return TableAccess(source_table({"mine": ArchiveSource.model_validate(entry)}, ()))


def test_with_the_keys_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a bucket and of a host; keys that end within a search are got anew; without them it says what to set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(renewal, "YOUNG_SECONDS", 0.0)
    for name, value in {"KEY": "testkey", "SECRET": "s", "CLIENT": "good", "EARTH": "earth"}.items():
        monkeypatch.setenv(name, value)
    write_geoparquet(tmp_path / "bucket" / "a.parquet", grid(), rows=30)
    (tmp_path / "a.parquet").write_bytes((tmp_path / "bucket" / "a.parquet").read_bytes())
    with archive(tmp_path) as at:
        bucket = {"match": "s3://bucket", "endpoint": at.url, "region": "us-east-1"}
        login = {"s3_credentials_url": f"{at.url}/s3credentials", "login_host": "127.0.0.1", "token": "env:EARTH"}
        oidc = {"token_url": f"{at.url}/oidc/token", "client_id": "me", "client_secret": "env:CLIENT"}
        ways = (
            ("keys", "s3://bucket/a.parquet", {**bucket, "access_key": "env:KEY", "secret_key": "env:SECRET"}, False),
            ("keys", "s3://bucket/a.parquet", {**bucket, **login}, True),
            ("bearer", f"{at.url}/a.parquet", {"match": at.url, **oidc}, True),
        )
        for wants, address, entry, ends in ways:
            at.wants, at.uses = wants, 1 if ends else 1 << 30
            at.given.clear()
            catalog = pickle.loads(pickle.dumps(open_catalog(address, access=keys(**entry))))
            assert len(catalog.search(COLLECTION, YEAR, (0.1, 0.1, 0.2, 0.2))) == 5, wants
            assert (len(at.given) > 1) == ends
        with pytest.raises(CatalogUnavailable, match=r"may not be read: set a source for https://127.0.0.1"):
            open_catalog(address, access=keys(match="https://other.test", token="env:KEY")).search(
                COLLECTION, YEAR, WORLD
            )
        with pytest.raises(CatalogUnavailable, match=r"cannot be queried: its source mine .* set the variable NO"):
            open_catalog(address, access=keys(match=at.url, token="env:NO")).search(COLLECTION, YEAR, WORLD)


@pytest.mark.parametrize("column", ["assets", "geometry"])
def test_a_row_that_is_no_json_costs_itself(tmp_path: Path, column: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "items.parquet"
    write_geoparquet(path, [item(number, 10, 40, 5) for number in range(3)])
    table = pq.read_table(path)
    good = json.dumps(item(0, 10, 40, 5)[column])
    texts = table.set_column(table.schema.get_field_index(column), column, pa.array([good, "{", good]))
    pq.write_table(texts, path)
    found = GeoParquetCatalog(str(path)).search(COLLECTION, YEAR, WORLD)
    assert [each.id for each in found] == ["item 00000", "item 00002"]
    assert f"Column {column} of item 'item 00001' is not JSON" in caplog.text


@pytest.mark.parametrize("values", [[{"a": 1}], [["a"]], [b"\xff"]], ids=["structs", "lists", "bytes"])
@pytest.mark.parametrize("column", ["bbox", "constellation"])
def test_columns_of_odd_types_say_nothing(tmp_path: Path, column: str, values: list[object]) -> None:
    path = tmp_path / "items.parquet"
    write_geoparquet(path, [item(1, 10, 40, 5)])
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.schema.get_field_index(column), column, pa.array(values)), path)
    assert len(GeoParquetCatalog(str(path)).search(COLLECTION, YEAR, WORLD)) == 1


def replaced(path: Path, **columns: pa.Array) -> None:
    """Write the file again with other columns."""
    table = pq.read_table(path)
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, path)


def assets_of(kind: str, count: int) -> pa.Array:
    """The assets of `item`, as a column of this kind."""
    texts = pa.array([f"https://images.test/{number}.tif" for number in range(count)])
    far = pa.array([10**18] * count).cast(pa.timestamp("us", "UTC"))  # as nanoseconds where pandas is not installed
    made = far if "no datetime" in kind else pa.array(["2020-01-02"] * count)
    red = pa.StructArray.from_arrays([texts, made], ["href", "created"])
    if "map" not in kind:
        return pa.StructArray.from_arrays([red], ["red"])
    return pa.MapArray.from_arrays(pa.array(range(count + 1), pa.int32()), pa.array(["red"] * count), red)


@pytest.mark.parametrize("kind", ["struct", "struct with no datetime", "map", "map with no datetime"])
def test_assets_in_any_kind_of_column(tmp_path: Path, kind: str) -> None:
    """Also with times in them that Python cannot hold."""
    path = tmp_path / "items.parquet"
    write_geoparquet(path, [item(number, 10, 40, 5) for number in range(3)])
    replaced(path, assets=assets_of(kind, 3))
    found = GeoParquetCatalog(str(path)).search(COLLECTION, YEAR, WORLD)
    assert [each.assets["B04"].href for each in found] == [f"https://images.test/{number}.tif" for number in range(3)]


def test_views_of_text_and_bytes_and_decimals_are_read(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    write_geoparquet(path, [item(number, 10, 40, 5) for number in range(3)])
    table = pq.read_table(path)
    views = {"collection": pa.string_view(), "geometry": pa.binary_view(), "eo:cloud_cover": pa.decimal128(22, 2)}
    try:
        replaced(path, **{name: table.column(name).cast(kind) for name, kind in views.items()})
    except pa.ArrowNotImplementedError:
        pytest.skip("needs a version of pyarrow that writes views")
    found = GeoParquetCatalog(str(path)).search(COLLECTION, YEAR, WORLD)
    assert [each.cloud_cover for each in found] == [0.0, 1.0, 2.0]


def test_geometries_of_other_kinds(tmp_path: Path) -> None:
    """GeoJSON in structs is read, without a box, too; coordinates without a type are not, which is told."""
    path = tmp_path / "items.parquet"
    write_geoparquet(path, [item(number, 10, 40, 5) for number in range(3)])
    pq.write_table(pq.read_table(path).drop_columns("bbox"), path)
    replaced(path, geometry=pa.array([item(0, 10, 40, 5)["geometry"]] * 3))
    assert len(GeoParquetCatalog(str(path)).search(COLLECTION, YEAR, WORLD)) == 3
    replaced(path, geometry=pa.array([[[{"x": 10.0, "y": 40.0}]]] * 3))
    os.utime(path, (1.6e9, 1.6e9))
    with pytest.raises(CatalogUnavailable, match=r"geometry of items.parquet is not WKB: write") as told:
        GeoParquetCatalog(str(path)).search(COLLECTION, YEAR, WORLD)
    assert not told.value.transient


def test_what_only_folders_tell(tmp_path: Path) -> None:
    """As where DuckDB or Spark write parts by a column: it is not in the files. What is in a file goes first."""
    for number, name in enumerate(("sentinel-2-l2a", "landsat-c2-l2", "__HIVE_DEFAULT_PARTITION__")):
        path = tmp_path / f"collection={name}" / "grid%3Acode=MGRS-33TWM" / "0.parquet"
        document = item(number, 10, 40, 5)
        del document["properties"]["constellation"]
        write_geoparquet(path, [document])
        if number < 2:
            pq.write_table(pq.read_table(path, partitioning=None).drop_columns("collection"), path)
    found = open_catalog(str(tmp_path)).search(COLLECTION, YEAR, WORLD)
    assert [(each.id, each.properties["grid:code"]) for each in found] == [
        ("item 00000", "MGRS-33TWM"), ("item 00002", "MGRS-33TWM"),
    ]  # fmt: skip


def test_boxes_may_be_rounded(tmp_path: Path) -> None:
    """To single floats: this one begins 0.04 m east of the item."""
    path = tmp_path / "items.parquet"
    document = item(0, 15.1, 46, 5)
    write_geoparquet(path, [document])
    sides = pa.struct([(name, pa.float32()) for name in ("xmin", "ymin", "xmax", "ymax")])
    replaced(path, bbox=pq.read_table(path).column("bbox").cast(sides))
    assert len(GeoParquetCatalog(str(path)).search(COLLECTION, YEAR, (15.0, 46.0, 15.1000001, 46.1))) == 1
