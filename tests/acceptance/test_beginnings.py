"""README's three beginnings, as they stand there; only the catalogue and the address of the server are ours."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.support.parcels import good_parcels, write_geopackage
from tests.support.server import Server
from tests.support.server import arpent as command


@pytest.fixture(scope="module")
def readme(repository: Path) -> dict[str, str]:
    """Name of a block → its text."""
    found = re.findall(r"<!-- test: (\w+) -->\n```\w+\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    return dict(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_geopackage(tmp_path / "fields.gpkg", good_parcels(), 32633)
    return tmp_path


def python(text: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command(readme: dict[str, str], catalog: Path, folder: Path) -> None:
    words = shlex.split(readme["command"].replace("\\\n", " ").replace("earth-search", str(catalog)))
    assert words[0] == "arpent"
    done = subprocess.run(
        [*command(), *words[1:]], cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = pd.read_parquet(folder / "ndvi.parquet")
    assert rows["mean"].notna().sum() > 20
    assert set(rows["output"]) == {"ndvi"}
    assert "with numbers" in done.stderr


def test_python(readme: dict[str, str], catalog: Path, folder: Path) -> None:
    said = python(readme["python"].replace("earth-search", str(catalog)), folder)
    assert "2023-06-01" in said


def test_the_official_client(
    readme: dict[str, str], server: Server, credentials: tuple[str, str], folder: Path
) -> None:
    (server.buckets / "fields" / "fields.gpkg").write_bytes((folder / "fields.gpkg").read_bytes())
    text = readme["client"].replace("http://127.0.0.1:8000", server.url).replace("sleep_time=15", "sleep_time=1")
    text = f"import sentinelhub.api.batch.utils as own\nown._MIN_STAT_SLEEP_TIME = 1\n{text}"  # it wants to rest 15 s
    for name, value in zip(("<id>", "<secret>"), credentials, strict=True):
        text = text.replace(name, value, 1)
    said = python(text, folder)
    assert "DONE" in said
    (results,) = (server.buckets / "results" / "ndvi").iterdir()
    assert pd.read_parquet(results / "parquet")["mean"].notna().sum() > 20
