"""The table: rows, nulls, types; and that all parts of a job are one data set."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from arpent.adapters.formats import parquet_table
from arpent.adapters.formats.parquet_table import table, table_of
from arpent.domain.calculation import Calculation, Calculations, Histogram, OutputCalculations
from arpent.domain.result import ErrorType, Failure, PartitionResult
from tests.support.results import band, interval, partition

BROKEN = Failure(type=ErrorType.TIMEOUT, message="too slow")
SHARED = Calculation(percentiles=(50, 99.9), histogram=Histogram(bin_count=2, low_edge=0.0, high_edge=0.25))
WISH = Calculations(
    outputs={
        "default": OutputCalculations(
            histograms={"default": Histogram(bin_count=2)}, percentiles={"B0": (99.9, 50), "B1": (10,)}
        )
    }
)


def read(payload: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(payload))


def example() -> PartitionResult:
    outputs = {"default": {"B0": band(4, SHARED), "B1": band(4, Calculation(histogram=Histogram(bin_count=2)))}}
    return partition(
        4,
        interval(6, outputs, present=[True, True, True, True], failures={2: BROKEN}),
        interval(7, outputs, present=[True, False, True, True]),
        failures={3: BROKEN},
    )


def test_one_row_per_feature_interval_output_and_band():
    rows = read(table(example(), WISH)).to_pylist()
    found = [(row["id"], row["from"] and row["from"].month, row["band"], row["status"]) for row in rows]
    assert found == [
        (1, 6, "B0", "OK"), (2, 6, "B0", "OK"), (1, 6, "B1", "OK"), (2, 6, "B1", "OK"), (3, 6, None, "FAILED"),
        (1, 7, "B0", "OK"), (3, 7, "B0", "OK"), (1, 7, "B1", "OK"), (3, 7, "B1", "OK"), (4, None, None, "FAILED"),
    ]  # fmt: skip


def test_a_histogram_without_bins_has_tails():
    numbers = band(3, Calculation(histogram=Histogram(bin_count=4, high_edge=0.0)))
    rows = read(table(partition(3, interval(6, {"default": {"B0": numbers}}, present=[True] * 3)), WISH)).to_pylist()
    found = [(row["histogram_edges"], row["histogram_counts"], row["overflow"]) for row in rows]
    assert found == [(None, None, None), ([], [], 1), ([], [], 2)]


def test_numbers_and_nulls():
    rows = read(table(example(), WISH)).to_pylist()
    empty, valid = rows[0], rows[6]
    assert empty["from"] == datetime(2020, 6, 1, tzinfo=UTC)
    assert (empty["identifier"], rows[1]["identifier"]) == ('SI-"0"', None)
    assert [empty[name] for name in ("min", "mean", "stDev", "p50.0", "valid_share")] == [None] * 5
    assert (empty["sample_count"], empty["no_data_count"], empty["histogram_counts"]) == (1, 1, [0, 0])
    assert valid["max"] == float(np.float32(0.2))
    assert (valid["p10.0"], valid["p50.0"], valid["p99.9"]) == (None, valid["max"], valid["max"])
    assert (valid["histogram_edges"], valid["histogram_counts"]) == ([0.0, 0.125, 0.25], [1, 1])
    assert (valid["valid_share"], valid["geometry_pixel_count"], valid["underflow"]) == (1.0, 2, 0)
    assert (rows[1]["items"], valid["items"]) == (["S2A", "S2B"], ["S2A"])


def test_what_infinite_samples_make_no_number_is_null():
    """As in the table that is made of result files, where it stands as "NaN"."""
    numbers = band(3, Calculation(percentiles=(50,)))
    nowhere, infinite = np.full(3, np.nan), np.full(3, np.inf)
    endless = replace(numbers, maximum=infinite, mean=infinite, standard_deviation=nowhere)
    found = read(table(partition(3, interval(6, {"default": {"B0": endless}}, present=[True] * 3)), WISH)).to_pylist()
    assert [(row["max"], row["mean"], row["stDev"]) for row in found] == [
        (None, None, None), (np.inf, np.inf, None), (np.inf, np.inf, None),
    ]  # fmt: skip


def test_no_histogram_is_null():
    empty, valid = (read(table(example(), WISH)).to_pylist()[place] for place in (2, 3))
    assert (empty["histogram_edges"], empty["histogram_counts"], empty["underflow"]) == (None, None, None)
    assert len(valid["histogram_edges"]) == 3


def test_failures_tell_why():
    rows = read(table(example(), WISH)).to_pylist()
    assert {row["reason"] for row in rows if row["status"] == "FAILED"} == {"TIMEOUT: too slow"}
    assert rows[-1]["mean"] is None
    assert rows[-1]["to"] is None


def test_every_part_of_a_job_has_the_same_schema(tmp_path: Path):
    failed = partition(2, failures={0: BROKEN, 1: BROKEN})
    nothing = partition(0)
    for number, result in enumerate((example(), failed, nothing)):
        (tmp_path / f"part-{number}.parquet").write_bytes(table(result, WISH))
    schemas = [pq.read_schema(path) for path in sorted(tmp_path.iterdir())]
    assert schemas[0].equals(schemas[1], check_metadata=True)
    assert schemas[0].equals(schemas[2], check_metadata=True)
    assert {"p10.0", "p50.0", "p99.9"} < set(schemas[0].names)
    assert ds.dataset(tmp_path).count_rows() == 12
    frame = pd.read_parquet(tmp_path)
    assert frame["id"].dtype == np.int64
    assert isinstance(frame["from"].dtype, pd.DatetimeTZDtype)
    assert frame[frame.status == "OK"].groupby("band")["mean"].count().tolist() == [2, 2]


def test_it_says_where_it_comes_from_and_repeats_no_geometry():
    found = read(table_of([(example(), np.ones(4, bool))], WISH, '{"software": "x"}'))
    assert json.loads(found.schema.metadata[b"arpent"]) == {"software": "x"}
    assert b"geo" not in found.schema.metadata
    assert "geometry" not in found.column_names


def test_a_large_table_is_not_in_memory_as_a_whole(monkeypatch: pytest.MonkeyPatch):
    """60,000 features in 80 intervals took two gigabytes beside their numbers."""
    outputs = {"default": {"B0": band(500, Calculation())}}
    months = [interval(month, outputs, present=[True] * 500) for month in range(1, 12)]
    whole = partition(500, *months, *months, failures={1: BROKEN})
    held: list[int] = []
    write, before = pq.ParquetWriter.write_table, pa.total_allocated_bytes()

    def written(writer: pq.ParquetWriter, rows: pa.Table) -> None:
        held.append(pa.total_allocated_bytes() - before)
        write(writer, rows)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", written)
    one = table(whole)
    everything = held.pop()
    monkeypatch.setattr(parquet_table, "GROUP_ROWS", 1000)
    groups = table(whole)
    assert max(held) < everything / 2
    assert pq.read_metadata(pa.BufferReader(groups)).num_row_groups == len(held) == 11
    assert read(groups).equals(read(one))


def test_the_same_result_gives_the_same_bytes():
    assert table(example(), WISH) == table(example(), WISH)


def test_without_calculations_the_columns_are_those_found():
    names = read(table(example())).schema.names
    assert [name for name in names if name.startswith("p")] == ["p50.0", "p99.9"]
