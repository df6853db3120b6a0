"""Many small objects folded into one, and unfolded again."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock, patch

import numpy as np
import pytest
import shapely

from arpent.adapters.formats.job_files.stac_collection import stac_collection
from arpent.adapters.objects.folded import FoldedObjects, is_folded_table, unfolded
from arpent.adapters.objects.folder import FolderObjects
from arpent.cli.results import collect, unfold
from arpent.domain.errors import InvalidRequest, StorageDenied, WorldError
from arpent.domain.feature import Features
from arpent.domain.location import Location
from arpent.settings import Settings
from tests.support.jobs import UTM, make_request

OUTPUT = Location(scheme="s3", bucket="results", key="out/")
JOB = OUTPUT.at("out/job/")
FILES = [("out/else/3.json", b""), ("out/job/1.json", b'{"id":1}'), ("out/job/\u00e9 2.json", b"\x00\xff")]


class Content(bytes):
    """One that is counted while it is in memory."""

    alive = most = 0

    def __init__(self, content: bytes) -> None:
        Content.alive += 1
        Content.most = max(Content.most, Content.alive)

    def __del__(self) -> None:
        Content.alive -= 1


@pytest.fixture
def store(tmp_path: Path) -> FolderObjects:
    (tmp_path / "results").mkdir()
    return FolderObjects(tmp_path)


def failed(feature: int, reason: str) -> tuple[str, bytes]:
    told = {"id": feature, "error": {"type": "EXECUTION_ERROR", "message": reason}}
    return f"out/job/{feature}.json", json.dumps(told).encode()


def folded_tables(store: FolderObjects, prefix: Location) -> list[str]:
    return sorted(filter(is_folded_table, store.list(prefix)))


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


def test_the_same_object_comes_of_calls_in_any_order(store: FolderObjects) -> None:
    """What a store refused for a moment is tried again later, after others."""
    contents = []
    for order in (FILES, FILES[::-1], FILES[1:] + FILES[:1]):
        folded = FoldedObjects(store, JOB, "part-0")
        for entry in order:
            folded.write_many(OUTPUT, [entry])
        contents.append(store.read(OUTPUT.at("out/job/documents/part-0.parquet")))
    assert len(set(contents)) == 1


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


def test_a_file_that_was_never_folded_is_no_older_one(store: FolderObjects, tmp_path: Path) -> None:
    """Where the job went on with another form of results, its files are newer than its tables: nobody can know."""
    FoldedObjects(store, JOB, "round-000").write_many(OUTPUT, [failed(1, "first"), failed(2, "first")])
    store.write_many(OUTPUT, [failed(2, "newer")])
    folder = str(tmp_path / "results" / "out")
    for read in (collect, unfold):
        with pytest.raises(InvalidRequest, match=r"^job/2\.json differs from its copy in documents/"):
            read(Settings(), folder)
    assert store.read(OUTPUT.at("out/job/2.json")) == failed(2, "newer")[1]
    store.write_many(OUTPUT, [failed(2, "first")])
    assert (len(collect(Settings(), folder)), unfold(Settings(), folder)) == (2, 2)


def test_few_files_are_in_memory_while_they_are_compared(
    store: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of hundreds of thousands."""
    FoldedObjects(store, JOB, "round-000").write_many(OUTPUT, (failed(each, "why") for each in range(200)))
    assert unfold(Settings(), str(tmp_path / "results")) == 200
    plain = FolderObjects.read

    def read(own: FolderObjects, location: Location, most: int | None = None) -> bytes:
        content = plain(own, location, most)
        return Content(content) if location.key.endswith(".json") else content

    monkeypatch.setattr(FolderObjects, "read", read)
    monkeypatch.setattr("arpent.cli.results.BATCH", 8)
    assert len(collect(Settings(), str(tmp_path / "results"))) == 200
    assert 0 < Content.most <= 16


def test_two_jobs_that_folded_the_same_key(store: FolderObjects, tmp_path: Path) -> None:
    """As by `out/<ID>.json`: which of them is newer their names do not tell."""
    for job in ("b", "a"):
        entry = ("out/1.json", failed(1, job)[1])
        FoldedObjects(store, OUTPUT.at(f"out/{job}/"), "round-000").write_many(OUTPUT, [entry])
    for read in (unfold, collect):
        with pytest.raises(InvalidRequest, match=r"1\.json is a result of two jobs, . and .: give the folder of one"):
            read(Settings(), str(tmp_path / "results" / "out"))
    assert not (tmp_path / "results" / "out" / "1.json").exists()


def test_a_missing_table_is_told(store: FolderObjects, tmp_path: Path) -> None:
    features = Features(
        crs=UTM, ids=np.arange(3), identifiers=(None,) * 3, geometries=shapely.box([0, 1, 2], 0, [1, 2, 3], 1)
    )
    store.write(OUTPUT.at("out/job/stac/collection.json"), stac_collection("job", make_request(), features))
    for part in range(3):
        FoldedObjects(store, JOB, f"round-000-part-{part:06d}").write_many(OUTPUT, [failed(part, "first")])
    told: list[str] = []
    folder, settings = tmp_path / "results" / "out" / "job", Settings()
    assert (len(collect(settings, str(folder), told.append)), unfold(settings, str(folder), told.append)) == (3, 3)
    assert told == []
    for file in (folder / "documents" / "round-000-part-000001.parquet", folder / "1.json"):
        file.unlink()
    assert (len(collect(settings, str(folder), told.append)), unfold(settings, str(folder), told.append)) == (2, 2)
    assert told == ["2 of 3 features have a result here: the job has not ended, or objects are missing"] * 2
    (folder / "stac" / "collection.json").write_bytes(b"{}")
    assert len(collect(settings, str(folder), told.append)) == 2
    assert len(told) == 2, "an older version told not how many there are"


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
    FoldedObjects(store, JOB, "part-0").write_many(OUTPUT, FILES[1:2])
    (tmp_path / "results" / "out" / "job").rename(tmp_path / "moved")
    here = Location(scheme="s3", bucket="moved", key="")
    (table,) = folded_tables(store, here)
    assert list(unfolded(store, here.at(table))) == [("1.json", FILES[1][1])]


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
