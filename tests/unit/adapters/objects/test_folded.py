"""Many small objects folded into one, and unfolded again."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock, patch

import pytest

from arpent.adapters.objects.folded import FoldedObjects, folded_tables, unfolded
from arpent.adapters.objects.folder import FolderObjects
from arpent.cli.results import collect, unfold
from arpent.domain.errors import InvalidRequest, StorageDenied, WorldError
from arpent.domain.location import Location
from arpent.settings import Settings

OUTPUT = Location(scheme="s3", bucket="results", key="out/")
JOB = OUTPUT.at("out/job/")
FILES = [("out/job/1.json", b'{"id":1}'), ("out/job/\u00e9 2.json", b"\x00\xff"), ("out/else/3.json", b"")]


@pytest.fixture
def store(tmp_path: Path) -> FolderObjects:
    (tmp_path / "results").mkdir()
    return FolderObjects(tmp_path)


def failed(feature: int, reason: str) -> tuple[str, bytes]:
    told = {"id": feature, "error": {"type": "EXECUTION_ERROR", "message": reason}}
    return f"out/job/{feature}.json", json.dumps(told).encode()


def test_what_was_folded_comes_back_byte_for_byte(store: FolderObjects, tmp_path: Path) -> None:
    folded = FoldedObjects(store, JOB, "part-0")
    folded.write_many(OUTPUT, iter(FILES[:2]))
    folded.write_many(OUTPUT, FILES[2:])
    folded.write_many(OUTPUT, ())
    folded.write(OUTPUT.at("out/job/report.json"), b"{}")
    assert sorted(store.list(OUTPUT)) == ["out/job/documents/part-0.parquet", "out/job/report.json"]
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


def test_nothing_stays_of_an_earlier_attempt_that_made_more_calls(store: FolderObjects) -> None:
    first = FoldedObjects(store, JOB, "part-0")
    for key, content in FILES:
        first.write_many(OUTPUT, [(key, content + b" of the first attempt")])
    FoldedObjects(store, JOB, "part-0").write_many(OUTPUT, FILES)
    (table,) = folded_tables(store, OUTPUT)
    assert list(unfolded(store, OUTPUT.at(table))) == FILES


def test_of_two_tables_the_later_one_counts_and_each_is_read_once(store: FolderObjects, tmp_path: Path) -> None:
    FoldedObjects(store, JOB, "part-000000-0").write_many(OUTPUT, [failed(1, "first"), failed(2, "first")])
    FoldedObjects(store, JOB, "part-000000-1").write_many(OUTPUT, [failed(2, "again")])
    with patch.object(FolderObjects, "read", autospec=True, side_effect=FolderObjects.read) as read:
        rows = collect(Settings(), str(tmp_path / "results" / "out")).to_pylist()
    assert [(row["id"], row["reason"].rpartition(" ")[2]) for row in rows] == [(1, "first"), (2, "again")]
    assert read.call_count == 2


def test_what_was_unfolded_in_part_hides_nothing(store: FolderObjects, tmp_path: Path) -> None:
    """As by a command that was killed, or before features were processed again; another job's files lie beside."""
    FoldedObjects(store, JOB, "round-000").write_many(OUTPUT, [failed(1, "first"), failed(2, "first")])
    store.write_many(OUTPUT, [failed(1, "first"), ("out/other/3.json", failed(3, "other")[1])])
    FoldedObjects(store, JOB, "round-001").write_many(OUTPUT, [failed(1, "again")])
    rows = collect(Settings(), str(tmp_path / "results" / "out")).to_pylist()
    told = [(row["id"], row["reason"].rpartition(" ")[2]) for row in rows]
    assert told == [(1, "again"), (2, "first"), (3, "other")]


def test_what_the_store_refused_is_not_written_later(store: FolderObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    folded = FoldedObjects(store, JOB, "part-0")
    with monkeypatch.context() as patched:
        patched.setattr(store, "write", Mock(side_effect=StorageDenied("no")))
        with pytest.raises(StorageDenied):
            folded.write_many(OUTPUT, FILES)
    folded.write_many(OUTPUT, FILES[:1])
    (table,) = folded_tables(store, OUTPUT)
    assert list(unfolded(store, OUTPUT.at(table))) == FILES[:1]


def test_only_tables_are_unfolded(store: FolderObjects) -> None:
    store.write(OUTPUT.at("out/job/documents/README.txt"), b"mine")
    assert folded_tables(store, OUTPUT) == []


def test_results_beside_the_folder_need_the_folder_around(store: FolderObjects, tmp_path: Path) -> None:
    """`out/<ID>/<REQUEST_ID>.json`: the job's folder is `out/job`, its files lie beside it."""
    files = [("out/1/job.json", b"1"), ("out/2/job.json", b"2")]
    FoldedObjects(store, JOB, "part-0").write_many(OUTPUT, files)
    folder, settings = tmp_path / "results" / "out", Settings()
    with pytest.raises(InvalidRequest, match=f"give {folder}$"):
        unfold(settings, str(folder / "job"))
    assert [path.name for path in folder.iterdir()] == ["job"]
    folder.rename(tmp_path / "moved")
    assert unfold(settings, str(tmp_path / "moved")) == 2
    assert [(tmp_path / "moved" / number / "job.json").read_bytes() for number in "12"] == [b"1", b"2"]


@pytest.mark.parametrize(
    "key", ["theirs/1.json", "outer/1.json", "out/job/../../theirs/1.json", "out/../theirs/1.json"]
)
def test_no_key_leads_to_the_results_of_others(store: FolderObjects, tmp_path: Path, key: str) -> None:
    """Whoever writes such a table into a bucket does not get the rights of who unfolds it."""
    FoldedObjects(store, JOB, "part-0").write_many(OUTPUT, [(key, b"")])
    with pytest.raises(WorldError, match=r"part-0\.parquet is damaged"):
        unfold(Settings(), str(tmp_path / "results"))
    assert not (tmp_path / "results" / "theirs").exists()


def test_a_folder_that_was_moved_is_unfolded_where_it_is(store: FolderObjects, tmp_path: Path) -> None:
    FoldedObjects(store, JOB, "part-0").write_many(OUTPUT, FILES[:1])
    (tmp_path / "results" / "out" / "job").rename(tmp_path / "moved")
    here = Location(scheme="s3", bucket="moved", key="")
    (table,) = folded_tables(store, here)
    assert list(unfolded(store, here.at(table))) == [("1.json", FILES[0][1])]


@pytest.mark.parametrize("content", [b"", b"PAR1 damaged PAR1", None])
def test_a_damaged_table_is_named(store: FolderObjects, content: bytes | None) -> None:
    FoldedObjects(store, JOB, "part-0").write_many(OUTPUT, FILES)
    place = OUTPUT.at("out/job/documents/part-0.parquet")
    if content is None:  # its pages
        content = store.read(place)
        content = content[:4] + bytes(60) + content[64:]
    store.write(place, content)
    with pytest.raises(WorldError, match=r"part-0\.parquet is damaged"):
        list(unfolded(store, place))
