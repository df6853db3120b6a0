"""Files of a run: columns that a caller names as ours cost neither theirs nor ours, nor the process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from pyproj import CRS

from arpent.api import files
from arpent.api.fields import ID, KEY
from arpent.api.files import save
from tests.support.small_disk import small_disk

SQUARES = shapely.to_wkb(shapely.box([0, 20], 0, [10, 30], 10)).tolist()
THEIRS = {"Geometry": ["a", "b"], "bbox": ["c", "d"], "FROM": [1, 2], "ogc_fid": [7, 8], "ID": [5, 6], "fid": [3, 4]}


def answer() -> Any:
    keys = pa.array([10, 11])
    theirs = {name: pa.array(values) for name, values in THEIRS.items()}
    fields = pa.table({KEY: [0, 1], ID: keys, **theirs, "geometry": SQUARES})
    own = {"from": ["2023-06-01", "2023-06-02"], "mean": [0.25, 0.5]}
    rows = pa.table({ID: keys, **theirs, **{name: pa.array(values) for name, values in own.items()}})
    features = SimpleNamespace(crs=CRS.from_epsg(32633))
    return SimpleNamespace(
        rows=rows, fields=SimpleNamespace(table=fields, features=features), about="{}", fingerprints=b"{}"
    )


@pytest.mark.parametrize("name", ["a.gpkg", "a.fgb"])
def test_columns_that_differ_by_case(tmp_path: Path, name: str) -> None:
    """A column `Geometry` beside the geometries ends the process in GDAL."""
    save(answer(), tmp_path / name, wide=False)
    found = geopandas.read_file(tmp_path / name).sort_values("id")
    assert found["id"].tolist() == [10, 11]
    assert found["from"].astype(str).str[:10].tolist() == ["2023-06-01", "2023-06-02"]
    assert found["mean"].tolist() == [0.25, 0.5]
    assert {f"feature_{each}" for each in ("Geometry", "FROM", "ogc_fid", "ID")} <= set(found.columns)
    for theirs, values in THEIRS.items():
        column = theirs if theirs in found.columns and theirs not in ("from", "id") else f"feature_{theirs}"
        assert found[column].tolist() == values
    assert found.geometry.area.tolist() == [100, 100]


def test_a_column_of_boxes(tmp_path: Path) -> None:
    save(answer(), tmp_path / "a.parquet", wide=False)
    found = geopandas.read_parquet(tmp_path / "a.features.parquet")
    assert found["feature_bbox"].tolist() == ["c", "d"]
    assert pd.read_parquet(tmp_path / "a.parquet")["bbox"].tolist() == ["c", "d"]


def test_a_table_and_its_features_file_change_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full for one of them leaves both as they were."""
    before = {name: name.encode() for name in ("a.parquet", "a.features.parquet")}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    written = files._parquet

    def full(table: pa.Table, metadata: Any, path: Path) -> None:
        if b"arpent.fingerprints" in metadata:
            raise OSError(28, "No space left on device")
        written(table, metadata, path)

    monkeypatch.setattr(files, "_parquet", full)
    with pytest.raises(OSError, match="No space left"):
        save(answer(), tmp_path / "a.parquet", wide=False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.fgb"])
def test_a_full_disk_is_told_in_words(tmp_path: Path, name: str) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        target = disk.path / name
        target.write_text("before")
        disk.fill()
        with pytest.raises(OSError, match=r"is its disk full|disk was full") as caught:
            save(answer(), target, wide=False)
        assert caught.value.filename == str(target)
        assert target.read_text() == "before"
        assert sorted(path.name for path in disk.path.iterdir()) == sorted([name, "ballast"])


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.fgb"])
def test_a_disk_that_is_full_at_the_very_end_is_told_as_well(tmp_path: Path, name: str) -> None:
    """GDAL says nothing of what it cannot write when it closes the file."""
    save(answer(), tmp_path / name, wide=False)
    size = (tmp_path / name).stat().st_size
    refused = 0
    with small_disk(tmp_path / "disk", 4) as disk:
        for leaving in range(0, 2 * size + 40_960, 4_096):
            target = disk.path / name
            target.write_text("before")
            disk.fill(leaving)
            try:
                save(answer(), target, wide=False)
            except OSError:
                refused += 1
                assert target.read_text() == "before"
            else:
                assert target.stat().st_size == size, leaving
            disk.clear()
    assert refused
