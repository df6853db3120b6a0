"""What the page is told of a job's results: over files as a job writes them, in a folder."""

from __future__ import annotations

import io
import weakref
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyarrow import csv
from pyproj import Transformer

from arpent.adapters.formats.parquet_columns import schema
from arpent.adapters.formats.results.features import JobFeatures
from arpent.adapters.formats.results.layer import WORLD
from arpent.adapters.formats.results.tables import JobTables
from arpent.adapters.formats.results.view import ResultView
from arpent.adapters.formats.vector.files import copy_file
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.errors import FeatureNotFound, InvalidRequest, LimitExceeded
from arpent.domain.finding import Finding, Verdict
from arpent.domain.location import FeatureFile, Location
from arpent.wire.result.report import render_report
from arpent.wire.result.view import Shown

JOB = "3f0d7c3a-0000-4000-8000-000000000001"
OUTPUT = Location(scheme="s3", bucket="out", key=f"runs/{JOB}/")
MAY, JUNE = datetime(2023, 5, 1, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC)
NDVI = Shown("ndvi", "B0", "mean", MAY)


def row(feature: int, start: datetime | None, mean: float | None, **more: Any) -> dict[str, Any]:
    numbers = {"sample_count": 10, "no_data_count": 10 if mean is None else 2, "geometry_pixel_count": 10}
    told = {"min": mean, "max": mean, "mean": mean, "stDev": 0.0, "p50.0": mean, "valid_share": 0.8, **numbers}
    names = {"id": feature, "identifier": f"f{feature}", "from": start, "to": JUNE, "output": "ndvi", "band": "B0"}
    return names | told | {"status": "OK", "items": ["S2A_1", "S2B_2"]} | more


class CountedFolder(FolderObjects):
    """Counts how often each object is read, by the beginning of its name."""

    def read(self, location: Location, most: int | None = None) -> bytes:
        reads[location.key.rpartition("/")[2].partition("-")[0]] += 1
        return super().read(location, most)


reads: Counter[str] = Counter()


def written(
    folder: Path, rows: list[list[dict[str, Any]]], findings: list[Finding], **columns: list[Any]
) -> ResultView:
    """A job of three fields with ids 1 to 3, columns `crop` and `mean` and further ones, and a table in parts."""
    reads.clear()
    source = folder / "fields.gpkg"
    fields = {"crop": ["maize", "rye", "oats"], "mean": [1.5, 2.5, 3.5], "identifier": ["f1", "f2", "f3"]}
    shapes = [shapely.box(500_000 + 400 * at, 5_000_000, 500_300 + 400 * at, 5_000_300) for at in range(3)]
    gpd.GeoDataFrame(fields, geometry=shapes, crs=32633).to_file(source)
    base = folder / "buckets" / "out" / "runs" / JOB
    for name in ("features", "report", "parquet"):
        (base / name).mkdir(parents=True)
    file = FeatureFile(scheme="s3", bucket="in", key="fields.gpkg", columns=None)
    copy_file(source, file, base / "features" / "features.parquet", "{}")
    features = pq.read_table(base / "features" / "features.parquet")
    for name, values in columns.items():
        features = features.append_column(name, pa.array(values))
    pq.write_table(features, base / "features" / "features.parquet", row_group_size=2)
    (base / "report" / "features.json").write_bytes(render_report(findings))
    for number, part in enumerate(rows):
        pq.write_table(pa.Table.from_pylist(part, schema((50.0,))), base / "parquet" / f"part-{number}.parquet")
    return ResultView(JobFeatures(JobTables(CountedFolder(folder / "buckets"), OUTPUT)))


@pytest.fixture
def view(tmp_path: Path) -> ResultView:
    failed = {"output": None, "band": None, "status": "FAILED", "reason": "EXECUTION_ERROR: it throws", "items": None}
    nothing = {"sample_count": None, "no_data_count": None, "valid_share": None}
    parts = [
        [row(1, MAY, 0.25), row(1, JUNE, 0.5), row(2, MAY, None)],
        [row(2, JUNE, -0.75), row(3, None, None, **failed, **nothing)],
    ]
    findings = [
        Finding(feature=2, identifier="f2", verdict=Verdict.WARNING, kind="too-small", message="Look twice."),
        Finding(feature=3, identifier="f3", verdict=Verdict.FAILED, kind="invalid", message="Mend it."),
        Finding(feature=99, identifier=None, verdict=Verdict.FAILED, kind="invalid", message="Not of this file."),
    ]
    return written(tmp_path, parts, findings)


def test_the_overview(view: ResultView) -> None:
    told = orjson.loads(view.overview())
    west, south, east, north = told.pop("bbox")
    assert 15 - 1e-4 < west < east < 15.02
    assert 45.15 < south < north < 45.16
    assert told == {
        "features": 3,
        "outputs": [{"id": "ndvi", "bands": ["B0"]}],
        "statistics": ["min", "max", "mean", "stDev", "valid_share", "p50.0"],
        "intervals": [
            {"from": "2023-05-01T00:00:00Z", "to": "2023-06-01T00:00:00Z", "withNumbers": 1},
            {"from": "2023-06-01T00:00:00Z", "to": "2023-06-01T00:00:00Z", "withNumbers": 2},
        ],
        "failed": 1,
        "verdicts": {"WARNING": 1, "FAILED": 1},
    }


def test_one_number_of_each_feature(view: ResultView) -> None:
    told = orjson.loads(view.values(NDVI, 0, 10))
    assert told["total"] == 3
    assert [(each["id"], each["identifier"], each["value"], each["verdict"]) for each in told["data"]] == [
        (1, "f1", 0.25, None),
        (2, "f2", None, "WARNING"),
        (3, "f3", None, "FAILED"),
    ]
    assert [each["id"] for each in orjson.loads(view.values(NDVI, 1, 1))["data"]] == [2]
    assert orjson.loads(view.values(NDVI, 7, 5))["data"] == []
    june = orjson.loads(view.values(Shown("ndvi", "B0", "mean", JUNE), 0, 10))["data"]
    assert [each["value"] for each in june] == [0.5, -0.75, None]
    assert {each["value"] for each in orjson.loads(view.values(Shown("", "", ""), 0, 10))["data"]} == {None}
    absent = orjson.loads(view.values(Shown("ndwi", "B0", "mean", MAY), 0, 10))["data"]
    assert {each["value"] for each in absent} == {None}


def test_the_scale_is_of_all_dates(view: ResultView) -> None:
    told = orjson.loads(view.scale(Shown("ndvi", "B0", "mean")))
    assert (told["min"], told["max"]) == (-0.75, 0.5)
    assert -0.75 <= told["low"] < told["high"] <= 0.5
    nothing = orjson.loads(view.scale(Shown("ndwi", "B0", "mean")))
    assert nothing == {"min": None, "low": None, "high": None, "max": None}
    with pytest.raises(InvalidRequest, match="statistic"):
        view.scale(Shown("ndvi", "B0", "items.secret"))


def test_a_tile_has_the_numbers(view: ResultView, tmp_path: Path) -> None:
    west, south, east, north = orjson.loads(view.overview())["bbox"]
    (tmp_path / "0.mvt").write_bytes(view.tile(NDVI, (0, 0, 0)))
    whole = gpd.read_file(tmp_path / "0.mvt", layer="features")
    assert len(whole) == 1  # the three share a square of the world
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform((west + east) / 2, (south + north) / 2)
    side = 2 * WORLD / 2**13
    near_by = view.tile(NDVI, (13, int((x + WORLD) // side), int((WORLD - y) // side)))
    (tmp_path / "1.mvt").write_bytes(near_by)
    near = gpd.read_file(tmp_path / "1.mvt", layer="features").sort_values("mvt_id")
    assert near["mvt_id"].tolist() == [1, 2, 3]
    assert near["verdict"].tolist() == [0, 1, 2]
    assert near["value"].fillna(-9).tolist() == [0.25, -9, -9]


def test_all_of_one_feature(view: ResultView) -> None:
    told = orjson.loads(view.series(2))
    assert (told["id"], told["identifier"]) == (2, "f2")
    assert told["properties"] == {"crop": "rye", "mean": 2.5}
    assert [finding["kind"] for finding in told["findings"]] == ["too-small"]
    assert [(each["from"], each["mean"]) for each in told["data"]] == [
        ("2023-05-01T00:00:00Z", None),
        ("2023-06-01T00:00:00Z", -0.75),
    ]
    last = told["data"][1]
    assert (last["percentiles"], last["validShare"], last["items"]) == ({"50.0": -0.75}, 0.8, ["S2A_1", "S2B_2"])
    lost = orjson.loads(view.series(3))["data"]
    assert [(each["status"], each["reason"]) for each in lost] == [("FAILED", "EXECUTION_ERROR: it throws")]
    with pytest.raises(FeatureNotFound, match="no feature 99"):
        view.series(99)


def test_the_table_has_the_columns_of_the_file(view: ResultView) -> None:
    whole = pq.read_table(io.BytesIO(view.table("parquet")))
    assert whole["id"].to_pylist() == [1, 1, 2, 2, 3]
    assert whole["crop"].to_pylist() == ["maize", "maize", "rye", "rye", "oats"]
    assert whole["feature_mean"].to_pylist() == [1.5, 1.5, 2.5, 2.5, 3.5]
    flat = csv.read_csv(io.BytesIO(view.table("csv")))
    assert flat["items"].to_pylist()[0] == "S2A_1 S2B_2"
    assert flat.num_rows == 5


def test_a_statistic_is_one_of_the_table(view: ResultView) -> None:
    for name in ("reason", "items", "id", "sample_count", "absent"):
        with pytest.raises(InvalidRequest, match=r"`statistic`: .* must be one of min, max, mean, .*p50\.0"):
            view.scale(Shown("ndvi", "B0", name))
        with pytest.raises(InvalidRequest, match="`statistic`"):
            view.tile(Shown("ndvi", "B0", name, MAY), (0, 0, 0))


def test_nested_columns_of_the_user_are_text_in_csv(tmp_path: Path) -> None:
    nested = {
        "soils": [["clay", "peat"], [], None],
        "owner": [{"name": "Anna"}, None, {"name": "Jörg"}],
        "plan": [[{"crop": "rye"}], None, None],
    }
    made = written(tmp_path, [[row(1, MAY, 0.25), row(2, MAY, 0.5), row(3, MAY, 0.75)]], [], **nested)
    options = csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    flat = csv.read_csv(io.BytesIO(made.table("csv")), convert_options=options)
    assert flat["soils"].to_pylist() == ["clay peat", "", None]
    assert flat["owner"].to_pylist() == ['{"name":"Anna"}', None, '{"name":"Jörg"}']
    assert flat["plan"].to_pylist() == ['[{"crop":"rye"}]', None, None]
    assert pq.read_table(io.BytesIO(made.table("parquet")))["soils"].to_pylist() == nested["soils"]


@pytest.mark.parametrize(
    ("column", "shown", "in_csv"),
    [
        (pa.array([1, None, None], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001", None),
        (pa.array([1, None, None], pa.time64("ns")), "00:00:00", None),
        (pa.array([253402300800000000, None, None], pa.timestamp("us")), "10000-01-01 00:00:00.000000", None),
        (pa.array([b"\xff\xfe", None, None]), "b'\\xff\\xfe'", "fffe"),
        (pa.array([b"a\xff", None, None]).view(pa.string()), "a\ufffd", "a\ufffd"),
        (pa.array([[1], None, None], pa.list_(pa.timestamp("ns"))), None, None),
        (pa.array([10**30, None, None], pa.decimal256(60)), str(10**30), str(10**30)),
    ],
    ids=["nanoseconds", "of the day", "year 10000", "bytes", "no UTF-8", "in lists", "long decimals"],
)
def test_columns_that_python_has_no_object_for(
    tmp_path: Path, column: pa.Array, shown: str | None, in_csv: str | None
) -> None:
    made = written(tmp_path, [[row(1, MAY, 0.25), row(2, MAY, 0.5)]], [], odd=column)  # type: ignore[arg-type]
    for feature in (1, 2):
        properties = orjson.loads(made.series(feature))["properties"]
        assert properties["crop"] == ["maize", "rye"][feature - 1]
        assert feature == 2 or shown is None or properties["odd"] == shown
    flat = csv.read_csv(io.BytesIO(made.table("csv")), convert_options=csv.ConvertOptions(include_columns=["mean"]))
    assert flat["mean"].to_pylist() == [0.25, 0.5]
    assert in_csv is None or in_csv in made.table("csv").decode()


def test_no_column_of_the_user_takes_the_place_of_another(tmp_path: Path) -> None:
    made = written(tmp_path, [[row(1, MAY, 0.25)]], [], feature_mean=["x", "y", "z"], feature_id=["i", "j", "k"])
    whole = pq.read_table(io.BytesIO(made.table("parquet")))
    assert len(set(whole.column_names)) == len(whole.column_names)
    assert whole.select(["mean", "feature_mean", "feature_feature_mean", "feature_id"]).to_pylist() == [
        {"mean": 0.25, "feature_mean": 1.5, "feature_feature_mean": "x", "feature_id": "i"}
    ]


def test_each_part_is_read_once_for_the_table(view: ResultView) -> None:
    view.table("csv")
    assert reads == {"part": 2, "features.parquet": 1}


def test_a_table_too_large_is_refused_before_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dates = [datetime(2023, 5, day, tzinfo=UTC) for day in range(1, 29)]
    rows = [row(feature, date, 0.5) for feature in (1, 2, 3) for date in dates]
    long = written(tmp_path, [rows, []], [], essay=["x" * 100_000] * 3)
    monkeypatch.setattr("arpent.adapters.formats.results.view.MOST_TABLE_BYTES", 1_000_000)
    with pytest.raises(LimitExceeded, match="more than 1,000,000 bytes"):
        long.table("parquet")
    monkeypatch.setattr("arpent.adapters.formats.results.view.MOST_ROWS", len(rows) - 1)
    with pytest.raises(LimitExceeded, match="more than 83 rows"):
        long.table("parquet")


def test_features_are_read_once_however_often_results_change(view: ResultView) -> None:
    for _ in range(3):
        later = ResultView(view._features)
        later.overview()
        later.tile(NDVI, (0, 0, 0))
        later.tile(NDVI, (1, 1, 0))
    assert (reads["features.parquet"], reads["features.json"]) == (1, 1)
    before = reads["part"]
    later.values(NDVI, 0, 9)
    assert reads["part"] == before


def test_a_view_that_nobody_holds_is_gone_at_once(view: ResultView) -> None:
    later = ResultView(view._features)
    later.tile(NDVI, (0, 0, 0))
    gone = weakref.ref(later)
    del later
    assert gone() is None


def test_before_there_are_numbers_there_are_features(tmp_path: Path) -> None:
    early = written(tmp_path, [], [])
    told = orjson.loads(early.overview())
    assert (told["features"], told["outputs"], told["intervals"]) == (3, [], [])
    assert orjson.loads(early.series(1))["data"] == []
    assert early.tile(Shown("", "", ""), (0, 0, 0)) != b""
    with pytest.raises(InvalidRequest, match="no table"):
        early.table("csv")


def test_before_the_analysis_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidRequest, match="has not been analysed"):
        ResultView(JobFeatures(JobTables(FolderObjects(tmp_path), OUTPUT))).overview()
