"""Folders for files that are being read: what a killed process leaves goes, what a living one uses stays."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arpent.adapters.features.temporary_folder import AGE_SECONDS, PREFIX, temporary_folder

READER = """import time
from arpent.adapters.features.temporary_folder import temporary_folder
with temporary_folder() as folder:
    (folder / "features.gpkg.part").write_bytes(bytes(1000))
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def reader() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a folder, which has not changed for a while."""
    process = subprocess.Popen([sys.executable, "-c", READER], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        grow_old(folder)
        yield process, folder
    finally:
        process.kill()
        process.communicate()


def grow_old(folder: Path) -> None:
    then = time.time() - 2 * AGE_SECONDS
    os.utime(folder, (then, then))


def test_it_goes_with_its_content(place: Path) -> None:
    with temporary_folder() as folder:
        (folder / "features").write_bytes(b"x")
        assert [*place.iterdir()] == [folder]
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed(reader: tuple[subprocess.Popen[str], Path]) -> None:
    process, left = reader
    process.kill()
    process.wait()
    assert left.exists()
    with temporary_folder():
        assert not left.exists()


def test_what_a_living_process_uses_stays(reader: tuple[subprocess.Popen[str], Path]) -> None:
    _, used = reader
    with temporary_folder():
        assert used.exists()


def test_nothing_else_is_removed(place: Path) -> None:
    """A folder that was made just now, a link to somewhere, and files of others."""
    young, away, elsewhere = place / f"{PREFIX}young", place / f"{PREFIX}link", place / "elsewhere"
    young.mkdir()
    elsewhere.mkdir()
    away.symlink_to(elsewhere)
    (place / f"{PREFIX}file").write_text("x")
    grow_old(elsewhere)
    with temporary_folder():
        pass
    assert {path.name for path in place.iterdir()} == {young.name, away.name, "elsewhere", f"{PREFIX}file"}
