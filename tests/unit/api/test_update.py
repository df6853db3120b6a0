"""An earlier table as the results of a request: in parts of which a worker reads those that it needs."""

from __future__ import annotations

import resource
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.formats.job_files import earlier
from arpent.adapters.formats.job_files.earlier import EarlierTable
from arpent.adapters.formats.job_files.fingerprints import LAYOUT, packed, table_digest, told
from arpent.adapters.objects.folder import FolderObjects
from arpent.api import update
from arpent.api.fields import ID
from arpent.domain.calculation import Calculations, OutputCalculations
from arpent.domain.feature import Features
from arpent.domain.interval import Interval
from arpent.domain.location import Location

COUNT = 12
WEEKS = [
    Interval(start=datetime(2023, 6, day, tzinfo=UTC), end=datetime(2023, 6, day + 7, tzinfo=UTC)) for day in (1, 8)
]
MARKS = np.arange(16 * COUNT, dtype=np.uint8).reshape(COUNT, 16)


class CountedReads(FolderObjects):
    """Notes what is read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.keys: list[str] = []

    def read(self, location: Location, most: int | None = None) -> bytes:
        self.keys.append(location.key)
        return super().read(location, most)


def long_rows() -> pa.Table:
    """The mean tells which row it is; the ids are texts, the last feature first."""
    every = [
        {ID: f"f{row}", "from": week.start, "to": week.end, "output": "ndvi", "band": "B0", "min": 0.0, "max": 9.0,
         "mean": 10.0 * row + place, "stDev": 1.0, "sample_count": 9, "no_data_count": 0, "status": "OK",
         "items": ["a"]}
        for row in range(COUNT)[::-1]
        for place, week in enumerate(WEEKS)
    ]  # fmt: skip
    return pa.Table.from_pylist(every)


def noted(count: int = COUNT) -> pa.Table:
    """Fingerprints of the first features."""
    lists = {"from": [week.start for week in WEEKS], "to": [week.end for week in WEEKS]}
    every = [{"id": 0, "feature": MARKS[row].tobytes(), **lists, "state": [row + 1, row + 101]} for row in range(count)]
    ids = pa.array([f"f{row}" for row in range(count)], pa.string())
    return pa.Table.from_pylist(every, LAYOUT).set_column(0, ID, ids)


def test_a_worker_reads_the_parts_with_its_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "PART_ROWS", 3 * len(WEEKS))
    job = update._written(long_rows(), noted(), "asked", tmp_path)
    assert len(list((tmp_path / job / "parquet").iterdir())) == COUNT / 3
    store = CountedReads(tmp_path.parent)
    table = EarlierTable(store, Location(scheme="s3", bucket=tmp_path.name, key=f"{job}/"))
    del store.keys[:]
    rows = np.array([7, 6, 8])
    known = table.rows_of("asked", MARKS[rows], Calculations(), lambda output, band: False)
    assert store.keys == [f"{job}/fingerprints/part-000002-0.parquet", f"{job}/parquet/part-000002-0.parquet"]
    for place, week in enumerate(WEEKS):
        states = (rows + 1 + 100 * place).astype(np.uint64)
        states[1] = 7  # other images than before, but in the first week
        fine = known.known(week, states)
        assert fine.tolist() == [True, place == 0, True]
        (found,) = known.results(week, fine, ["a"])
        mean = found.outputs["ndvi"]["B0"].mean
        assert mean[found.present].tolist() == (10.0 * rows + place)[fine].tolist()


def test_all_parts_together_hold_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "PART_ROWS", 5 * len(WEEKS))  # the last part has fewer
    job = update._written(long_rows(), noted(), "asked", tmp_path)
    table = EarlierTable(FolderObjects(tmp_path.parent), Location(scheme="s3", bucket=tmp_path.name, key=f"{job}/"))
    known = table.rows_of("asked", MARKS, Calculations(), lambda output, band: False)
    for place, week in enumerate(WEEKS):
        states = np.arange(1 + 100 * place, COUNT + 1 + 100 * place, dtype=np.uint64)
        assert known.known(week, states).all()
        assert not known.known(week, states + np.uint64(1)).any()
        assert known.known(week, states[::-1]).sum() == 0


def test_a_table_in_which_all_failed_has_a_part(tmp_path: Path) -> None:
    job = update._written(long_rows(), noted(0), "asked", tmp_path)
    assert len(list((tmp_path / job / "fingerprints").iterdir())) == 1


@pytest.mark.parametrize("column", LAYOUT.names)
@pytest.mark.parametrize("fault", ["nulls", "text", "short"])
def test_fingerprints_that_are_not_whole_are_left_out(tmp_path: Path, column: str, fault: str) -> None:
    job = update._written(long_rows(), noted(), "asked", tmp_path)
    (part,) = (tmp_path / job / "fingerprints").iterdir()
    whole = pq.ParquetFile(part)
    request, table = told(whole)
    kind = LAYOUT.field(column).type
    short = pa.array([[]] * COUNT, kind) if pa.types.is_list(kind) else pa.nulls(COUNT, kind)
    wrong = {"nulls": pa.nulls(COUNT, kind), "text": pa.array(["x"] * COUNT), "short": short}[fault]
    forged = whole.read().set_column(LAYOUT.get_field_index(column), column, wrong)
    part.write_bytes(packed(forged, request, table))
    found = EarlierTable(FolderObjects(tmp_path.parent), Location(scheme="s3", bucket=tmp_path.name, key=f"{job}/"))
    known = found.rows_of("asked", MARKS, Calculations(), lambda output, band: False)
    assert not known.known(WEEKS[0], np.arange(1, COUNT + 1, dtype=np.uint64)).any()


NUMBERS = {"mean", "p50.0", "cloudy_share", "share_soil"}
"""Columns that are null for a band without valid samples."""


@pytest.mark.parametrize("column", ["items", "band", "from", "sample_count", *sorted(NUMBERS)])
@pytest.mark.parametrize("fault", ["nulls", "text", "gone"])
def test_rows_that_do_not_look_as_ours_are_left_out(tmp_path: Path, column: str, fault: str) -> None:
    wish = OutputCalculations(
        percentiles={"default": (50.0,)}, more={"default": ("cloudyShare",)}, shares={"default": (("soil", 5),)}
    )
    long = long_rows()
    for name in sorted(NUMBERS - {"mean"}):
        long = long.append_column(name, pa.array([0.5] * len(long)))
    job = update._written(long, noted(), "asked", tmp_path)
    (part,), (beside,) = ((tmp_path / job / name).iterdir() for name in ("fingerprints", "parquet"))
    rows = pq.read_table(beside)
    place, kind = rows.schema.get_field_index(column), rows.schema.field(column).type
    values = pa.nulls(len(rows), kind) if fault == "nulls" else pa.array([1] * len(rows), pa.int8())
    forged = rows.remove_column(place) if fault == "gone" else rows.set_column(place, column, values)
    pq.write_table(forged, beside, store_schema=False)
    whole = pq.ParquetFile(part)
    part.write_bytes(packed(whole.read(), told(whole)[0], table_digest(beside.read_bytes())))
    found = EarlierTable(FolderObjects(tmp_path.parent), Location(scheme="s3", bucket=tmp_path.name, key=f"{job}/"))
    known = found.rows_of("asked", MARKS, Calculations(outputs={"default": wish}), lambda output, band: False)
    fine = known.known(WEEKS[0], np.arange(1, COUNT + 1, dtype=np.uint64))
    assert fine.any() == (column in NUMBERS and fault == "nulls")
    assert not fine.any() or list(known.results(WEEKS[0], fine, ["a"]))


def test_a_few_kilobytes_that_unpack_to_more_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files lie in a client's own bucket, and workers of all clients read such files."""
    count = 10_000_000
    job = update._written(long_rows(), noted(), "asked", tmp_path)
    nothing = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, pa.py_buffer(bytes(16 * count))])
    columns = {"id": pa.array(np.zeros(count, np.int64)), "feature": nothing}
    bomb = tmp_path / job / "fingerprints" / "part-999999-0.parquet"
    pq.write_table(pa.table(columns), bomb, compression="zstd", row_group_size=count)
    assert bomb.stat().st_size < 500_000
    pa.default_memory_pool().release_unused()  # memory that the process has already is not limited
    monkeypatch.setattr(earlier, "MOST_MIB", 16)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    table = EarlierTable(FolderObjects(tmp_path.parent), Location(scheme="s3", bucket=tmp_path.name, key=f"{job}/"))
    known = table.rows_of("asked", MARKS, Calculations(), lambda output, band: False)
    assert len(table._ids) < count
    assert not known.known(WEEKS[0], np.zeros(COUNT, np.uint64)).any()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_features_that_lie_together_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "TILE", 4)
    corners = np.random.default_rng(1).permutation([(x, y) for x in range(8) for y in range(8)]).astype(float)
    boxes = shapely.box(corners[:, 0], corners[:, 1], corners[:, 0] + 1, corners[:, 1] + 1)
    features = Features(
        crs=CRS.from_epsg(32633), ids=np.arange(100, 164), identifiers=(None,) * 64, geometries=np.asarray(boxes)
    )
    order = features.ids[update._by_tile(pa.chunked_array([features.ids]), features)]
    tiles = corners[order - 100].reshape(16, 4, 2)
    assert (np.ptp(tiles, axis=1) == 1).all(), "two by two"
    shuffled = np.random.default_rng(2).permutation(features.ids)
    assert (shuffled[update._by_tile(pa.chunked_array([shuffled]), features)] == order).all()
