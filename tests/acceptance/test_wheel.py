"""The wheel, built from this tree, holds what it must, and nothing else; release/try_package.sh runs it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.test_release import script

pytestmark = pytest.mark.slow


def test_the_wheel_holds_what_it_must(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    modules = [
        path.relative_to(repository / "src").as_posix() for path in (repository / "src" / "arpent").rglob("*.py")
    ]
    faults = list(script("check_package").faults_of_wheel(names, modules))
    has_page = (repository / "src" / "arpent" / "server" / "page" / "built" / "index.html").is_file()
    assert [fault for fault in faults if has_page or "page/built" not in fault] == []
