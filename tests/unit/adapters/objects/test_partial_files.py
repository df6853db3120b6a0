"""A file of the user appears under its name when it is whole: two that write it at once, one that is killed, a link."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from arpent.adapters.objects.partial_files import PARTIAL, whole_file, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_at_once_are_each_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with whole_file(target) as first, whole_file(target) as second:
        assert first.suffix == second.suffix == ".csv", "GDAL asks for it"
        first.write_text("first")
        second.write_text("second, and more")
    assert target.read_text() == "first", "who ended last"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_one_that_ends_midway_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "a.csv").write_text("before")

    def half() -> None:
        with whole_file(tmp_path / "a.csv") as part:
            part.write_text("half")
            raise error

    with pytest.raises(type(error)):
        half()
    assert (names(tmp_path), (tmp_path / "a.csv").read_text()) == (["a.csv"], "before")


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"directory: '.*a\.csv'$"):
        write_whole(tmp_path / "none" / "a.csv", b"")


def test_what_a_killed_process_left_goes_with_the_next_file(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib\n"
        "from arpent.adapters.objects.partial_files import whole_file\n"
        "with whole_file(pathlib.Path(sys.argv[1])) as part:\n"
        "    part.write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    target = tmp_path / "a.csv"
    subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    (left,) = names(tmp_path)
    assert left.startswith(PARTIAL)
    write_whole(target, "whole")
    assert names(tmp_path) == ["a.csv"]


def test_a_link_stays_and_rights_stay(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "a.csv"
    target.write_text("before")
    target.chmod(0o600)
    (tmp_path / "a.csv").symlink_to(target)
    write_whole(tmp_path / "a.csv", "after")
    assert (tmp_path / "a.csv").is_symlink()
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("after", 0o600)


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    heard: list[str] = []
    reader = Thread(target=lambda: heard.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_whole(tmp_path / "pipe", "told")
    reader.join(10)
    assert heard == ["told"]
