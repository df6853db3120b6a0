"""What may be under version control: nothing of one machine, nothing of one registry, nothing heavy."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HEAVIEST = 1024 * 1024
MACHINE = re.compile(r"(?<![\w./~$}-])/(?:" + "|".join(("work", "tmp", "root", "home", "Users", "mnt")) + ")/")
"""Absolute paths that exist on one machine only. Joined here so that this file is not found itself."""
REGISTRY = re.compile(r"index-url\s*=|extra-index|pypi\.org|pythonhosted|/simple\b|_authToken|trusted-host")


def is_pinning(path: Path) -> bool:
    """Files by which packages are found; no URL belongs into them."""
    return path.parent.name in ("requirements", ".ci") or path.name in ("Makefile", "pyproject.toml")


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    if shutil.which("git") is None or not (repository / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True)
    files = [repository / name for name in listed.stdout.split("\0") if name]
    return [path for path in files if path.is_file()]


def lines_matching(files: list[Path], pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in files:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path.name}:{number}: {line.strip()[:120]}")
    return found


def test_the_patterns_find_what_they_should() -> None:
    assert MACHINE.search("cd " + "/".join(("", "work", "main")))
    assert MACHINE.search("'" + "/".join(("", "tmp", "x")) + "'")
    assert not MACHINE.search("https://example.org/home/page and ../tmp/x and $HOME/tmp/x")
    assert REGISTRY.search("--extra-" + "index-url x")


def test_nothing_is_heavy(tracked: list[Path]) -> None:
    assert [path.name for path in tracked if path.stat().st_size >= HEAVIEST] == []


def test_no_path_of_one_machine(tracked: list[Path]) -> None:
    assert lines_matching(tracked, MACHINE) == []


def test_no_registry(tracked: list[Path]) -> None:
    others = [path for path in tracked if path != Path(__file__).resolve()]
    assert lines_matching(others, REGISTRY) == []


def test_packages_are_named_without_urls(tracked: list[Path]) -> None:
    pinning = [path for path in tracked if is_pinning(path)]
    assert {path.name for path in pinning} >= {"dev.txt", "run.txt", "pyproject.toml", "Makefile"}
    assert lines_matching(pinning, re.compile(r"https?://")) == []


def test_no_imagery_and_no_database(tracked: list[Path]) -> None:
    foreign = (".tif", ".tiff", ".jp2", ".gpkg", ".db", ".sqlite", ".parquet", ".zip", ".whl")
    assert [path.name for path in tracked if path.suffix.lower() in foreign] == []
