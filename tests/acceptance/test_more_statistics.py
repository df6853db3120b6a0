"""Pixel rules, further statistics and shares of classes, by request, command and function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import arpent
from arpent.cli.results import collect
from arpent.cli.run import run
from arpent.settings import Settings
from tests.support.client import seed_body
from tests.support.parcels import good_parcels, write_geopackage

CLASSES = """//VERSION=3
function setup() {
  return { input: [{ bands: ["B04", "SCL", "dataMask"] }],
           output: [{ id: "red", bands: 1 }, { id: "scl", bands: 1, sampleType: "UINT8" },
                    { id: "dataMask", bands: 1 }] };
}
function evaluatePixel(s) { return { red: [s.B04], scl: [s.SCL], dataMask: [s.dataMask] }; }"""
ALL = ["sum", "count", "variance", "median", "mode", "weightedMean"]
WISH: dict[str, Any] = {"start": "2023-06-01", "end": "2023-06-21", "every": "P10D", "progress": False, "id": "parcel"}


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> geopandas.GeoDataFrame:
    path = write_geopackage(tmp_path_factory.mktemp("fields") / "given.gpkg", good_parcels(), 32633)
    frame = geopandas.read_file(path, fid_as_index=True)
    frame["parcel"] = [f"P{number:03d}" for number in range(len(frame))]
    return frame


@pytest.fixture(scope="module")
def job(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a request with all of them."""
    buckets = tmp_path_factory.mktemp("buckets")
    for name in ("fields", "results"):
        (buckets / name).mkdir()
    write_geopackage(buckets / "fields" / "a.gpkg", good_parcels(), 32633)
    body = seed_body("s3://fields/a.gpkg", CLASSES, "s3://results/out")
    body["aggregation"] |= {"pixels": "centre,nearest"}
    body["calculations"] = {
        "red": {"statistics": {"default": {"more": ALL[::-1]}}},
        "scl": {"statistics": {"default": {"shares": {"plants": 4, "soil": 5}, "more": ["mode"]}}},
    }
    made = run(
        Settings(catalog=str(catalog), buckets=buckets, executor="inline"), json.dumps(body), Console(quiet=True)
    )
    return buckets / "results" / "out" / str(made["id"])


def test_files_and_table_say_the_same(job: Path) -> None:
    table = pd.read_parquet(job / "parquet")
    assert list(table.columns)[14:22] == [*ALL, "share_plants", "share_soil"]
    read = collect(Settings(), str(job)).to_pandas()
    keys = ["id", "from", "output"]
    table, read = (each.sort_values(keys).reset_index(drop=True) for each in (table, read))
    for name in [*ALL, "share_plants", "share_soil"]:
        pd.testing.assert_series_equal(read[name], table[name])
    red = table[(table["output"] == "red") & (table["geometry_pixel_count"] > 1)]
    assert (red["count"] == red["geometry_pixel_count"] * red["valid_share"]).all()
    np.testing.assert_allclose(red["sum"], (red["mean"] * red["count"]).fillna(0.0), rtol=1e-12)
    red = red[red["count"] > 0]
    np.testing.assert_allclose(red["variance"], red["stDev"] ** 2, rtol=1e-12)
    assert ((red["min"] <= red["median"]) & (red["median"] <= red["max"])).all()
    assert red["share_plants"].isna().all()
    scl = table[table["output"] == "scl"]
    assert ((scl["share_plants"] + scl["share_soil"]).dropna() <= 1).all()
    assert scl["share_plants"].max() > 0.2
    assert (table["geometry_pixel_count"] >= 1).all(), "nearest"
    entry = json.loads(next(job.glob("*.json")).read_text())["response"]["data"][0]["outputs"]
    assert list(entry["red"]["bands"]["B0"]["stats"])[-6:] == ALL
    assert set(entry["scl"]["bands"]["B0"]["stats"]["shares"]) == {"plants", "soil"}


@pytest.mark.parametrize("rule", ["centre", "touched", "weighted", "service,inner:15", "weighted,inner:5"])
def test_the_rules_by_the_function(fields: geopandas.GeoDataFrame, catalog: Path, rule: str) -> None:
    plain = arpent.statistics(fields, catalog, script=CLASSES, **WISH)
    ruled = arpent.statistics(fields, catalog, script=CLASSES, pixels=rule, more="sum,count", **WISH)
    assert ruled["id"].tolist() == plain["id"].tolist()
    assert ruled["sample_count"].tolist() == plain["sample_count"].tolist(), "the grid stays"
    inside, before = ruled["geometry_pixel_count"], plain["geometry_pixel_count"]
    if rule in ("touched", "weighted"):
        assert (inside >= before).all()
    else:
        assert (inside <= before).all()
    assert inside.sum() != before.sum()
    rows = ruled[ruled["count"] > 0]
    np.testing.assert_allclose(rows["sum"] / rows["count"], rows["mean"], rtol=1e-12)
    if rule == "weighted":  # what it counts is the area
        whole = ruled[(ruled["output"] == "scl") & (ruled["valid_share"] == 1)]
        area = fields.set_index("parcel").geometry.area[whole["id"]].to_numpy()
        size = fields.set_index("parcel").geometry.bounds.loc[whole["id"]]
        box = ((size["maxx"] - size["minx"]) * (size["maxy"] - size["miny"])).to_numpy()
        np.testing.assert_allclose(whole["count"] * box / whole["sample_count"], area, rtol=1e-9)


def test_shares_are_of_the_outputs_that_have_classes(
    fields: geopandas.GeoDataFrame, catalog: Path, tmp_path: Path
) -> None:
    """One word for all outputs; an update keeps what it gave, byte for byte."""
    table = tmp_path / "table.parquet"
    frame = arpent.statistics(fields, catalog, script=CLASSES, shares={"plants": 4}, update=table, **WISH)
    assert frame["share_plants"][frame["output"] == "red"].isna().all()
    assert frame["share_plants"][frame["output"] == "scl"].max() > 0.2
    first = table.read_bytes()
    assert pq.read_table(table)["share_plants"].null_count >= (frame["output"] == "red").sum(), "null, not NaN"
    arpent.statistics(fields, catalog, script=CLASSES, shares={"plants": 4}, update=table, **WISH)
    assert table.read_bytes() == first
    lone = CLASSES.replace(', sampleType: "UINT8"', "")
    with pytest.raises(arpent.ArpentError, match="UINT8"):
        arpent.statistics(fields, catalog, script=lone, shares={"plants": 4}, **WISH)


def test_the_service_rule_is_what_it_was(fields: geopandas.GeoDataFrame, catalog: Path) -> None:
    plain = arpent.statistics(fields, catalog, script=CLASSES, **WISH)
    more = arpent.statistics(fields, catalog, script=CLASSES, pixels="service", more=ALL, **WISH)
    assert list(more.columns.drop(ALL)) == list(plain.columns)
    pd.testing.assert_frame_equal(pd.DataFrame(more.drop(columns=ALL)), pd.DataFrame(plain))


def test_an_explanation_follows_the_rule(fields: geopandas.GeoDataFrame, catalog: Path) -> None:
    wish = {name: value for name, value in WISH.items() if name != "progress"}
    ruled = arpent.statistics(fields, catalog, script=CLASSES, pixels="centre", **WISH)
    row = ruled[(ruled["output"] == "red") & (ruled["valid_share"] > 0)].iloc[2]
    why = arpent.explain(
        fields, catalog, feature=row["id"], script=CLASSES, pixels="centre", interval=row["from"], **wish
    )
    assert why.data["counts"]["inside"] == row["geometry_pixel_count"]
    assert why.data["response"]["data"][0]["outputs"]["red"]["bands"]["B0"]["stats"]["mean"] == row["mean"]


def test_a_stac_collection_describes_the_tables(job: Path) -> None:
    """Outside the folder whose JSON files the official client lists."""
    home = job / "stac" / "collection.json"
    assert {path.stem for path in job.glob("*.json")} == {str(parcel.id) for parcel in good_parcels()}
    told = json.loads(home.read_text())
    assert (told["type"], told["stac_version"], told["id"]) == ("Collection", "1.0.0", job.name)
    assert all(told[name] for name in ("description", "license", "extent", "stac_extensions"))
    table = pq.read_table(home.parent / told["assets"]["table"]["href"])
    found = [(column["name"], column["type"]) for column in told["table:columns"]]
    assert found == [(field.name, str(field.type)) for field in table.schema]
    assert all(column["description"] for column in told["table:columns"])
    features = home.parent / told["assets"]["features"]["href"]
    own = geopandas.read_parquet(features)
    assert told["assets"]["features"]["table:primary_geometry"] == own.geometry.name
    west, south, east, north = told["extent"]["spatial"]["bbox"][0]
    bounds = own.to_crs(4326).total_bounds
    np.testing.assert_allclose([west, south, east, north], bounds, atol=1e-4)
    assert told["extent"]["temporal"]["interval"] == [["2023-06-01T00:00:00Z", "2023-07-31T00:00:00Z"]]
