"""A table made from rows has the columns of the Parquet data set, also those that no row has."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arpent.adapters.formats.parquet_columns import schema
from arpent.adapters.formats.parquet_rows import assemble, write_csv, write_parquet
from arpent.adapters.formats.plain_columns import iso_texts

JUNE = {"from": datetime(2020, 6, 1, tzinfo=UTC), "to": datetime(2020, 7, 1, tzinfo=UTC)}


def row(feature: int, **fields: object) -> dict[str, object]:
    return {"id": feature, "identifier": f"f{feature}", "output": "ndvi", "band": "B0", "status": "OK"} | JUNE | fields


def test_columns_and_order() -> None:
    table = assemble([[row(10, mean=1.0)], [row(9, mean=2.0, **{"p99.9": 3.0, "p5.0": 1.5})]])
    assert table.schema.equals(schema((5.0, 99.9)))
    assert table.column("id").to_pylist() == [9, 10]
    assert table.column("p99.9").to_pylist() == [3.0, None]
    assert table.column("items").null_count == 2


def test_nothing_is_an_empty_table() -> None:
    assert assemble([]).schema.equals(schema(()))
    assert len(assemble([[]])) == 0


@pytest.mark.parametrize(
    ("instants", "texts"),
    [
        (["2023-06-01T00:00:00+00:00", None], ["2023-06-01T00:00:00Z", None]),
        (["2023-06-01T02:00:00.250+02:00", None], ["2023-06-01T00:00:00.250000Z", None]),
        ([None], [None]),
    ],
)
def test_instants_are_written_in_iso_8601(instants: list[str | None], texts: list[str | None]) -> None:
    moments = [None if each is None else datetime.fromisoformat(each) for each in instants]
    column = pa.chunked_array([pa.array(moments, pa.timestamp("us", "Europe/Vienna"))])
    assert iso_texts(column).to_pylist() == texts


def test_parquet_and_csv(tmp_path: Path) -> None:
    table = assemble(
        [[row(1, histogram_edges=[0.0, 0.5], histogram_counts=[4]), row(2, status="FAILED", reason="a, b")]]
    )
    write_parquet(table, tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet").to_pylist() == table.to_pylist()
    sink = io.BytesIO()
    write_csv(table, sink)
    head, first, second = sink.getvalue().decode().splitlines()
    assert head.startswith('"id","identifier","from","to","output","band","min"')
    assert '"[0.0, 0.5]"' in first
    assert '"FAILED","a, b"' in second
