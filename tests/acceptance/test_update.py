"""`--update`: only what is new or changed is computed, and the result is byte for byte that of a full run."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import shapely
from rich.console import Console

import arpent
from arpent import worker
from arpent.adapters.images.reader import CogReader
from arpent.api.fields import Columns
from arpent.api.files import save
from arpent.api.local import Answer
from arpent.api.query import Query
from arpent.api.statistics import answer_of
from arpent.api.update import FINGERPRINTS
from arpent.cli.run import run
from arpent.domain.errors import CatalogUnavailable
from arpent.settings import Settings
from tests.support.client import seed_body
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.server import arpent as command
from tests.support.world import SEASON, make_imagery

WEEKS = tuple(each for each in SEASON if each.instant < "2023-06-15")
"""What there is at first; the others come later, the next one into an interval that had one."""
WISH: dict[str, Any] = {
    "start": "2023-06-01T00:00:00Z", "end": "2023-07-21T00:00:00Z", "every": "P10D", "resolution": 10,
    "percentiles": (5, 50.5),
}  # fmt: skip
ORBITS = """//VERSION=3
function setup() {
  return {
    input: [{ bands: ["B04", "B08", "SCL", "dataMask"] }],
    mosaicking: "ORBIT",
    output: [
      { id: "best", bands: ["a", "b"] }, { id: "scl", bands: 1, sampleType: "UINT8" }, { id: "dataMask", bands: 1 }
    ]
  };
}
function evaluatePixel(samples, scenes) {
  var best = -1, mask = 0;
  for (var i = 0; i < samples.length; i++) {
    var s = samples[i];
    if (s.dataMask) { mask = 1; best = Math.max(best, (s.B08 - s.B04) / (s.B08 + s.B04)); }
  }
  return { best: [best, samples.length], scl: [samples.length ? samples[0].SCL : 0], dataMask: [mask] };
}"""
HISTOGRAMS = {
    "best": {
        "histograms": {"a": {"nBins": 5}, "b": {"binWidth": 0.5, "lowEdge": 0.0, "highEdge": 3.0}},
        "statistics": {"default": {"percentiles": {"k": [50]}, "more": ["sum", "median", "mode", "weightedMean"]}},
    },
    "default": {
        "histograms": {"default": {"bins": [0, 4, 5, 12]}},
        "statistics": {"default": {"shares": {"plants": 4, "soil": 5}}},
    },
}


@pytest.fixture
def weeks(tmp_path: Path) -> Path:
    """A catalogue that ends in the middle of June."""
    return make_imagery(tmp_path / "stac", WEEKS)


def services_clear() -> None:
    """A process looks at a folder of items every other second only, and remembers headers that could not be read."""
    worker._services.cache_clear()


def add_scenes(catalog: Path) -> None:
    make_imagery(catalog, tuple(each for each in SEASON if each not in WEEKS))
    services_clear()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The image of each block that was decoded."""
    blocks: list[str] = []
    read = CogReader.read

    def counted(self: CogReader, *given: Any, **more: Any) -> Iterator[Any]:
        for href, block, pixels in read(self, *given, **more):
            blocks.append(Path(href).parent.name)
            yield href, block, pixels

    monkeypatch.setattr(CogReader, "read", counted)
    return blocks


def parcels(tmp_path: Path) -> geopandas.GeoDataFrame:
    path = write_geopackage(tmp_path / "given.gpkg", good_parcels(), 32633)
    frame = geopandas.read_file(path, fid_as_index=True)
    frame["parcel"] = [f"P{number:03d}" for number in range(len(frame))]
    frame["crop"] = "maize"
    return frame


def answered(features: Any, catalog: Path, earlier: Path | None = None, **changes: Any) -> Answer:
    how = {"index": ("ndvi", "evi"), "mask_clouds": True} if "script" not in changes else {}
    query = Query(**{**WISH, **how, **changes})
    columns = Columns(id="parcel")
    return answer_of(features, catalog, query, columns, executor="inline", progress=False, earlier=earlier)


def written(folder: Path) -> list[bytes]:
    """The bytes of a table and its features file."""
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def check_same(features: Any, catalog: Path, table: Path, tmp_path: Path, **changes: Any) -> Answer:
    """Update the table and compare it with that of a full run."""
    found = answered(features, catalog, table, **changes)
    updated, full = tmp_path / "updated", tmp_path / "full"
    for folder in (updated, full):
        folder.mkdir(exist_ok=True)
    save(found, updated / "t.parquet", wide=False)
    whole = answered(features, catalog, **changes)
    save(whole, full / "t.parquet", wide=False)
    assert found.rows.equals(whole.rows)
    assert written(updated) == written(full)
    assert whole.counts.kept == 0
    assert found.counts.total == whole.counts.total
    return found


@pytest.mark.parametrize(
    "wish", [{}, {"script": ORBITS}, {"order": "leastCC", "max_cloud_coverage": 50}], ids=["mosaic", "orbits", "filter"]
)
def test_new_scenes_changed_added_and_removed_parcels(
    weeks: Path, tmp_path: Path, decoded: list[str], wish: dict[str, Any]
) -> None:
    fields = parcels(tmp_path)
    table = tmp_path / "t.parquet"
    save(answered(fields, weeks, **wish), table, wide=False)
    first = len(decoded)
    # Nothing is new: nothing is decoded.
    again = answered(fields, weeks, table, **wish)
    assert len(decoded) == first > 20
    assert again.counts.kept == again.counts.numbers + again.counts.masked > 20
    # The weeks' new scenes, and parcels that were moved, added, removed, renamed and put into another order.
    add_scenes(weeks)
    changed = fields[fields["parcel"] != "P004"].copy()
    changed.loc[changed["parcel"] == "P012", "geometry"] = changed.loc[changed["parcel"] == "P012"].translate(35, 10)
    new = changed[changed["parcel"] == "P013"].translate(-40, 25)
    added = geopandas.GeoDataFrame({"parcel": ["X1"], "crop": ["rye"]}, geometry=list(new), crs=fields.crs)
    changed = geopandas.pd.concat([added, changed.iloc[::-1]])
    changed.loc[changed["parcel"] == "P015", "crop"] = "oats"
    del decoded[:]
    found = check_same(changed, weeks, table, tmp_path, **wish)
    assert 10 < found.counts.kept < found.counts.numbers + found.counts.masked
    # The first run of check_same is the update, the second the full one, which reads every scene again.
    old = {each.id for each in WEEKS}
    assert set(decoded) - old, "the new scenes are read"


def test_only_what_is_new_is_decoded(weeks: Path, tmp_path: Path, decoded: list[str]) -> None:
    fields = parcels(tmp_path)
    table = tmp_path / "t.parquet"
    save(answered(fields, weeks), table, wide=False)
    add_scenes(weeks)
    del decoded[:]
    found = answered(fields, weeks, table)
    later = {each.id for each in SEASON} - {each.id for each in WEEKS}
    # The interval of 18 June has had a scene, which is read again; those before are left as they are.
    assert set(decoded) <= later | {each.id for each in WEEKS if each.instant > "2023-06-11"}
    assert decoded
    assert found.counts.kept > 10
    save(found, table, wide=False)
    # One parcel moves: its blocks only.
    everything = len(decoded)
    del decoded[:]
    moved = fields.copy()
    moved.loc[moved["parcel"] == "P013", "geometry"] = moved[moved["parcel"] == "P013"].translate(5, 5)
    found = check_same(moved, weeks, table, tmp_path)
    rows = found.rows.to_pandas()
    mine = rows[rows["parcel" if "parcel" in rows else "id"] == "P013"]["from"].nunique()
    assert found.counts.numbers + found.counts.masked - found.counts.kept == mine > 0
    assert everything > 0


@pytest.mark.parametrize("change", ["script", "percentiles", "processing", "baseline"])
def test_what_is_asked_and_what_the_catalogue_says_count(weeks: Path, tmp_path: Path, change: str) -> None:
    fields = parcels(tmp_path)
    table = tmp_path / "t.parquet"
    save(answered(fields, weeks), table, wide=False)
    wish: dict[str, Any] = {}
    if change == "script":
        wish = {"index": ("ndvi", "ndwi")}
    elif change == "percentiles":
        wish = {"percentiles": (5, 51)}
    else:
        path = next(weeks.glob("*20230608*/*.json"), None) or next(weeks.rglob("*20230608*.json"))
        item = json.loads(path.read_text())
        if change == "baseline":  # it was processed anew: other pixels under the same names
            image = next(path.parent.glob("B04*"))
            image.write_bytes(next(weeks.glob("*33TXM_20230603*/B04*")).read_bytes())
        item["properties"]["s2:processing_baseline" if change == "baseline" else "updated"] = "05.11"
        path.write_text(json.dumps(item))
    services_clear()
    found = check_same(fields, weeks, table, tmp_path, **wish)
    if wish:
        assert found.counts.kept == 0
    else:
        assert 10 < found.counts.kept < found.counts.numbers + found.counts.masked


def test_failures_are_computed_again(weeks: Path, tmp_path: Path) -> None:
    fields = parcels(tmp_path)
    hidden = [path.rename(path.with_suffix(".away")) for path in weeks.glob("*20230608*/*.tif")]
    table = tmp_path / "t.parquet"
    first = answered(fields, weeks)
    assert first.counts.failed > 5
    save(first, table, wide=False)
    for path in hidden:
        path.rename(path.with_suffix(".tif"))
    services_clear()
    found = check_same(fields, weeks, table, tmp_path)
    assert found.counts.failed == 0
    assert found.counts.kept > 10


def jobs_of(folder: Path) -> dict[str, dict[str, bytes]]:
    """Request id → name of a result or part → its bytes."""
    return {
        job.name: {
            str(path.relative_to(job)): path.read_bytes()
            for path in sorted(job.rglob("*"))
            if path.is_file() and (path.parent == job or path.parent.name in ("parquet", "fingerprints"))
        }
        for job in folder.iterdir()
    }


@pytest.mark.parametrize("calculations", [None, HISTOGRAMS], ids=["plain", "histograms"])
def test_a_request_updates_another(weeks: Path, tmp_path: Path, calculations: Any) -> None:
    buckets = tmp_path / "buckets"
    (buckets / "fields").mkdir(parents=True)
    (buckets / "results").mkdir()
    fields = write_geopackage(buckets / "fields" / "a.gpkg", good_parcels(), 32633)
    settings = Settings(catalog=str(weeks), buckets=buckets, executor="inline")
    body = seed_body("s3://fields/a.gpkg", ORBITS, "s3://results/out")
    body["aggregation"]["timeRange"] = {"from": WISH["start"], "to": WISH["end"]}
    body["aggregation"]["aggregationInterval"] = {"of": WISH["every"]}
    if calculations:
        body["calculations"] = calculations
    quiet = Console(stderr=True, quiet=True)
    first = run(settings, json.dumps(body), quiet)
    assert first["rows"]["kept"] == 0
    add_scenes(weeks)
    fields.unlink()
    write_geopackage(fields, good_parcels()[1:], 32633)
    updated = run(settings, json.dumps({**body, "update": first["id"]}), quiet)
    full = run(settings, json.dumps(body), quiet)
    found = jobs_of(buckets / "results" / "out")
    assert len(found[full["id"]]) > 20
    assert found[updated["id"]] == found[full["id"]]
    assert updated["rows"]["kept"] > 10
    assert {**updated["rows"], "kept": 0} == full["rows"]
    # Files of the earlier job that are damaged or gone cost only what was in them.
    before = buckets / "results" / "out" / first["id"]
    for folder, content in (("parquet", None), ("fingerprints", b"PAR1 damaged PAR1")):
        for path in (before / folder).iterdir():
            path.unlink() if content is None else path.write_bytes(content)
        again = run(settings, json.dumps({**body, "update": first["id"]}), quiet)
        assert again["rows"] == full["rows"]
        assert jobs_of(buckets / "results" / "out")[again["id"]] == found[full["id"]]
    with pytest.raises(arpent.ArpentError, match="no results of request"):
        run(settings, json.dumps({**body, "update": "01234567-89ab-cdef-0123-456789abcdef"}), quiet)
    with pytest.raises(arpent.ArpentError, match="update"):
        run(settings, json.dumps({**body, "update": "../other"}), quiet)


def test_the_command_and_the_function(weeks: Path, tmp_path: Path) -> None:
    parcels(tmp_path).to_file(tmp_path / "fields.gpkg", driver="GPKG")

    def stats(*more: str) -> tuple[dict[str, Any], str]:
        arguments = ["fields.gpkg", "--catalog", str(weeks), "--index", "ndvi", "--from", "2023-06-01", "--to"]
        done = subprocess.run(
            [*command(), "stats", *arguments, "2023-07-11", "--id", "parcel", "--json", *more],
            capture_output=True, text=True, cwd=tmp_path, timeout=180, check=False, env=dict(os.environ),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    made, _ = stats("--update", "ndvi.parquet")  # there is none yet
    assert made["rows"]["kept"] == 0
    add_scenes(weeks)
    made, told = stats("--update", "ndvi.parquet", "-o", "new.parquet")
    assert made["rows"]["kept"] > 10
    assert f"{made['rows']['kept']:,} of them kept" in told
    wish: dict[str, Any] = {"start": "2023-06-01", "end": "2023-07-11", "index": "ndvi", "id": "parcel"}
    wish |= {"executor": "inline", "progress": False}
    for name in ("full.parquet", "ndvi.parquet"):
        arpent.statistics(tmp_path / "fields.gpkg", weeks, update=tmp_path / name, **wish)
        assert (tmp_path / "new.parquet").read_bytes() == (tmp_path / name).read_bytes()
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".json"]
    stats("--update", "ndvi.parquet", "--wide", "-o", "wide.parquet")
    with pytest.raises(AssertionError, match="another file"):
        stats("--update", "ndvi.parquet", "--wide")
    assert (tmp_path / "new.parquet").read_bytes() == (tmp_path / "ndvi.parquet").read_bytes()
    (tmp_path / "other.parquet").write_bytes(b"PAR1 is no table")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    for name, word in (
        ("other.parquet", "not a Parquet file"),
        ("foreign.parquet", "did not write it"),
        ("a.csv", "long"),
    ):
        with pytest.raises(arpent.ArpentError, match=word):
            arpent.statistics(tmp_path / "fields.gpkg", weeks, update=tmp_path / name, **wish)


def test_a_table_stays_where_the_catalogue_is_away(
    weeks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether its rows still hold: they would give way to rows without numbers."""
    parcels(tmp_path).to_file(tmp_path / "fields.gpkg", driver="GPKG")
    wish: dict[str, Any] = {"start": "2023-06-01", "end": "2023-07-11", "index": "ndvi", "id": "parcel"}
    wish |= {"executor": "inline", "progress": False, "update": tmp_path / "ndvi.parquet"}
    arpent.statistics(tmp_path / "fields.gpkg", weeks, **wish)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("ndvi.*")}

    def away(*_: object) -> None:
        raise CatalogUnavailable("The catalogue does not answer.")

    monkeypatch.setattr(worker, "process_lease", away)
    monkeypatch.setenv("ARPENT_POLICY__ABSENCE_SECONDS", "0")
    with pytest.raises(arpent.ArpentError, match=r"does not answer\. .*ndvi\.parquet is left as it was"):
        arpent.statistics(tmp_path / "fields.gpkg", weeks, **wish)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("ndvi.*")} == before
    wish["update"] = tmp_path / "first.parquet"
    assert set(arpent.statistics(tmp_path / "fields.gpkg", weeks, **wish)["status"]) == {"FAILED"}


def test_a_table_without_fingerprints_is_computed_anew(weeks: Path, tmp_path: Path) -> None:
    """As an older version or other software wrote it; and one whose ids or numbers somebody changed."""
    fields = parcels(tmp_path)
    table = tmp_path / "t.parquet"
    whole = answered(fields, weeks)
    save(whole, table, wide=False)
    read = pq.read_table(table)
    metadata = {key: value for key, value in read.schema.metadata.items() if key != FINGERPRINTS}
    place = read.column_names.index("mean")
    changed = {
        "no fingerprints": read.replace_schema_metadata(metadata),
        "no metadata": read.replace_schema_metadata(None),
        "cut metadata": read.replace_schema_metadata({**metadata, FINGERPRINTS: b"UEFSMQ=="}),
        "other numbers": read.set_column(place, "mean", pc.multiply(read["mean"], 100.0)),
        "fewer rows": read.slice(3),
        "fewer columns": read.drop_columns(["stDev"]),
        "other columns": read.rename_columns(["items_" if name == "items" else name for name in read.column_names]),
    }
    for name, other in changed.items():
        pq.write_table(other, table)
        found = answered(fields, weeks, table)
        assert found.counts.kept == 0, name
        assert found.rows.equals(whole.rows), name
    # The caller's columns are not compared; and a file that was only written anew is as good.
    pq.write_table(read.append_column("mine", read["mean"]).select([*read.column_names]), table, row_group_size=7)
    assert check_same(fields, weeks, table, tmp_path).counts.kept > 10


def test_a_wide_table_is_not_updated(weeks: Path, tmp_path: Path) -> None:
    fields = parcels(tmp_path)
    save(answered(fields, weeks), tmp_path / "w.parquet", wide=True)
    with pytest.raises(arpent.ArpentError, match="wide table"):
        answered(fields, weeks, tmp_path / "w.parquet")
    whole = answered(fields, weeks)
    save(whole, tmp_path / "t.parquet", wide=False)
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    content[4:2000] = bytes(1996)
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(arpent.ArpentError, match="cannot be updated"):
        answered(fields, weeks, tmp_path / "t.parquet")


def test_the_setting_of_a_servers_results_does_not_matter(
    weeks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answered(parcels(tmp_path), weeks)
    monkeypatch.setenv("ARPENT_RESULTS", "files")
    assert answered(parcels(tmp_path), weeks).rows.equals(whole.rows)


def test_features_far_apart_are_told_apart_by_their_zones(weeks: Path, tmp_path: Path) -> None:
    """A parcel in another zone is computed in another group; the others are kept."""
    fields = parcels(tmp_path).to_crs(4326)
    table = tmp_path / "t.parquet"
    save(answered(fields, weeks), table, wide=False)
    far = geopandas.GeoDataFrame({"parcel": ["far"]}, geometry=[shapely.box(40, 46, 40.001, 46.001)], crs=4326)
    together: Sequence[Any] = [far, fields]
    found = check_same(geopandas.pd.concat(together), weeks, table, tmp_path)
    assert found.counts.kept == found.counts.numbers + found.counts.masked > 20
