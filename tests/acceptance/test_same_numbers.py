"""One question, six answers: command, function, API, page, table and files have the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
from requests_oauthlib import OAuth2Session

import arpent
from arpent.cli.results import collect
from arpent.evalscript.indices.script import IndexQuery, index_script
from arpent.settings import Settings
from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.server import Server

START, END = "2023-06-01", "2023-07-31"
RULE, MORE, RANKS = "centre,nearest,flagged", ["sum", "median", "weightedMean", "cloudyShare"], [5.0, 50.0]
COLUMNS = [
    "id", "from", "output", "band", "min", "max", "mean", "stDev", "sample_count", "no_data_count",
    "geometry_pixel_count", "valid_share", "cloudy_share", "tiny", "p5.0", "p50.0", "sum", "median", "weightedMean",
    "status",
]  # fmt: skip
PAGE = {"stDev": "stDev", "sampleCount": "sample_count", "noDataCount": "no_data_count", "validShare": "valid_share",
        "geometryPixelCount": "geometry_pixel_count"}  # fmt: skip


@pytest.fixture(scope="module")
def job(server: Server, oauth: OAuth2Session) -> dict[str, Any]:
    """The question as a batch request, done."""
    body = client.seed_body(
        "s3://fields/parcels-32633.gpkg",
        index_script(IndexQuery(index=["ndvi"], mask="scl")),
        "s3://results/same",
        aggregationInterval={"of": "P10D", "lastIntervalBehavior": "SHORTEN"},
        pixels=RULE,
    )
    body["calculations"] = {"default": {"statistics": {"default": {"percentiles": {"k": RANKS}, "more": MORE}}}}
    done = client.run_job(oauth, server, body)
    assert done["status"] == "DONE"
    return done


def ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns that all have, with ids of the file."""
    rows = rows.assign(**{"from": pd.to_datetime(rows["from"], utc=True).astype("datetime64[us, UTC]")})
    return rows[COLUMNS].sort_values(["id", "from", "output"]).reset_index(drop=True)


def of_page(server: Server, oauth: OAuth2Session, job: dict[str, Any]) -> pd.DataFrame:
    """What the page's own routes tell, feature by feature."""
    base, rows = f"{server.batch}/{job['id']}/results", []
    for parcel in good_parcels():
        for row in oauth.get(f"{base}/features/{parcel.id}").json()["data"]:
            told = {PAGE.get(name, name): value for name, value in row.items()}
            ranks = {f"p{rank}": value for rank, value in row["percentiles"].items()}
            rows.append({"id": parcel.id, **told, **ranks, **row["more"]})
    return pd.DataFrame(rows)


def test_all_six_have_the_same_numbers(
    server: Server, oauth: OAuth2Session, catalog: Path, job: dict[str, Any], tmp_path: Path
) -> None:
    folder = client.result_folder(server, job)
    table = ordered(pd.read_parquet(folder / "parquet"))
    assert len(table) > 100
    kinds = table["id"].map({parcel.id: parcel.kind for parcel in good_parcels()})
    assert table["tiny"][kinds == "tiny"].all()
    assert not table["tiny"][kinds.isin(["field", "overlap", "aligned box", "hole"])].any()
    assert (table["geometry_pixel_count"][kinds == "tiny"] == 1).all(), "nearest"
    assert 0 < table["cloudy_share"].mean() < 1

    fields = tmp_path / "fields.gpkg"
    write_geopackage(fields, good_parcels(), 32633)
    wish: dict[str, Any] = {"start": START, "end": END, "index": "ndvi", "mask_clouds": True, "order": "leastCC"}
    frame = arpent.statistics(
        geopandas.read_file(fields, fid_as_index=True), catalog, pixels=RULE, more=MORE, percentiles=RANKS,
        progress=False, **wish,
    )  # fmt: skip
    done = server.run(
        ["stats", str(fields), "--catalog", str(catalog), "--index", "ndvi", "--mask-clouds", "--from", START,
         "--to", END, "--order", "leastCC", "--pixels", RULE, "--more", ",".join(MORE), "--percentiles", "5,50",
         "-o", str(tmp_path / "ndvi.parquet")],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = {
        "command": pd.read_parquet(tmp_path / "ndvi.parquet"),
        "function": pd.DataFrame(frame),
        "page": of_page(server, oauth, job),
        "files": collect(Settings(), str(folder)).to_pandas(),
    }
    for name, answer in answers.items():
        pd.testing.assert_frame_equal(ordered(answer), table, check_dtype=False, check_exact=True, obj=name)


def test_the_synchronous_api_says_the_same(server: Server, oauth: OAuth2Session, job: dict[str, Any]) -> None:
    parcel = next(each for each in good_parcels() if each.kind == "swath edge")
    batch = json.loads((client.result_folder(server, job) / f"{parcel.id}.json").read_text())["response"]
    body = {name: job["request"][name] for name in ("aggregation", "calculations")} | {
        "input": {
            "data": job["request"]["input"]["data"],
            "bounds": {
                "geometry": json.loads(json.dumps(parcel.geometry.__geo_interface__)),
                "properties": {"crs": "http://www.opengis.net/def/crs/EPSG/0/32633"},
            },
        }
    }
    answer = oauth.post(f"{server.url}/api/v1/statistics", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == batch


def test_the_cloudy_share_is_of_what_has_imagery(catalog: Path, tmp_path: Path) -> None:
    """Of the samples inside, those in the classes that the mask leaves out; beyond the swath's edge there are none."""
    path = write_geopackage(tmp_path / "fields.gpkg", good_parcels(), 32633)
    wish: dict[str, Any] = {"start": START, "end": END, "order": "leastCC", "progress": False}
    masked = arpent.statistics(path, catalog, index="ndvi", mask_clouds=True, **wish)
    script = index_script(IndexQuery(index=["ndvi"], mask="scl"))
    plain = arpent.statistics(path, catalog, script=script.replace("dataMask == 1 &&", "dataMask == 1; //"), **wish)
    assert list(masked.columns).index("cloudy_share") == list(masked.columns).index("valid_share") + 1
    assert "cloudy_share" not in plain
    assert len(masked) == len(plain)
    inside = masked["geometry_pixel_count"]
    valid = [(each["sample_count"] - each["no_data_count"]) for each in (plain, masked)]
    np.testing.assert_array_equal(masked["cloudy_share"], (valid[0] - valid[1]) / inside)
    partly = plain["valid_share"] < 1
    assert partly.any(), "beyond the swath's edge"
    assert (masked["cloudy_share"][partly] + masked["valid_share"][partly] < 1).all()
    whole = masked[masked["cloudy_share"] == 1]
    assert whole["mean"].isna().all(), "null where all is cloudy, and yet a share"
