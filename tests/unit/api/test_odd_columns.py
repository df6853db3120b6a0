"""Users' columns of any type and name: the numbers that were computed for their features are written in any case."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.formats.parquet_rows import write_csv
from arpent.api.fields import ID, KEY, Columns, read_fields
from arpent.api.files import save
from arpent.api.frames import cube, data_frame
from arpent.settings import load

SQUARES = shapely.box([0, 20], 0, [10, 30], 10)
MOMENT = dt.datetime(2023, 1, 2, 3, 4, 5, 678901)
COLUMNS = {
    "long decimals": pa.array([Decimal("1.10"), None], pa.decimal128(30, 2)),
    "longer decimals": pa.array([Decimal("1.10"), None], pa.decimal256(60, 2)),
    "parts of a second": pa.array([MOMENT, None], pa.timestamp("us", "Europe/Berlin")),
    "whole seconds": pa.array([MOMENT.replace(microsecond=0), None], pa.timestamp("us", "UTC")),
    "nanoseconds": pa.array([1, None], pa.time64("ns")),
    "bytes": pa.array([b"\xff\xfe", None]),
    "bytes of one length": pa.array([b"\xff\xfe", None], pa.binary(2)),
    "bytes that are text": pa.array([b"ab", None]),
    "text that is no UTF-8": pa.array([b"a\xff", None]).view(pa.string()),
    "nanoseconds in lists": pa.array([[1], None], pa.list_(pa.timestamp("ns"))),
    "nothing": pa.nulls(2),
    "structs": pa.array([{"a": [MOMENT]}, None]),
    "maps": pa.array([[("k", Decimal("1.5"))], None], pa.map_(pa.string(), pa.decimal128(5, 2))),
    "lengths of time": pa.array([dt.timedelta(1), None]),
}
IN_CSV = {
    "long decimals": "1.10", "longer decimals": "1.10", "parts of a second": "2023-01-02T03:04:05.678901Z",
    "whole seconds": "2023-01-02T03:04:05Z", "bytes": "fffe", "bytes of one length": "fffe",
    "bytes that are text": "ab", "structs": json.dumps({"a": [str(MOMENT)]}), "maps": '[["k", "1.50"]]',
}  # fmt: skip


def answer(column: pa.Array) -> Any:
    keys = pa.array([10, 11])
    own = {
        "from": pa.array([MOMENT.replace(microsecond=0)] * 2, pa.timestamp("us", "UTC")), "output": ["ndvi"] * 2,
        "band": ["B0"] * 2, "mean": [0.25, 0.5],
    }  # fmt: skip
    fields = pa.table({KEY: [0, 1], ID: keys, "theirs": column, "geometry": shapely.to_wkb(SQUARES).tolist()})
    rows = pa.table({ID: keys, "theirs": column, **own})
    features = SimpleNamespace(crs=CRS.from_epsg(32633))
    return SimpleNamespace(
        rows=rows, fields=SimpleNamespace(table=fields, features=features), about="{}", fingerprints=b"{}"
    )


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_any_type_is_in_the_way_of_no_format(tmp_path: Path, kind: str) -> None:
    found = answer(COLUMNS[kind])
    for name in ("a.gpkg", "a.fgb", "a.geojson", "a.parquet", "a.csv"):
        for wide in (True, False):
            save(found, tmp_path / name, wide=wide)
    for name in ("a.gpkg", "a.fgb", "a.geojson"):
        assert sorted(geopandas.read_file(tmp_path / name)["mean"]) == [0.25, 0.5]
    written = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    assert written["mean"].tolist() == ["0.25", "0.5"]
    assert written["theirs"].tolist() == [IN_CSV.get(kind, written["theirs"][0]), ""]
    for wide in (True, False):
        assert len(data_frame(found, wide=wide, geometry=True)) == 2
    assert cube(found).sizes["geometry"] == 2


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_servers_table_is_written_too(tmp_path: Path, kind: str) -> None:
    with (tmp_path / "a.csv").open("wb") as sink:
        write_csv(answer(COLUMNS[kind]).rows, sink)
    assert pd.read_csv(tmp_path / "a.csv")["mean"].tolist() == [0.25, 0.5]


@pytest.mark.parametrize("name", ["__key", "geometry", "geom", "id", "from", "mean", "feature_geometry", "ogc_fid"])
def test_a_column_of_any_name_comes_back(tmp_path: Path, name: str) -> None:
    frame = geopandas.GeoDataFrame({name: ["a", "b"]}, geometry=pd.Series(SQUARES), crs=32633) if (
        name != "geometry"
    ) else geopandas.GeoDataFrame({name: ["a", "b"], "shape": SQUARES}, geometry="shape", crs=32633)  # fmt: skip
    frame.to_parquet(tmp_path / "fields.parquet")
    fields = read_fields(tmp_path / "fields.parquet", Columns(keep=None, id=None), load(), None)
    theirs = [column for column in fields.table.column_names if column.endswith(name)]
    assert ["a", "b"] in [fields.table[column].to_pylist() for column in theirs]
    assert fields.table[KEY].to_pylist() == fields.features.ids.tolist()
    made = SimpleNamespace(rows=fields.table.drop_columns([KEY, "geometry"]), fields=fields, about="{}")
    for ending in (".gpkg", ".fgb", ".geojson"):
        save(made, tmp_path / f"out{ending}", wide=False)  # type: ignore[arg-type]
        found = geopandas.read_file(tmp_path / f"out{ending}")
        assert {"a", "b"} in [set(found[column]) for column in found.columns]
