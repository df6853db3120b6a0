"""The index of a large folder: a process that stands still in the midst of building it holds up nobody for ever."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from arpent.adapters.catalogs.folder import index as module
from arpent.adapters.catalogs.folder.files import stamps
from arpent.adapters.catalogs.folder.index import Index

EVERYWHERE, EVER = ((-180.0, -90.0, 180.0, 90.0),), (-1e12, 1e12)
ALL: tuple[str, tuple[str, ...]] = ("", ())


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        item = {
            "type": "Feature", "id": f"{number}", "collection": "c", "bbox": [1, 1, 2, 2], "assets": {},
            "properties": {"datetime": "2023-06-01T00:00:00Z"},
            "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]},
        }  # fmt: skip
        (tmp_path / "items").mkdir(exist_ok=True)
        (tmp_path / "items" / f"{number}.json").write_text(json.dumps(item))
    return tmp_path / "items"


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[Path]:
    """The index file, whose lock another process holds that does nothing."""
    place = tmp_path / "index.sqlite3"
    with open(f"{place}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield place


def found(index: Index) -> list[int]:
    return sorted(entry.id for entry in index.find(EVERYWHERE, EVER, ALL))


def test_who_begins_beside_one_that_stands_still_goes_on_in_memory(folder: Path, frozen: Path) -> None:
    index = Index(frozen)
    index.refresh(stamps(folder))
    assert len(found(index)) == 3


def test_who_had_an_index_goes_on_as_well_with_other_numbers(folder: Path, tmp_path: Path) -> None:
    """Numbers tell items apart that are kept in memory."""
    place = tmp_path / "index.sqlite3"
    index = Index(place)
    index.refresh(stamps(folder))
    before = found(index)
    (folder / "2.json").unlink()
    with open(f"{place}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        index.refresh(stamps(folder))
        assert found(index) == before, "the other one may be at it"
        module.time.sleep(0.4)
        index.refresh(stamps(folder))
    after = found(index)
    assert (len(after), set(before) & set(after)) == (2, set())


def test_one_that_shows_signs_of_life_is_waited_for(
    folder: Path, frozen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def at_work(_: float) -> None:
        nonlocal looks
        looks += 1
        os.utime(f"{frozen}.lock", ns=(looks, looks))
        if looks > 20:
            raise TimeoutError

    monkeypatch.setattr(module, "STUCK_SECONDS", 0.0)
    monkeypatch.setattr(module, "time", type("", (), {"sleep": at_work, "monotonic": iter(range(99)).__next__}))
    with pytest.raises(TimeoutError):
        Index(frozen)


def test_who_builds_shows_signs_of_life(folder: Path, tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite3")
    lock = tmp_path / "index.sqlite3.lock"
    os.utime(lock, (1, 1))
    index.refresh(stamps(folder))
    assert lock.stat().st_mtime > 1
