"""The guard against the disk stops what it should, and only while it is on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.support.no_disk import no_disk

TOUCHES: dict[str, Callable[[Path], object]] = {
    "write": lambda folder: (folder / "file").write_text("x"),
    "append": lambda folder: (folder / "file").open("a"),
    "descriptor": lambda folder: os.open(folder / "file", os.O_CREAT),
    "folder": lambda folder: (folder / "inner").mkdir(),
    "database": lambda folder: sqlite3.connect(folder / "jobs.db"),
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=list(TOUCHES))
def test_writing_is_refused(tmp_path: Path, touch: Callable[[Path], object]) -> None:
    with no_disk(), pytest.raises(AssertionError, match=f"must not touch {tmp_path}"):
        touch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_in_threads_too(tmp_path: Path) -> None:
    with no_disk():
        caught: list[AssertionError] = []

        def write() -> None:
            try:
                (tmp_path / "file").write_text("x")
            except AssertionError as error:
                caught.append(error)

        thread = Thread(target=write)
        thread.start()
        thread.join()
    assert len(caught) == 1


def test_hypothesis_keeps_what_failed(tmp_path: Path) -> None:
    """Else its error would stand where the failure should."""
    database = DirectoryBasedExampleDatabase(tmp_path)
    with no_disk():
        database.save(b"key", b"example")
    assert set(database.fetch(b"key")) == {b"example"}


def test_reading_and_what_is_no_disk_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with no_disk():
        assert (tmp_path / "file").read_text() == "x"
        with open(os.devnull, "w") as nothing:
            nothing.write("x")
    (tmp_path / "file").write_text("y")
