"""Explaining a number: what is explained is what is reported, from the same steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arpent import worker
from arpent.domain.errors import FeatureNotFound, InvalidRequest
from arpent.domain.explanation import Explanation
from arpent.engine.analysis.read_features import load_features
from arpent.engine.explain import explain_feature
from arpent.engine.processing.compute import compute
from arpent.engine.processing.process import script_of
from arpent.engine.services import Limits, Services
from arpent.settings import Settings
from arpent.wire import explanation as wire
from arpent.wire.request.parse import parse_batch
from arpent.wire.result.render import render_results
from tests.support.client import seed_body
from tests.support.parcels import bad_parcels, good_parcels, write_geopackage
from tests.support.scripts import GREENEST_DAY, GREENEST_TILE, NDVI, SEED, at_the_head_of_evaluate_pixel
from tests.support.world import SEASON, make_imagery

JUNE = tuple(acquisition for acquisition in SEASON if acquisition.instant < "2023-06-20")
KINDS = {parcel.kind: parcel.id for parcel in good_parcels(2) + bad_parcels()}
Body = dict[str, Any]
Explain = Callable[..., tuple[Explanation, dict[str, Any]]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Services:
    folder = tmp_path_factory.mktemp("explained")
    write_geopackage(folder / "buckets" / "fields" / "mixed.gpkg", good_parcels(2) + bad_parcels())
    settings = Settings(buckets=folder / "buckets", catalog=str(make_imagery(folder / "stac", JUNE)))
    return worker.services_of(settings)


def body_of(script: str, **aggregation: Any) -> Body:
    return seed_body("s3://fields/mixed.gpkg", script, aggregationInterval={"of": "P10D"}, **aggregation)


@pytest.fixture
def explain(world: Services) -> Explain:
    def explained(body: Body, kind: str, start: datetime | None = None) -> tuple[Explanation, dict[str, Any]]:
        found = explain_feature(parse_batch(json.dumps(body)), KINDS[kind], start, world)
        return found, json.loads(wire.render_explanation(found))

    return explained


def reported(body: Body, world: Services) -> dict[int, Any]:
    """Every feature's file, from the pipeline with all features at once."""
    request = parse_batch(json.dumps(body))
    features = load_features(request.features, world, Limits())  # type: ignore[arg-type]
    results = compute(request, features, script_of(request, world), world)
    return {int(one.features.ids[row]): json.loads(text) for one in results for row, text in render_results(one)}


@pytest.mark.parametrize("script", [SEED, NDVI, GREENEST_DAY, GREENEST_TILE], ids=["seed", "ndvi", "orbit", "tile"])
def test_the_explained_numbers_are_the_reported_ones(world: Services, explain: Explain, script: Any) -> None:
    files = reported(body_of(script.text), world)
    for kind in ("overlap", "swath edge", "hole", "two parts", "tiny", "across the border", "field"):
        file = files[KINDS[kind]]["response"]
        for entry in file["data"]:
            start = datetime.fromisoformat(entry["interval"]["from"])
            _, told = explain(body_of(script.text), kind, start)
            assert told["response"] == {**file, "data": [entry]}
            check_counts(told, entry)


def check_counts(told: dict[str, Any], entry: dict[str, Any]) -> None:
    """The samples listed, and those outside, make the reported statistics."""
    outputs = {one["id"]: one for one in told["outputs"]}
    for output, found in entry["outputs"].items():
        for place, (band, numbers) in enumerate(found["bands"].items()):
            stats = numbers["stats"]
            values = [s["output"][output][place] for s in told["samples"]["data"] if s["counts"][output][place]]
            beyond = outputs[output]["outside"]
            if beyond["counts"][place]:
                values += [beyond["values"][place]] * told["counts"]["outside"]
            assert len(values) == told["counts"]["valid"][output][band] == stats["sampleCount"] - stats["noDataCount"]
            assert told["counts"]["noData"][output][band] == stats["noDataCount"]
            if values:
                assert np.mean(values) == pytest.approx(stats["mean"], rel=1e-12)
                assert (min(values), max(values)) == (stats["min"], stats["max"])
            else:
                assert stats["mean"] == "NaN"


def test_grid_samples_and_where_they_came_from(explain: Explain) -> None:
    found, told = explain(body_of(SEED.text), "overlap")
    grid, counts, samples = told["grid"], told["counts"], told["samples"]
    assert grid["crs"] == "EPSG:32633"
    assert counts["samples"] == grid["width"] * grid["height"] == counts["inside"] + counts["outside"]
    assert samples["count"] == samples["listed"] == counts["inside"] == len(samples["data"])
    (entry,) = told["inputs"]
    assert [item["cloudCover"] for item in entry["items"]] == sorted(item["cloudCover"] for item in entry["items"])
    origins = [sample["input"]["item"] for sample in samples["data"]]
    assert {item["id"]: item["samples"] for item in entry["items"]} == {
        item["id"]: origins.count(item["id"]) for item in entry["items"]
    }
    a, _, c, _, e, f = grid["transform"]
    for sample in samples["data"]:
        assert sample["x"] == pytest.approx(c + (sample["column"] + 0.5) * a, abs=1e-6)
        assert sample["y"] == pytest.approx(f + (sample["row"] + 0.5) * e, abs=1e-6)
        assert sample["output"]["output_B04"][0] == np.float32(sample["input"]["B04"])
        assert sample["input"]["dataMask"] == sample["mask"]["output_B04"] == int(sample["counts"]["output_B04"][0])
    assert found.error is None
    assert "error" not in told


def test_items_that_gave_nothing_say_why(explain: Explain) -> None:
    body = body_of(SEED.text)
    body["input"]["data"][0]["dataFilter"]["maxCloudCoverage"] = 20
    _, told = explain(body, "overlap")
    verdicts = {item["id"]: (item["cloudCoverAllowed"], item["used"]) for item in told["inputs"][0]["items"]}
    assert verdicts["S2A_33TXM_20230603_0_L2A"] == (False, False)
    assert verdicts["S2A_33TXM_20230608_0_L2A"] == (True, True)


def test_scenes_dropped_by_the_script_are_marked(explain: Explain) -> None:
    drop = "function preProcessScenes(c) { c.scenes.orbits = c.scenes.orbits.slice(0, 1); return c; }"
    _, told = explain(body_of(GREENEST_DAY.text + drop), "overlap")
    assert {item["id"][10:18]: item["used"] for item in told["inputs"][0]["items"]} == {
        "20230608": True, "20230603": False,
    }  # fmt: skip
    assert {len(sample["input"]) for sample in told["samples"]["data"]} == {1}


def test_a_constant_mask_lets_samples_outside_count(explain: Explain) -> None:
    _, told = explain(body_of(SEED.text.replace("[samples.dataMask]", "[1]")), "hole")
    (stats,) = [band["stats"] for band in told["response"]["data"][0]["outputs"]["output_B04"]["bands"].values()]
    assert told["outputs"][0]["outside"]["counts"] == [True]
    assert (stats["noDataCount"], told["counts"]["valid"]["output_B04"]["B0"]) == (0, stats["sampleCount"])
    check_counts(told, told["response"]["data"][0])


@pytest.mark.parametrize(
    ("value", "kind", "shown", "counts"),
    [
        ("samples.CLM", "UINT16", 0.0, True),
        ("samples.CLM", "FLOAT32", "NaN", False),
        ("0 / 0", "UINT16", "NaN", False),
        ("1 / 0", "UINT16", 65535.0, True),
        ("-1 / 0", "INT16", -32768.0, True),
        ("1e19", "UINT8", 255.0, True),
    ],
)
def test_values_are_shown_as_the_statistics_take_them(
    explain: Explain, value: str, kind: str, shown: object, counts: bool
) -> None:
    script = f"""//VERSION=3
        function setup() {{ return {{ input: ["B04", "dataMask"],
          output: [{{ id: "o", bands: 1, sampleType: "{kind}" }}, {{ id: "dataMask", bands: 1 }}] }} }}
        function evaluatePixel(samples) {{ return {{ o: [{value}], dataMask: [samples.dataMask] }} }}"""
    _, told = explain(body_of(script), "overlap")
    valid = [sample for sample in told["samples"]["data"] if sample["mask"]["o"] == 1]
    assert valid
    assert {(sample["output"]["o"][0], sample["counts"]["o"][0]) for sample in valid} == {(shown, counts)}
    (stats,) = [band["stats"] for band in told["response"]["data"][0]["outputs"]["o"]["bands"].values()]
    assert stats["min"] == (shown if counts else "NaN")
    assert any("held undefined, which counts as 0" in line for line in told["log"]) is (shown == 0)
    check_counts(told, told["response"]["data"][0])


def test_what_the_script_says_and_throws(explain: Explain) -> None:
    _, said = explain(body_of(at_the_head_of_evaluate_pixel("console.log('B04 is', samples.B04);")), "tiny")
    assert said["log"]
    assert said["log"][0].startswith("B04 is 0.")
    text = at_the_head_of_evaluate_pixel("if (samples.B04 > 0) throw new Error('too green');")
    line = text.splitlines().index(next(each for each in text.splitlines() if "too green" in each)) + 1
    found, told = explain(body_of(text), "tiny")
    assert (told["error"]["type"], told["error"]["line"]) == ("EXECUTION_ERROR", line)
    assert "too green" in told["error"]["message"]
    assert told["response"]["data"][0]["error"]["type"] == "EXECUTION_ERROR"
    assert told["samples"]["data"][0]["input"]["B04"] > 0
    assert found.error is not None


FUSION = """//VERSION=3
function setup() {
  return { input: [{ datasource: "clear", bands: ["B04", "dataMask"] },
                   { datasource: "all", bands: ["B08"], mosaicking: "ORBIT" }],
           output: [{ id: "x", bands: ["red", "days"] }, { id: "dataMask", bands: 1 }] };
}
function evaluatePixel(s) { return { x: [s.clear.length ? s.clear[0].B04 : -1, s.all.length], dataMask: [1] }; }
"""


@pytest.mark.parametrize(("most", "seen"), [(2, False), (100, True)])
def test_several_sources_of_which_one_may_be_empty(explain: Explain, most: int, seen: bool) -> None:
    body = body_of(FUSION)
    entry = body["input"]["data"][0]
    clear = {**entry, "id": "clear", "dataFilter": {"maxCloudCoverage": most}}
    body["input"]["data"] = [clear, {**entry, "id": "all"}]
    _, told = explain(body, "overlap")
    for sample in told["samples"]["data"]:
        red, days = sample["output"]["x"]
        assert days == len(sample["input"]["all"]) == 2
        if seen:
            assert red == np.float32(sample["input"]["clear"]["B04"])
        else:
            assert (red, sample["input"]["clear"]) == (-1.0, None)
    assert [each["used"] for each in told["inputs"][0]["items"]] == [seen] * 3
    check_counts(told, told["response"]["data"][0])


@pytest.mark.parametrize("kind", ["null", "empty", "invalid", "point", "line"])
def test_a_geometry_without_numbers_says_why(explain: Explain, kind: str) -> None:
    _, told = explain(body_of(SEED.text), kind)
    assert told["error"]["type"] == "BAD_REQUEST"
    assert told["response"]["status"] == "FAILED"
    assert "grid" not in told


def test_outside_the_imagery_there_is_a_grid_and_nothing_else(explain: Explain) -> None:
    _, told = explain(body_of(SEED.text), "outside the imagery")
    assert told["response"]["data"] == []
    assert told["counts"]["inside"] > 0
    assert told["counts"]["insideWithImagery"] == 0
    assert told["inputs"][0]["items"] == []


def test_the_first_interval_with_data_unless_told(explain: Explain) -> None:
    body = body_of(SEED.text, timeRange={"from": "2023-05-01T00:00:00Z", "to": "2023-07-10T00:00:00Z"})
    found, _ = explain(body, "overlap")
    assert found.interval.start == datetime(2023, 5, 31, tzinfo=UTC)
    found, told = explain(body, "overlap", datetime(2023, 5, 11, tzinfo=UTC))
    assert found.interval.start == datetime(2023, 5, 11, tzinfo=UTC)
    assert told["response"]["data"] == []
    with pytest.raises(InvalidRequest, match="2023-05-01T00:00:00Z, 2023-05-11T00:00:00Z"):
        explain(body, "overlap", datetime(2023, 5, 12, tzinfo=UTC))


def test_a_feature_that_is_not_there(world: Services) -> None:
    with pytest.raises(FeatureNotFound, match="4711"):
        explain_feature(parse_batch(json.dumps(body_of(SEED.text))), 4711, None, world)


def test_a_large_feature_is_listed_in_part(explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_LISTED", 7)
    _, told = explain(body_of(SEED.text), "overlap")
    samples = told["samples"]
    assert samples["listed"] == len(samples["data"]) == 7 < samples["count"]
    assert samples["note"] == f"Only the first 7 of {samples['count']} samples are listed."


def test_it_writes_nothing(world: Services, explain: Explain, tmp_path: Path) -> None:
    explain(body_of(SEED.text), "overlap")
    with pytest.raises(Exception, match="results"):
        list(world.objects.list(parse_batch(json.dumps(body_of(SEED.text))).output))  # type: ignore[arg-type]
