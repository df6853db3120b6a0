"""`arpent stats` and `arpent.statistics`: from a file of fields to a table, with the numbers of the API."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
from requests_oauthlib import OAuth2Session

import arpent
from arpent.api.fields import Columns
from arpent.api.files import save
from arpent.api.local import Answer
from arpent.api.query import Query
from arpent.api.statistics import answer_of
from arpent.evalscript.indices.script import IndexQuery, index_script
from tests.support import client
from tests.support.parcels import bad_parcels, good_parcels, write_geopackage
from tests.support.server import Server
from tests.support.server import arpent as command

START, END = "2023-06-01", "2023-07-31"
NUMBERS = ["min", "max", "mean", "stDev", "sample_count", "no_data_count", "geometry_pixel_count", "valid_share"]


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> geopandas.GeoDataFrame:
    """The good parcels with columns of a user, in EPSG:32633."""
    path = tmp_path_factory.mktemp("fields") / "parcels.gpkg"
    write_geopackage(path, good_parcels(), 32633)
    frame = geopandas.read_file(path, fid_as_index=True)
    frame["crop"] = [("maize", "wheat", "röd")[number % 3] for number in range(len(frame))]
    frame["parcel_no"] = [f"P{number:03d}" for number in range(len(frame))]
    frame["sown"] = date(2023, 4, 1)
    frame["mean"] = np.arange(len(frame)) * 1.5
    return frame


@pytest.fixture(scope="module")
def given(fields: geopandas.GeoDataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("given") / "fields.gpkg"
    fields.to_file(path, driver="GPKG")
    return path


def stats(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*command(), "stats", *arguments], capture_output=True, text=True, cwd=folder, timeout=180, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def usual(given: Path, catalog: Path, output: str, *more: str) -> list[str]:
    return [
        str(given), "--catalog", str(catalog), "--index", "ndvi,ndwi", "--mask-clouds", "--from", START, "--to", END,
        "--order", "leastCC", "--every", "P10D", "-o", output, *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def long(given: Path, catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with ndvi.parquet and the other files of the run."""
    folder = tmp_path_factory.mktemp("long")
    done = stats(folder, *usual(given, catalog, "ndvi.parquet", "--json"))
    told = json.loads(done.stdout)
    (folder / "told.json").write_text(json.dumps(told))
    return folder


def test_the_numbers_are_those_of_the_api(long: Path, server: Server, oauth: OAuth2Session) -> None:
    script = index_script(IndexQuery(index=["ndvi", "ndwi"], mask="scl"))
    body = client.seed_body(
        "s3://fields/parcels-32633.gpkg",
        script,
        "s3://results/stats",
        aggregationInterval={"of": "P10D", "lastIntervalBehavior": "SHORTEN"},
    )
    job = client.run_job(oauth, server, body)
    theirs = pd.read_parquet(client.result_folder(server, job) / "parquet")
    ours = pd.read_parquet(long / "ndvi.parquet")
    keys = ["output", "from"]
    # The user's file counts its rows anew, so features are told apart by their place.
    theirs["place"] = theirs["id"].rank(method="dense").astype(int)
    ours["place"] = ours["id"].rank(method="dense").astype(int)
    theirs, ours = (each.sort_values(["place", *keys]).reset_index(drop=True) for each in (theirs, ours))
    assert len(ours) > 100
    pd.testing.assert_frame_equal(ours[["place", *keys, *NUMBERS]], theirs[["place", *keys, *NUMBERS]])
    assert [list(each) for each in ours["items"]] == [list(each) for each in theirs["items"]]


def test_the_users_columns_and_geometries_come_back(long: Path, fields: geopandas.GeoDataFrame) -> None:
    rows = pd.read_parquet(long / "ndvi.parquet")
    assert list(rows.columns)[:6] == ["id", "identifier", "crop", "parcel_no", "sown", "feature_mean"]
    seen = fields[fields["parcel_no"].isin(rows["parcel_no"])]  # one lies outside the imagery, and has no row
    assert len(seen) == len(fields) - 1
    first = rows.drop_duplicates("id")
    assert first["crop"].tolist() == seen["crop"].tolist()
    assert first["feature_mean"].tolist() == seen["mean"].tolist()
    assert set(map(str, rows["sown"])) == {"2023-04-01"}
    assert isinstance(rows["from"].dtype, pd.DatetimeTZDtype)
    own = geopandas.read_parquet(long / "ndvi.features.parquet")
    assert own.crs.to_epsg() == 32633
    assert shapely.equals(own.geometry.to_numpy(), fields.geometry.to_numpy()).all()
    about = json.loads(pq.read_metadata(long / "ndvi.parquet").metadata[b"arpent"])
    assert about["software"] == f"arpent {arpent.__version__}"
    assert (about["collections"], about["gridCrs"]) == (["sentinel-2-l2a"], ["EPSG:32633"])
    assert set(about["request"]) == {"input", "aggregation", "calculations"}, "there is no output of its own"
    told = json.loads((long / "told.json").read_text())
    assert told["rows"]["features"] == len(fields)
    assert told["rows"]["intervals"] == 6
    assert told["rows"]["failed"] == 0
    slots = sum(told["rows"][name] for name in ("withNumbers", "allMasked", "withoutImagery", "failed"))
    assert slots == len(fields) * 6
    assert told["rows"]["withoutImagery"] >= 6  # one feature lies outside the imagery


@pytest.fixture(scope="module")
def found(given: Path, catalog: Path) -> Answer:
    """The same in this process."""
    wish = Query(
        start=f"{START}T00:00:00Z", end=f"{END}T00:00:00Z", every="P10D", resolution=10, index=("ndvi", "ndwi"),
        mask_clouds=True, order="leastCC",
    )  # fmt: skip
    return answer_of(given, catalog, wish, Columns(keep=("crop", "mean"), id="parcel_no"), progress=False)


@pytest.mark.parametrize("name", ["a.csv", "a.gpkg", "a.geojson", "a.fgb", "a.parquet"])
def test_wide_in_every_format(found: Answer, long: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert save(found, path, wide=True) == (path,)
    assert list(tmp_path.iterdir()) == [path]
    read = {".csv": pd.read_csv, ".parquet": geopandas.read_parquet}.get(path.suffix, geopandas.read_file)(path)
    assert list(read.columns)[:2] == ["id", "crop"]
    rows = pd.read_parquet(long / "ndvi.parquet")
    expected = rows[(rows["output"] == "ndvi") & (rows["from"] == "2023-06-01T00:00:00Z")].set_index("parcel_no")
    values = read.set_index("id")["ndvi_2023-06-01"]
    np.testing.assert_allclose(values[expected.index].to_numpy(float), expected["mean"].to_numpy(float), rtol=1e-12)
    assert values.notna().sum() > 5
    assert len(read) == len(good_parcels())
    if path.suffix != ".csv":
        assert read.crs.to_epsg() == (4326 if path.suffix == ".geojson" else 32633)
        assert read.geometry.notna().all()


def test_long_rows_on_a_map(found: Answer, tmp_path: Path) -> None:
    save(found, tmp_path / "a.gpkg", wide=False)
    save(found, tmp_path / "a.csv", wide=False)
    read = geopandas.read_file(tmp_path / "a.gpkg")
    assert {"id", "crop", "from", "mean", "feature_mean", "geometry"} < set(read.columns)
    assert str(read["from"].dtype).startswith("datetime64")
    lines = pd.read_csv(tmp_path / "a.csv")
    assert len(lines) == len(read)
    assert lines["from"][0] == "2023-06-01T00:00:00Z"


def test_whatever_the_features_come_in(
    fields: geopandas.GeoDataFrame, given: Path, catalog: Path, tmp_path: Path
) -> None:
    few = fields.iloc[:8]
    wish: dict[str, Any] = {"start": START, "end": "2023-06-20", "index": "ndvi", "progress": False}
    by_frame = arpent.statistics(few, catalog, **wish)
    assert isinstance(by_frame, geopandas.GeoDataFrame)
    assert by_frame["id"].drop_duplicates().tolist() == few.index.tolist()
    few.to_file(tmp_path / "few.fgb", driver="FlatGeobuf", SPATIAL_INDEX="NO")
    few.to_parquet(tmp_path / "few.parquet")
    ways = [tmp_path / "few.fgb", str(tmp_path / "few.parquet"), few.geometry.tolist()]
    for way in ways:
        found = arpent.statistics(way, catalog, crs="EPSG:32633", **wish)
        pd.testing.assert_frame_equal(found[NUMBERS], pd.DataFrame(by_frame)[NUMBERS])
    # Degrees are carried to the zone of the imagery: only rounding is left of the difference.
    degrees = few.to_crs(4326)
    for way in (degrees, json.loads(degrees.drop(columns="sown").to_json()), degrees.drop(columns="sown").to_json()):
        found = arpent.statistics(way, catalog, **wish)
        assert found["sample_count"].tolist() == by_frame["sample_count"].tolist()
        np.testing.assert_allclose(found["mean"], by_frame["mean"], atol=2e-3)
    assert json.loads(found.attrs["arpent"])["gridCrs"] == ["EPSG:32633"]
    box = arpent.statistics(few.geometry.iloc[:1].to_crs(4326).total_bounds.tolist(), catalog, **wish)
    assert box["id"].tolist() == [0] * len(box)


def test_a_cube_and_an_explanation(fields: geopandas.GeoDataFrame, catalog: Path) -> None:
    wish: dict[str, Any] = {"start": START, "end": "2023-06-20", "index": "ndvi"}
    cube = arpent.statistics(fields, catalog, as_xarray=True, progress=False, id="parcel_no", **wish)
    assert cube["mean"].dims == ("geometry", "from", "output", "band")
    assert cube["crop"].dims == ("geometry",)
    rows = arpent.statistics(fields, catalog, progress=False, id="parcel_no", percentiles=[50], **wish)
    row = rows[rows["status"] == "OK"].iloc[3]
    place = cube["id"].to_numpy().tolist().index(row["id"])
    found = cube["mean"][place].sel({"from": row["from"].tz_localize(None), "output": "ndvi", "band": "B0"})
    assert float(found) == row["mean"]
    assert row["min"] <= row["p50.0"] <= row["max"]
    why = arpent.explain(fields, catalog, feature=row["id"], id="parcel_no", interval=row["from"], **wish)
    told = why.data["response"]["data"][0]["outputs"]["ndvi"]["bands"]["B0"]["stats"]
    assert told["mean"] == row["mean"]
    assert why._repr_png_().startswith(b"\x89PNG")


BARE = """
import sys
import arpent
assert "numpy" not in sys.modules, "import arpent is not cheap"
print("begins")
frame = arpent.statistics({given!r}, {catalog!r}, start="2023-06-01", end="2023-07-01", index="ndvi", executor={how!r})
print(len(frame), frame["mean"].notna().sum() > 10)
"""


@pytest.mark.parametrize("how", [None, "processes:2"])
def test_a_script_that_guards_nothing(given: Path, catalog: Path, tmp_path: Path, how: str | None) -> None:
    script = tmp_path / "bare.py"
    script.write_text(BARE.format(given=str(given), catalog=str(catalog), how=how))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "begins"
    assert lines[1].endswith("True")
    assert len(lines) == 2
    assert done.stderr == ""


def test_what_fails_is_counted_and_the_exit_code_tells(given: Path, catalog: Path, tmp_path: Path) -> None:
    """3: done with failures; the images of one acquisition are gone."""
    broken = shutil.copytree(catalog, tmp_path / "stac")
    for path in broken.glob("*20230608*/*.tif"):
        path.unlink()
    done = stats(tmp_path, *usual(given, broken, "a.parquet", "--json"), code=3)
    told = json.loads(done.stdout)["rows"]
    assert told["failed"] > 5
    assert told["withNumbers"] > 20
    assert "20230608" in told["reasons"][0]["reason"]
    assert "failed" in done.stderr
    rows = pd.read_parquet(tmp_path / "a.parquet")
    assert (rows["status"] == "FAILED").sum() == told["failed"]


def test_bad_features_cost_themselves_only(catalog: Path, tmp_path: Path) -> None:
    write_geopackage(tmp_path / "mixed.gpkg", good_parcels(2) + bad_parcels(), 32633)
    done = stats(tmp_path, *usual(tmp_path / "mixed.gpkg", catalog, "a.parquet", "--json"), code=3)
    told = json.loads(done.stdout)["rows"]
    assert told["failed"] > 0
    assert told["failed"] % 6 == 0
    assert any("invalid" in each["reason"] for each in told["reasons"])


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"index": "ndvy"}, "did you mean ndyi or ndvi"),
        ({"index": "ndvi", "pixels": "center"}, "service, centre, touched, weighted"),
        ({"index": "ndvi", "pixels": "inner:ten"}, "inner:10"),
        ({"index": "ndvi", "pixels": "weighted", "more": "median"}, "use touched"),
        ({"index": "ndvi", "more": "sums"}, "weightedMean"),
        ({"index": "ndvi", "shares": {"water": 6}}, "UINT8"),
        ({"index": "ndvi", "resolution": "10 feet"}, "write metres"),
        ({"index": "ndvi", "columns": "cropp"}, "no column 'cropp'"),
        ({"index": "ndvi", "id": "crop"}, "does not tell the features apart"),
        ({"index": "ndvi", "id": "nope"}, "no column 'nope'"),
        ({"index": "ndvi", "order": "best"}, "mostRecent"),
        ({"index": "ndvi", "every": "10d"}, "aggregationInterval"),
        ({"index": "ndvi", "collection": "nope"}, "nope"),
        ({"index": "ndvi", "script": "function evaluatePixel() {}"}, "either an index"),
        ({"script": "function evaluatePixel() {}", "mask_clouds": True}, "dataMask"),
        ({"script": "nowhere.js"}, "nowhere.js"),
        ({}, "index"),
    ],
)
def test_what_is_wrong_is_said_in_words(
    fields: geopandas.GeoDataFrame, catalog: Path, wish: dict[str, Any], word: str
) -> None:
    with pytest.raises(arpent.ArpentError, match=re.escape(word)):
        arpent.statistics(fields, catalog, start=START, end=END, progress=False, **wish)


@pytest.mark.parametrize("given", [7, [], (5, 1, 2, 3), "nowhere.gpkg", "{nothing", Path("/")])
def test_what_are_no_features_is_said_in_words(catalog: Path, given: Any) -> None:
    with pytest.raises(arpent.ArpentError):
        arpent.statistics(given, catalog, start=START, end=END, index="ndvi", progress=False)


def test_the_command_says_it_in_a_line_and_leaves_nothing(given: Path, catalog: Path, tmp_path: Path) -> None:
    for arguments, word in ((["-o", "a.xlsx", "--catalog", str(catalog)], ".parquet"), ([], "--catalog, --output")):
        done = stats(tmp_path, str(given), "--index", "ndvi", "--from", START, "--to", END, *arguments, code=2)
        assert word in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_catalogue_and_the_executor_of_the_settings_count(given: Path, catalog: Path, tmp_path: Path) -> None:
    asked = [str(given), "--index", "ndvi", "--from", START, "--to", "2023-06-11", "-o", "a.csv"]
    (tmp_path / "arpent.toml").write_text(f"catalog = {json.dumps(str(catalog))}\nexecutor = 'inline'\n")
    stats(tmp_path, *asked)
    assert len(pd.read_csv(tmp_path / "a.csv")) > 20
    done = stats(tmp_path, *asked, "--executor", "foo", code=2)
    assert done.stderr.startswith('arpent: --executor is "foo", but must be inline, processes, processes:N')
    (tmp_path / "arpent.toml").write_text(f"catalog = {json.dumps(str(catalog))}\nexecutor = 'foo'\n")
    assert "`executor` in arpent.toml" in stats(tmp_path, *asked, code=2).stderr


def test_a_client_submits_watches_and_gets_the_table(server: Server, credentials: tuple[str, str], given: Path) -> None:
    shutil.copy(given, server.buckets / "fields" / "client.gpkg")
    here = arpent.Client(server.url, *credentials)
    body = client.seed_body("s3://fields/client.gpkg", index_script(IndexQuery(index=["ndvi"])), "s3://results/client")
    body["input"]["features"] |= {"columns": ["crop", "parcel_no"], "identifier": "parcel_no"}
    job = here.submit(body)
    assert job.watch()["status"] == "DONE"
    frame = job.table(server.buckets)
    assert frame["parcel_no"].tolist() == frame["identifier"].tolist()
    assert set(frame["crop"]) == {"maize", "wheat", "röd"}
    assert here.job(job.id).status()["id"] == job.id
    assert job.id in [each["id"] for each in here.jobs()]
    with pytest.raises(arpent.ArpentError, match="input->data"):
        here.submit({**body, "input": {"features": body["input"]["features"]}})
    with pytest.raises(arpent.ArpentError, match="no token"):
        arpent.Client(server.url, "nobody", "x").jobs()


def test_colours_only_where_they_are_wanted(given: Path, tmp_path: Path) -> None:
    """NO_COLOR counts even where colours are forced."""
    words = [*command(), "stats", str(given), "--index", "ndvi"]
    for variables, coloured in (
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({}, False),
    ):
        plain = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
        done = subprocess.run(
            words, capture_output=True, text=True, cwd=tmp_path, timeout=180, check=False, env={**plain, **variables}
        )
        assert done.returncode == 2
        assert ("\x1b[31m" in done.stderr) == coloured, done.stderr
