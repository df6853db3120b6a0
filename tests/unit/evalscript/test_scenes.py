"""What a script may know of its scenes (sentinelhub.md 5.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import shapely

from arpent.domain.evalscript import Evalscript
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.evalscript.scenes import orbit_scene, preprocessing, scene_fields, source_keys, tile_scene
from arpent.evalscript.setup import read_setup


def item(hour: int, cloud: float | None = 3.5) -> Item:
    return Item(
        id=f"tile-{hour}",
        collection="sentinel-2-l2a",
        instant=datetime(2020, 6, 5, hour, 8, 8, 900000, tzinfo=timezone(timedelta(hours=2))),
        created=None,
        cloud_cover=cloud,
        footprint=shapely.Polygon([(1, 2), (3, 2), (3, 5)]),
        assets={},
        href="s3://bucket/tile",
    )


def script(*inputs: dict[str, object]) -> Evalscript:
    declared = {"input": list(inputs), "output": {"bands": 1}}
    return read_setup("", declared, frozenset({"evaluatePixel"}), require_mask=False)


def test_tile() -> None:
    fields = tile_scene(item(10)).fields
    assert fields == {
        "date": "2020-06-05T08:08:08Z",
        "shId": fields["shId"],
        "dataPath": "s3://bucket/tile",
        "cloudCoverage": 3.5,
    }
    assert isinstance(fields["shId"], int)
    assert "cloudCoverage" not in tile_scene(item(10, None)).fields


def test_bounds_when_asked_for() -> None:
    fields = tile_scene(item(10), ("bounds",)).fields
    assert fields["dataGeometry"] == {"type": "Polygon", "coordinates": [[[1, 2], [3, 2], [3, 5], [1, 2]]]}
    assert sorted(fields["dataEnvelope"]["coordinates"][0][:4]) == [[1, 2], [1, 5], [3, 2], [3, 5]]


def test_orbit_is_a_utc_day() -> None:
    fields = orbit_scene([item(1), item(0)]).fields
    assert (fields["dateFrom"], fields["dateTo"]) == ("2020-06-04T00:00:00Z", "2020-06-04T23:59:59Z")
    assert [tile["date"] for tile in fields["tiles"]] == ["2020-06-04T23:08:08Z", "2020-06-04T22:08:08Z"]


def test_given_by_key_with_bounds_only_where_asked() -> None:
    evalscript = script(
        {"bands": ["A"], "datasource": "s2", "mosaicking": "TILE"},
        {"bands": ["B"], "mosaicking": "ORBIT"},
        {"bands": ["C"]},
    )
    assert source_keys(evalscript) == ("s2", "1", "2")
    scenes = [[tile_scene(item(10), ("bounds",))], [orbit_scene([item(10)])], []]
    tiles, orbits, simple = scene_fields(evalscript, scenes)
    assert tiles[:2] == ["s2", "tiles"]
    assert set(tiles[2][0]) == {"date", "shId", "dataPath", "cloudCoverage", "__idx"}
    assert orbits[1] == "orbits"
    assert simple == ["2", None, []]


def test_preprocessing_hides_the_tiles_of_an_orbit() -> None:
    interval = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))
    asked = preprocessing(script({"bands": ["A"], "mosaicking": "ORBIT"}), [[orbit_scene([item(10)])]], interval)
    assert asked["given"] == [
        ["0", "orbits", [{"dateFrom": "2020-06-05T00:00:00Z", "dateTo": "2020-06-05T23:59:59Z", "__idx": 0}]]
    ]
    assert (asked["fusion"], asked["from"], asked["to"]) == (False, "2020-06-01T00:00:00Z", "2020-07-01T00:00:00Z")
