"""Results that somebody has damaged or replaced: a sentence names the file, whatever is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arpent.adapters.formats.results.view import ResultView
from arpent.domain.errors import InvalidRequest
from tests.unit.adapters.formats.results.test_view import JOB, MAY, NDVI, row, written

ASKED: dict[str, Callable[[ResultView], Any]] = {
    "overview": lambda view: view.overview(),
    "scale": lambda view: view.scale(NDVI),
    "values": lambda view: view.values(NDVI, 0, 10),
    "tile": lambda view: view.tile(NDVI, (8, 138, 91)),
    "series": lambda view: view.series(1),
    "table": lambda view: view.table("csv"),
}

WITHOUT = {
    "parquet": set(),
    "features": {"scale"},
    "report": {"scale", "table"},
}
"""What is shown although a file of this folder is damaged: it is not read for it."""
ONLY_OUTLINES = {
    "features have no boxes", "features have no metadata", "features have a strange crs", "features have no crs",
    "features lie on no earth",
}  # fmt: skip
"""Damage of what a table does not need."""


def other(path: Path, change: Callable[[pa.Table], pa.Table]) -> bytes:
    pq.write_table(change(pq.read_table(path)), path)
    return path.read_bytes()


def texts(*names: str) -> Callable[[Path], bytes]:
    """The file with text in these columns."""

    def change(table: pa.Table) -> pa.Table:
        for name in names:
            table = table.set_column(table.column_names.index(name), name, pa.array(["x"] * len(table)))
        return table

    return lambda path: other(path, change)


def crs(told: Any) -> Callable[[Path], bytes]:
    """The file with another CRS."""

    def change(table: pa.Table) -> pa.Table:
        geo = json.loads(table.schema.metadata[b"geo"])
        geo["columns"]["geometry"]["crs"] = told
        return table.replace_schema_metadata({b"geo": json.dumps(geo).encode()})

    return lambda path: other(path, change)


DAMAGE: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "part is empty": ("parquet/part-0.parquet", lambda path: b""),
    "part is a result": ("parquet/part-0.parquet", lambda path: b'{"id":1}'),
    "part is cut": ("parquet/part-0.parquet", lambda path: path.read_bytes()[:-30]),
    "part is foreign": ("parquet/part-0.parquet", lambda path: other(path, lambda table: pa.table({"a": [1]}))),
    "part has texts": ("parquet/part-0.parquet", texts("id", "mean", "from", "sample_count", "p50.0")),
    "features are empty": ("features/features.parquet", lambda path: b""),
    "features are foreign": ("features/features.parquet", lambda path: other(path, lambda table: pa.table({"a": [1]}))),
    "features have no ids": ("features/features.parquet", texts("id")),
    "features have no boxes": ("features/features.parquet", texts("bbox")),
    "features have no metadata": (
        "features/features.parquet", lambda path: other(path, lambda table: table.replace_schema_metadata(None)),
    ),
    "features have a strange crs": ("features/features.parquet", crs({"type": "x"})),
    "features have no crs": ("features/features.parquet", crs(None)),
    "features lie on no earth": (
        "features/features.parquet", crs(
            {
                "type": "EngineeringCRS", "name": "x", "datum": {"type": "EngineeringDatum", "name": "x"},
                "coordinate_system": {
                    "subtype": "Cartesian", "axis": [
                        {"name": name, "abbreviation": name, "direction": way, "unit": "metre"}
                        for name, way in (("x", "east"), ("y", "north"))
                    ],
                },
            }
        ),
    ),
    "report is cut": ("report/features.json", lambda path: b"{"),
    "report is a list": ("report/features.json", lambda path: b"[]"),
    "report is of others": ("report/features.json", lambda path: b'{"findings":[{"id":"x"}]}'),
    "report is too large": (
        "report/features.json", lambda path: b'{"findings":[{"id":1e30,"identifier":null,"verdict":"WARNING",'
        b'"kind":"k","message":"m"}]}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_results_are_named(tmp_path: Path, damage: str, asked: str) -> None:
    view = written(tmp_path, [[row(1, MAY, 0.25)], [row(2, MAY, 0.5)]], [])
    name, change = DAMAGE[damage]
    path = tmp_path / "buckets" / "out" / "runs" / JOB / name
    path.write_bytes(change(path))
    if asked in WITHOUT[name.partition("/")[0]] or (asked == "table" and damage in ONLY_OUTLINES):
        assert ASKED[asked](view)
        return
    with pytest.raises(InvalidRequest, match=f"runs/{JOB}/{name}|statistic"):
        ASKED[asked](view)


def test_what_is_as_it_should_be_is_shown(tmp_path: Path) -> None:
    view = written(tmp_path, [[row(1, MAY, 0.25)], [row(2, MAY, 0.5)]], [])
    assert all(ask(view) for ask in ASKED.values())
