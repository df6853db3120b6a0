"""Many small objects folded into one, and unfolded again."""

from __future__ import annotations

from pathlib import Path

import pytest

from arpent.adapters.objects.folded import FoldedObjects, folded_tables, unfolded
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.errors import WorldError
from arpent.domain.location import Location

OUTPUT = Location(scheme="s3", bucket="results", key="out/")
JOB = OUTPUT.at("out/job/")
FILES = [("out/job/1.json", b'{"id":1}'), ("out/job/\u00e9 2.json", b"\x00\xff"), ("elsewhere/3.json", b"")]


@pytest.fixture
def store(tmp_path: Path) -> FolderObjects:
    (tmp_path / "results").mkdir()
    return FolderObjects(tmp_path)


def test_what_was_folded_comes_back_byte_for_byte(store: FolderObjects, tmp_path: Path) -> None:
    folded = FoldedObjects(store, JOB, "part-0")
    folded.write_many(OUTPUT, iter(FILES[:2]))
    folded.write_many(OUTPUT, FILES[2:])
    folded.write_many(OUTPUT, ())
    folded.write(OUTPUT.at("out/job/report.json"), b"{}")
    assert sorted(store.list(OUTPUT)) == [
        "out/job/documents/part-0-0.parquet", "out/job/documents/part-0-1.parquet", "out/job/report.json",
    ]  # fmt: skip
    tables = folded_tables(store, OUTPUT)
    assert [each for table in tables for each in unfolded(store, OUTPUT.at(table))] == FILES
    for table in tables:
        store.write_many(OUTPUT, unfolded(store, OUTPUT.at(table)))
    assert {key: (tmp_path / "results" / key).read_bytes() for key, _ in FILES} == dict(FILES)


def test_the_same_partition_again_writes_the_same_objects(store: FolderObjects) -> None:
    for _ in range(2):
        FoldedObjects(store, JOB, "part-0").write_many(OUTPUT, FILES)
    (table,) = folded_tables(store, OUTPUT)
    assert list(unfolded(store, OUTPUT.at(table))) == FILES


def test_a_folder_that_was_moved_is_unfolded_where_it_is(store: FolderObjects, tmp_path: Path) -> None:
    FoldedObjects(store, JOB, "part-0").write_many(OUTPUT, FILES[:1])
    (tmp_path / "results" / "out" / "job").rename(tmp_path / "moved")
    here = Location(scheme="s3", bucket="moved", key="")
    (table,) = folded_tables(store, here)
    assert list(unfolded(store, here.at(table))) == [("1.json", FILES[0][1])]


@pytest.mark.parametrize("content", [b"", b"PAR1 damaged PAR1"])
def test_a_damaged_table_is_named(store: FolderObjects, content: bytes) -> None:
    place = OUTPUT.at("out/job/documents/part-0-0.parquet")
    store.write(place, content)
    with pytest.raises(WorldError, match=r"part-0-0\.parquet is damaged"):
        list(unfolded(store, place))
