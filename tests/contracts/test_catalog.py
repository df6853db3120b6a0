"""What every Catalog does: run over a folder, a file, and a small STAC API on loopback."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nan
from pathlib import Path
from shutil import rmtree
from threading import Event, Thread, Timer

import pytest

from arpent.adapters.catalogs.folder import index
from arpent.adapters.catalogs.geoparquet.catalog import GeoParquetCatalog
from arpent.adapters.catalogs.routing import open_catalog
from arpent.adapters.catalogs.stac_api import ApiCatalog
from arpent.adapters.catalogs.stac_folder import FolderCatalog
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import Catalog
from tests.support.geoparquet import write_geoparquet
from tests.support.stac_api import Api, Document, stac_api

COLLECTION = load_collections()["sentinel-2-l2a"]
JUNE = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))
BOX = (15.0, 46.0, 15.1, 46.1)


def item(
    name: str, instant: str, *, west: float = 15.0, collection: str = "sentinel-2-l2a", **properties: object
) -> Document:
    ring = [[west, 46.0], [west + 0.5, 46.0], [west + 0.5, 46.5], [west, 46.5], [west, 46.0]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "links": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [west, 46.0, west + 0.5, 46.5],
        "properties": {"datetime": instant, "eo:cloud_cover": 12.5, "created": "2020-08-01T00:00:00Z", **properties},
        "assets": {"red": {"href": f"./{name}.tif"}, "nir": {"href": "https://example.test/nir.tif"}},
    }  # fmt: skip


ITEMS = [
    item("first instant", "2020-06-01T00:00:00Z"),
    item("midst", "2020-06-15T10:00:00.123456789Z"),
    item("range", "", start_datetime="2020-06-20T00:00:00Z", end_datetime="2020-06-20T00:01:00Z", datetime=None),
    item("last instant", "2020-06-30T23:59:59.999Z"),
    item("next interval", "2020-07-01T00:00:00Z"),
    item("elsewhere", "2020-06-15T10:00:00Z", west=20.0),
    item("another sensor", "2020-06-15T10:00:00Z", collection="landsat-c2-l2"),
]


@pytest.fixture
def api() -> Iterator[Api]:
    with stac_api(list(ITEMS)) as state:
        yield state


def DAY(month: int, day: int) -> str:
    return f"2020-{month:02}-{day:02}T00:00:00+00:00"


def without(name: str) -> Callable[[Document], Document]:
    return lambda document: {key: value for key, value in document.items() if key != name}


def having(**fields: object) -> Callable[[Document], Document]:
    return lambda document: {**document, **fields}


def when(**fields: object) -> Callable[[Document], Document]:
    return lambda document: {**document, "properties": {**document["properties"], **fields}}


ODD: dict[str, Callable[[Document], Document]] = {
    "no id": without("id"),
    "id is a list": having(id=["a"]),
    "no geometry": without("geometry"),
    "geometry is null": having(geometry=None),
    "geometry is text": having(geometry="POLYGON EMPTY"),
    "geometry is empty": having(geometry={"type": "Polygon", "coordinates": []}),
    "geometry is broken": having(geometry={"type": "Polygon", "coordinates": [[[15, 46], [16, "x"]]]}),
    "geometry is of no type": having(geometry={"type": "Blob", "coordinates": []}),
    "geometry is open": having(geometry={"type": "Polygon", "coordinates": [[[15, 46], [16, 46]]]}),
    "no properties": without("properties"),
    "properties are a list": having(properties=[]),
    "no time": when(datetime=None),
    "time is a number": when(datetime=1_600_000_000),
    "time is no date": when(datetime="yesterday"),
    "time is out of range": when(datetime="9999-12-31T23:59:59-14:00"),
    "range runs backwards": when(datetime=None, start_datetime=DAY(6, 20), end_datetime=DAY(6, 19)),
}
"""What an item may be beside what STAC says: name → change."""


Opener = Callable[[list[Document]], Catalog]


@pytest.fixture(params=["folder", "large folder", "file", "api", "geoparquet", "geoparquet folder"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    def folder(items: list[Document]) -> Catalog:
        for number, document in enumerate(items):
            (tmp_path / "tiles" / str(number)).mkdir(parents=True)
            (tmp_path / "tiles" / str(number) / "item.json").write_text(json.dumps(document))
        (tmp_path / "collection.json").write_text('{"type": "Collection"}')
        return FolderCatalog(tmp_path)

    def large(items: list[Document]) -> Catalog:
        """With its index in a file."""
        monkeypatch = request.getfixturevalue("monkeypatch")
        monkeypatch.setattr(index, "MANY_FILES", 0)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        folder(items)
        return FolderCatalog(tmp_path)

    def file(items: list[Document]) -> Catalog:
        (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        return FolderCatalog(tmp_path / "items.json")

    def service(items: list[Document]) -> Catalog:
        state = request.getfixturevalue("api")
        state.items = items
        return ApiCatalog(state.url, backoff=0.001)

    def parquet(items: list[Document]) -> Catalog:
        write_geoparquet(tmp_path / "items.parquet", items)
        return open_catalog(str(tmp_path / "items.parquet"))

    def parquets(items: list[Document]) -> Catalog:
        """One file and one row group for each item."""
        for number, document in enumerate(items):
            write_geoparquet(tmp_path / f"part={number % 2}" / f"{number}.parquet", [document])
        return open_catalog(str(tmp_path))

    openers: dict[str, Opener] = {
        "folder": folder, "large folder": large, "file": file, "api": service,
        "geoparquet": parquet, "geoparquet folder": parquets,
    }  # fmt: skip
    return openers[request.param]


def _refusal(path: Path, collection: str = COLLECTION.id) -> str:
    with pytest.raises(CatalogUnavailable) as caught:
        open_catalog(str(path)).search(load_collections()[collection], JUNE, BOX)
    return str(caught.value)


class TestCatalog:
    def test_items_of_the_half_open_interval_by_time(self, opened: Opener) -> None:
        found = opened(ITEMS).search(COLLECTION, JUNE, BOX)
        assert [entry.id for entry in found] == ["first instant", "midst", "range", "last instant"]

    def test_what_an_item_says(self, opened: Opener) -> None:
        entry = opened(ITEMS).search(COLLECTION, JUNE, BOX)[0]
        assert entry.collection == "sentinel-2-l2a"
        assert entry.instant == datetime(2020, 6, 1, tzinfo=UTC)
        assert entry.created == datetime(2020, 8, 1, tzinfo=UTC)
        assert entry.cloud_cover == 12.5
        assert entry.footprint.bounds == (15.0, 46.0, 15.5, 46.5)
        assert set(entry.assets) == {"B04", "B08"}
        assert entry.assets["B08"].href == "https://example.test/nir.tif"
        assert entry.assets["B04"].href.endswith("/first instant.tif")
        assert not entry.assets["B04"].href.startswith(".")

    def test_nothing_found_is_no_error(self, opened: Opener) -> None:
        later = Interval(start=JUNE.end + timedelta(days=300), end=JUNE.end + timedelta(days=301))
        assert opened(ITEMS).search(COLLECTION, later, BOX) == ()

    def test_one_acquisition_once(self, opened: Opener) -> None:
        same = {"platform": "sentinel-2a", "grid:code": "MGRS-33TWM"}
        old = {**same, "s2:datatake_id": "D_N02.14", "s2:processing_baseline": "02.14"}
        new = {**same, "s2:datatake_id": "D_N05.00", "s2:processing_baseline": "05.00"}
        pair = [item("old", "2020-06-02T10:00:00Z", **old), item("new", "2020-06-02T10:00:03Z", **new)]
        assert [entry.id for entry in opened(pair).search(COLLECTION, JUNE, BOX)] == ["new"]

    def test_a_timeless_collection_ignores_time(self, opened: Opener) -> None:
        height = item("height", "2011-01-01T00:00:00Z", collection="cop-dem-glo-30")
        height["assets"] = {"data": {"href": "dem.tif"}}
        assert len(opened([height]).search(load_collections()["dem"], JUNE, BOX)) == 1

    def test_a_box_across_180_degrees(self, opened: Opener) -> None:
        """As two boxes; an item that both meet comes once."""
        pair = [item(name, "2020-06-15T10:00:00Z", west=west) for name, west in (("west", 179.4), ("east", -180.0))]
        both = item("both", "2020-06-15T10:00:00Z", west=179.75)
        halves = [[[[x, 46.0], [x + 0.25, 46.0], [x + 0.25, 46.5], [x, 46.5], [x, 46.0]]] for x in (179.75, -180.0)]
        both["geometry"] = {"type": "MultiPolygon", "coordinates": halves}
        both["bbox"] = [-180.0, 46.0, 180.0, 46.5]
        catalog = opened([*ITEMS, *pair, both])
        for west, expected in ((179.8, ["both", "east", "west"]), (179.95, ["both", "east"])):
            found = catalog.search(COLLECTION, JUNE, (west, 46.0, -179.9, 46.1))
            assert [one.id for one in found] == expected

    @pytest.mark.parametrize("odd", ODD)
    def test_an_odd_item_costs_itself_and_is_named(
        self, opened: Opener, odd: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        good, bad = item("good", "2020-06-15T10:00:00Z"), ODD[odd](item(f"odd {odd}", "2020-06-15T10:00:00Z"))
        catalog = opened([bad, good])
        for _ in range(2):
            assert [entry.id for entry in catalog.search(COLLECTION, JUNE, BOX)] == ["good"]
        (line,) = [each.getMessage() for each in caplog.records if "left out" in each.getMessage()]
        assert repr(bad.get("id")) in line or (odd == "id is a list" and "'None'" in line)  # a column holds no list

    @pytest.mark.parametrize("what", ["created", "eo:cloud_cover"])
    @pytest.mark.parametrize("value", ["yesterday", "\ud800", [], {}, True, 10**400], ids=repr)
    def test_what_only_ranks_an_item_costs_nothing(self, opened: Opener, what: str, value: object) -> None:
        (found,) = opened([item("good", "2020-06-15T10:00:00Z", **{what: value})]).search(COLLECTION, JUNE, BOX)
        assert (found.created if what == "created" else found.cloud_cover) is None

    def test_a_range_is_found_by_all_of_it(self, opened: Opener) -> None:
        catalog = opened([item("may to july", "", datetime=None, start_datetime=DAY(5, 20), end_datetime=DAY(7, 10))])
        for first, last, found in (
            (DAY(5, 1), DAY(5, 20), 0), (DAY(5, 19), DAY(5, 21), 1), (DAY(6, 1), DAY(6, 2), 1),
            (DAY(7, 10), DAY(7, 11), 1), (DAY(7, 11), DAY(7, 12), 0),
        ):  # fmt: skip
            interval = Interval(start=datetime.fromisoformat(first), end=datetime.fromisoformat(last))
            assert len(catalog.search(COLLECTION, interval, BOX)) == found, (first, last)

    def test_text_of_items_can_be_stored(self, opened: Opener) -> None:
        odd = item("a\0b", "2020-06-15T10:00:00Z", **{"grid:code": "x\0"})
        (found,) = opened([odd]).search(COLLECTION, JUNE, BOX)
        assert (found.id, found.properties["grid:code"]) == ("a\ufffdb", "x\ufffd")


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def _looping(path: Path) -> None:
    path.symlink_to(path)


STRAY: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_text(""),
    "half": lambda path: path.write_text('{"type": "Feature"'),
    "lines": lambda path: path.write_text('{"a": 1}\n{"b": 2}\n'),
    "prose": lambda path: path.write_text("# notes"),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "deep": lambda path: path.write_text("[" * 200_000),
    "a list": lambda path: path.write_text("[1, 2]"),
    "null": lambda path: path.write_text("null"),
    "a number": lambda path: path.write_text("NaN"),
    "members are no list": lambda path: path.write_text('{"type": "FeatureCollection", "features": 7}'),
    "members are no items": lambda path: path.write_text('{"type": "FeatureCollection", "features": [1, null, {}]}'),
    "a folder": lambda path: path.mkdir(),
    "a link to nowhere": _dangling,
    "a link to itself": _looping,
    "a pipe": os.mkfifo,
}
"""What may lie about under the name of a JSON file."""
NAMED = ("empty", "half", "lines", "prose", "bytes", "deep", "a link to nowhere", "a link to itself")
"""Of these, what is meant to be JSON and is not."""


@contextmanager
def _written_slowly(path: Path, text: str) -> Iterator[None]:
    """Somebody who writes the text again and again, and never the rest."""
    done = Event()

    def write() -> None:
        while not done.wait(0.2):
            path.write_text(text)

    path.write_text(text)
    writer = Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


class TestFolder:
    def test_a_folder_with_a_collection_id_of_its_own(self, tmp_path: Path) -> None:
        own = item("own", "2020-06-02T00:00:00Z", collection="s2-l2a-33t-120m", constellation="Sentinel 2")
        own["properties"]["s2:product_type"] = "S2MSI2A"
        silent = item("silent", "2020-06-02T00:00:00Z", collection="mine", constellation="sentinel-2")
        stranger = item("stranger", "2020-06-02T00:00:00Z", collection="other", constellation="planet")
        level_1 = item(
            "l1c", "2020-06-02T00:00:00Z", collection="o", constellation="sentinel-2", **{"s2:product_type": "S2MSI1C"}
        )
        bare = item("bare", "2020-06-02T00:00:00Z")
        bare["assets"] = {"thumbnail": {"href": "x.png"}}
        (tmp_path / "items.json").write_text(
            json.dumps({"type": "FeatureCollection", "features": [own, silent, stranger, level_1, bare]})
        )
        catalog = FolderCatalog(tmp_path)
        assert [entry.id for entry in catalog.search(COLLECTION, JUNE, BOX)] == ["own"]
        level_1c = load_collections()["sentinel-2-l1c"]
        assert catalog.search(replace(level_1c, stac_collections=("o",)), JUNE, BOX)[0].id == "l1c"

    def test_changes_are_seen(self, tmp_path: Path) -> None:
        catalog = FolderCatalog(tmp_path, recheck_seconds=0)
        (tmp_path / "a.json").write_text(json.dumps(item("a", "2020-06-02T00:00:00Z")))
        assert len(catalog.search(COLLECTION, JUNE, BOX)) == 1
        (tmp_path / "b.json").write_text(json.dumps(item("b", "2020-06-03T00:00:00Z")))
        assert len(catalog.search(COLLECTION, JUNE, BOX)) == 2
        (tmp_path / "a.json").unlink()
        assert [entry.id for entry in catalog.search(COLLECTION, JUNE, BOX)] == ["b"]

    def test_changes_are_seen_though_the_clock_is_set_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else none would be until the clock has caught up."""
        catalog = FolderCatalog(tmp_path, recheck_seconds=0.01)
        (tmp_path / "a.json").write_text(json.dumps(item("a", "2020-06-02T00:00:00Z")))
        ahead = time.time() + 86_400
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: ahead)
            assert len(catalog.search(COLLECTION, JUNE, BOX)) == 1
        (tmp_path / "b.json").write_text(json.dumps(item("b", "2020-06-03T00:00:00Z")))
        time.sleep(0.02)
        assert len(catalog.search(COLLECTION, JUNE, BOX)) == 2

    def test_what_changes_in_a_large_folder_is_seen_by_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They share the index in the cache, which outlives them; its age decides who looks at the files."""
        monkeypatch.setattr(index, "MANY_FILES", 3)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        items = tmp_path / "items"
        items.mkdir()
        for day in range(1, 10):
            (items / f"{day}.json").write_text(json.dumps(item(f"item {day}", f"2020-06-0{day}T00:00:00Z")))
        one, other = (FolderCatalog(items, recheck_seconds=0) for _ in range(2))
        assert len(one.search(COLLECTION, JUNE, BOX)) == len(other.search(COLLECTION, JUNE, BOX)) == 9
        (base,) = (tmp_path / "cache" / "arpent" / "catalogs").glob("*.sqlite3")
        assert base.parent.stat().st_mode & 0o777 == 0o700
        (items / "1.json").unlink()
        (items / "2.json").write_text(json.dumps(item("new", "2020-06-02T00:00:00Z")))
        for catalog in (one, other, FolderCatalog(items, recheck_seconds=0)):
            assert [entry.id for entry in catalog.search(COLLECTION, JUNE, BOX)][:2] == ["new", "item 3"]
        read: list[str] = []
        monkeypatch.setattr(index, "read", lambda names: read.extend(names) or [])
        assert len(FolderCatalog(items, recheck_seconds=0).search(COLLECTION, JUNE, BOX)) == 8
        assert read == []
        monkeypatch.undo()
        monkeypatch.setattr(index, "MANY_FILES", 3)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for file in base.parent.glob("*"):
            file.write_bytes(b"no database at all" * 1000)
        assert len(FolderCatalog(items).search(COLLECTION, JUNE, BOX)) == 8

    def test_a_collection_that_no_item_is_of_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text(json.dumps(item("a", "2020-06-02T00:00:00Z")))
        with pytest.raises(CatalogUnavailable, match=r"no items of dem .*It has: sentinel-2-l2a"):
            FolderCatalog(tmp_path).search(load_collections()["dem"], JUNE, BOX)

    def test_no_message_tells_where_the_catalogue_lies(self, tmp_path: Path) -> None:
        """Clients read it as their job's error."""
        folder, parquet = tmp_path / "archive", tmp_path / "broken.parquet"
        parquet.write_bytes(b"PAR1" + bytes(100))
        asked = [folder, parquet]
        messages = [_refusal(path) for path in asked]
        folder.mkdir()
        messages.append(_refusal(folder))
        (folder / "a.json").write_text(json.dumps(item("a", "2020-06-02T00:00:00Z")))
        messages.append(_refusal(folder, "dem"))
        assert all("archive" in text or "broken.parquet" in text for text in messages), messages
        assert not any(str(tmp_path) in text for text in messages), messages

    def test_what_is_wrong_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(CatalogUnavailable, match="does not exist: set `catalog`"):
            FolderCatalog(tmp_path / "nowhere").search(COLLECTION, JUNE, BOX)
        with pytest.raises(CatalogUnavailable, match="no STAC items"):
            FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)
        (tmp_path / "a.json").write_text('{"half":')
        with pytest.raises(CatalogUnavailable, match="no STAC items"):
            FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)

    @pytest.mark.parametrize("stray", STRAY)
    def test_a_stray_file_costs_itself_and_is_named_once(
        self, tmp_path: Path, stray: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "good.json").write_text(json.dumps(item("good", "2020-06-15T10:00:00Z")))
        STRAY[stray](tmp_path / "stray.json")
        catalog = FolderCatalog(tmp_path, recheck_seconds=0)
        for _ in range(3):
            assert [entry.id for entry in catalog.search(COLLECTION, JUNE, BOX)] == ["good"]
        named = [each for each in caplog.messages if "stray" in each]
        assert len(named) == (1 if stray in NAMED else 0), named

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
    def test_other_encodings_are_read(self, tmp_path: Path, encoding: str) -> None:
        (tmp_path / "a.json").write_bytes(json.dumps(item("ä", "2020-06-15T10:00:00Z")).encode(encoding))
        assert [entry.id for entry in FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)] == ["ä"]

    def test_pythons_nan_is_no_value(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text(json.dumps(item("a", "2020-06-15T10:00:00Z", **{"eo:cloud_cover": nan})))
        (found,) = FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)
        assert found.cloud_cover is None

    def test_what_is_being_written_loses_nothing(self, tmp_path: Path) -> None:
        """Items of a file that is written anew slowly: what was known stays, and who knows nothing does not go on."""
        place, names = tmp_path / "all.json", ["a", "b"]
        documents = [
            item(name, "2020-06-15T10:00:00Z", west=west) for name, west in zip(names, (15.0, 15.01), strict=True)
        ]
        text = json.dumps({"type": "FeatureCollection", "features": documents})
        place.write_text(text)
        catalog = FolderCatalog(tmp_path, recheck_seconds=0)
        assert [one.id for one in catalog.search(COLLECTION, JUNE, BOX)] == names
        with _written_slowly(place, text[: len(text) // 2]):
            assert [one.id for one in catalog.search(COLLECTION, JUNE, BOX)] == names
            with pytest.raises(CatalogUnavailable, match="is still being written") as refused:
                FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)
        assert refused.value.transient
        assert str(tmp_path) not in str(refused.value)
        place.write_text(text.replace('"b"', '"c"'))
        assert [one.id for one in catalog.search(COLLECTION, JUNE, BOX)] == ["a", "c"]

    def test_an_item_that_changes_while_it_is_searched_is_not_missed(self, tmp_path: Path) -> None:
        text = json.dumps(item("a", "2020-06-15T10:00:00Z"))
        for half in (text[:100], json.dumps({"type": "FeatureCollection", "features": [json.loads(text)] * 2})):
            (tmp_path / "a.json").write_text(text)
            catalog = FolderCatalog(tmp_path, recheck_seconds=60)
            far = (BOX[0] + 90, BOX[1], BOX[2] + 90, BOX[3])
            assert catalog.search(COLLECTION, JUNE, far) == ()  # it is found, but not read
            (tmp_path / "a.json").write_text(half)
            with pytest.raises(CatalogUnavailable, match="is still being written"):
                catalog.search(COLLECTION, JUNE, BOX)

    def test_a_file_that_may_be_read_again_is_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither rights nor a disk that is mounted anew change the time of its content."""
        for name in ("a", "b"):
            (tmp_path / f"{name}.json").write_text(json.dumps(item(name, "2020-06-15T10:00:00Z")))
        catalog, whole = FolderCatalog(tmp_path, recheck_seconds=0), Path.read_bytes
        for fault in (PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such file")):

            def refused(path: Path, fault: OSError = fault) -> bytes:
                if path.name == "b.json":
                    raise fault
                return whole(path)

            with monkeypatch.context() as patch:
                patch.setattr(Path, "read_bytes", refused)
                for _ in range(3):
                    assert [one.id for one in catalog.search(COLLECTION, JUNE, BOX)] == ["a"]
            assert [one.id for one in catalog.search(COLLECTION, JUNE, BOX)] == ["a", "b"]
            catalog = FolderCatalog(tmp_path, recheck_seconds=0)
        assert len([text for text in caplog.messages if "b.json" in text and "Permission" in text]) == 1

    def test_a_file_that_may_not_be_read_any_more_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.json").write_text(json.dumps(item("a", "2020-06-15T10:00:00Z")))
        catalog = FolderCatalog(tmp_path, recheck_seconds=60)
        assert catalog.search(COLLECTION, JUNE, (BOX[0] + 90, BOX[1], BOX[2] + 90, BOX[3])) == ()

        def refused(_: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refused)
        with pytest.raises(CatalogUnavailable, match="can no longer be read") as told:
            catalog.search(COLLECTION, JUNE, BOX)
        assert told.value.transient

    @pytest.mark.parametrize("kind", ["json", "parquet"])
    def test_links_to_folders_are_followed(self, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
        """Each once; not back up, and not in a circle."""

        def write(folder: str, name: str) -> None:
            path = tmp_path / folder / f"{name}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            document = item(name, "2020-06-15T10:00:00Z")
            write_geoparquet(path, [document]) if kind == "parquet" else path.write_text(json.dumps(document))

        write("catalog", "own")
        write("elsewhere/part", "linked")
        for name, target in (("year=1", "elsewhere"), ("year=2", "elsewhere/part"), ("up", "."), ("self", "catalog")):
            (tmp_path / "catalog" / name).symlink_to(tmp_path / target)
        (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "catalog")
        (tmp_path / "catalog" / "gone").symlink_to(tmp_path / "gone")
        write(".", "above")
        found = open_catalog(str(tmp_path / "catalog")).search(COLLECTION, JUNE, BOX)
        assert [entry.id for entry in found] == ["linked", "own"]
        assert kind == "parquet" or "catalog/gone is left out of the catalogue: it is a broken link" in caplog.text

    @pytest.mark.parametrize("stays", [False, True], ids=["folder", "mount point"])
    def test_a_folder_that_is_away_for_a_moment_loses_nothing(self, tmp_path: Path, stays: bool) -> None:
        """As a disk that is mounted anew, or a folder that takes another's place: not now, and not afterwards."""
        place, aside = tmp_path / "stac", tmp_path / "aside"
        place.mkdir()
        for name in ("a", "b"):
            (place / f"{name}.json").write_text(json.dumps(item(name, "2020-06-15T10:00:00Z")))
        catalog = FolderCatalog(place, recheck_seconds=60)
        far = (BOX[0] + 90, BOX[1], BOX[2] + 90, BOX[3])
        assert catalog.search(COLLECTION, JUNE, far) == ()  # they are found, but not read
        place.rename(aside)
        if stays:
            place.mkdir()
        with pytest.raises(CatalogUnavailable, match="is not available") as refused:
            catalog.search(COLLECTION, JUNE, BOX)
        assert refused.value.transient
        if stays:
            place.rmdir()
        aside.rename(place)
        assert [one.id for one in catalog.search(COLLECTION, JUNE, BOX)] == ["a", "b"]

    def test_a_file_that_is_replaced_is_waited_for_and_a_deleted_one_is_gone(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / f"{name}.json").write_text(json.dumps(item(name, "2020-06-15T10:00:00Z")))
        catalog = FolderCatalog(tmp_path, recheck_seconds=60)
        far = (BOX[0] + 90, BOX[1], BOX[2] + 90, BOX[3])
        assert catalog.search(COLLECTION, JUNE, far) == ()
        text = (tmp_path / "b.json").read_text()
        for name in ("a", "b"):
            (tmp_path / f"{name}.json").unlink()
        writer = Timer(0.05, (tmp_path / "b.json").write_text, [text])
        writer.start()
        assert [one.id for one in catalog.search(COLLECTION, JUNE, BOX)] == ["b"]
        writer.join()

    @pytest.mark.parametrize("kind", ["json", "parquet"])
    def test_a_file_that_is_missed_for_a_moment_is_no_deleted_one(self, tmp_path: Path, kind: str) -> None:
        """Also where the catalogue is looked at in that moment. If nothing is there any more, that may pass."""
        for name in ("a", "b"):
            document = item(name, "2020-06-15T10:00:00Z")
            (tmp_path / f"{name}.json").write_text(json.dumps(document))
            write_geoparquet(tmp_path / f"{name}.parquet", [document])
        catalog: Catalog = FolderCatalog(tmp_path, recheck_seconds=0)
        if kind == "parquet":
            catalog = GeoParquetCatalog(str(tmp_path), look_seconds=0)
        assert len(catalog.search(COLLECTION, JUNE, BOX)) == 2
        path = tmp_path / f"b.{kind}"
        content = path.read_bytes()
        path.unlink()
        writer = Timer(0.05, path.write_bytes, [content])
        writer.start()
        assert [one.id for one in catalog.search(COLLECTION, JUNE, BOX)] == ["a", "b"]
        writer.join()
        path.unlink()
        assert [one.id for one in catalog.search(COLLECTION, JUNE, BOX)] == ["a"]
        (tmp_path / f"a.{kind}").unlink()
        for told in (r"has no (STAC items|Parquet files)", r"has no|does not exist"):
            with pytest.raises(CatalogUnavailable, match=told) as refused:
                catalog.search(COLLECTION, JUNE, BOX)
            assert refused.value.transient
            if tmp_path.exists():
                rmtree(tmp_path)

    def test_a_file_that_is_just_written_is_waited_for(self, tmp_path: Path) -> None:
        text = json.dumps(item("slow", "2020-06-15T10:00:00Z"))
        (tmp_path / "a.json").write_text(text[:100])
        writer = Timer(0.05, (tmp_path / "a.json").write_text, [text])
        writer.start()
        found = FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)
        writer.join()
        assert [entry.id for entry in found] == ["slow"]

    @pytest.mark.parametrize(
        ("name", "href"),
        [
            ("a b.tif", "./a%20b.tif"),
            ("a%20b.tif", "a%20b.tif"),
            ("ä.tif", "%C3%A4.tif"),
            ("c#d.tif", "../x/c%23d.tif"),
        ],
    )
    def test_relative_hrefs_are_parts_of_urls(self, tmp_path: Path, name: str, href: str) -> None:
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / name).touch()
        document = item("a", "2020-06-15T10:00:00Z")
        document["assets"] = {"red": {"href": href}}
        (tmp_path / "x" / "a.json").write_text(json.dumps(document))
        (found,) = FolderCatalog(tmp_path).search(COLLECTION, JUNE, BOX)
        assert found.assets["B04"].href == str(tmp_path / "x" / name)

    def test_real_items(self, shared_data: Path) -> None:
        august = Interval(start=datetime(2023, 8, 1, tzinfo=UTC), end=datetime(2023, 9, 1, tzinfo=UTC))
        catalog = FolderCatalog(shared_data / "stac" / "s2-l2a-33t-120m")
        found = catalog.search(COLLECTION, august, (15.98, 46.40, 16.05, 46.43))
        assert [entry.instant.day for entry in found] == [10, 13, 15, 18, 20]
        for entry in found:
            assert set(entry.assets) == {"B02", "B03", "B04", "B08", "SCL"}
            assert all(Path(asset.href).is_file() and asset.harmonization == 0 for asset in entry.assets.values())
        small = FolderCatalog(shared_data / "stac" / "s2-l2a-31ufs-10m")
        april = Interval(start=datetime(2023, 4, 1, tzinfo=UTC), end=datetime(2023, 5, 1, tzinfo=UTC))
        assert len(small.search(COLLECTION, april, (5.0, 51.2, 5.1, 51.3))) == 12


class TestApi:
    def test_short_faults_are_not_noticed(self, api: Api) -> None:
        api.faults = [503, 429, 200, 200, 500]
        assert len(ApiCatalog(api.url, backoff=0.001).search(COLLECTION, JUNE, BOX)) == 4

    def test_an_answer_that_breaks_off_is_asked_for_again(self, api: Api) -> None:
        api.faults = [0, 200, 0, 0]
        assert len(ApiCatalog(api.url, backoff=0.001).search(COLLECTION, JUNE, BOX)) == 4

    def test_long_faults_are_transient(self, api: Api) -> None:
        api.faults = [503] * 30
        with pytest.raises(CatalogUnavailable) as caught:
            ApiCatalog(api.url, retries=2, backoff=0.001).search(COLLECTION, JUNE, BOX)
        assert caught.value.transient

    def test_a_refusal_is_final(self, api: Api) -> None:
        api.faults = [403]
        with pytest.raises(CatalogUnavailable, match="HTTP 403") as caught:
            ApiCatalog(api.url, backoff=0.001).search(COLLECTION, JUNE, BOX)
        assert not caught.value.transient

    def test_nobody_there(self) -> None:
        with pytest.raises(CatalogUnavailable) as caught:
            ApiCatalog("http://user:TOPSECRET@127.0.0.1:9/stac", retries=0).search(COLLECTION, JUNE, BOX)
        assert caught.value.transient
        assert "TOPSECRET" not in str(caught.value)

    def test_a_missing_collection_is_named(self, api: Api) -> None:
        api.items = [ITEMS[-1]]
        with pytest.raises(CatalogUnavailable, match="none of the STAC collections of sentinel-2-l2a"):
            ApiCatalog(api.url, backoff=0.001).search(COLLECTION, JUNE, BOX)

    def test_only_one_of_the_collections_is_asked(self, api: Api) -> None:
        api.items.append(item("twin", "2020-06-15T10:00:00Z", collection="sentinel-2-c1-l2a"))
        assert "twin" not in [entry.id for entry in ApiCatalog(api.url).search(COLLECTION, JUNE, BOX)]


class TestRouting:
    def test_a_collection_may_have_its_own(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "item.json").write_text(json.dumps(item(name, "2020-06-02T00:00:00Z")))
        catalog = open_catalog(str(tmp_path / "one"), {"S2L2A": str(tmp_path / "two")})
        assert catalog.search(COLLECTION, JUNE, BOX)[0].id == "two"

    def test_no_catalogue_says_what_to_set(self) -> None:
        with pytest.raises(CatalogUnavailable, match="set `catalog`"):
            open_catalog(None).search(COLLECTION, JUNE, BOX)
