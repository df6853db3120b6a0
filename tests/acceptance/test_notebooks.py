"""The notebooks in examples/, from top to bottom by a kernel of Jupyter, each with its map and its curve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from arpent.landscape.make import Landscape, make_landscape
from tests.support.server import Server

pytestmark = pytest.mark.slow

RUN = """
import json, sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
patched = json.loads(sys.argv[2])
for cell in notebook.cells:
    for old, new in patched.items():
        cell.source = cell.source.replace(old, new)
NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
nbformat.write(notebook, "ran.ipynb")
"""


IMPATIENT = {
    "import os\n": "import os\nimport sentinelhub.api.batch.utils as own\n"
    "own._MIN_STAT_SLEEP_TIME = own._MIN_ANALYSIS_SLEEP_TIME = 1\n",
    "sleep_time=15": "sleep_time=1",
}
"""The client wants to rest at least 15 seconds between two questions."""


def ran(
    notebook: Path, folder: Path, variables: Mapping[str, str], patched: Mapping[str, str] | None = None
) -> nbformat.NotebookNode:
    """The notebook with its outputs. Its kernel is one of this Python, whatever kernels the machine knows."""
    kernel = folder / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (kernel / "kernel.json").write_text(f'{{"argv": {argv}, "display_name": "Python 3", "language": "python"}}')
    own = {"JUPYTER_PATH": str(folder / "jupyter"), "MPLBACKEND": "agg", "HOME": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(notebook), json.dumps(patched or {})],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **own},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(folder / "ran.ipynb", as_version=4)


def check_picture(path: Path) -> None:
    """There is something on it, in colours."""
    with Image.open(path) as picture:
        assert picture.width > 200
        assert len(picture.convert("RGB").resize((64, 64)).getcolors(64 * 64)) > 20


def test_they_are_stored_without_outputs(repository: Path) -> None:
    notebooks = sorted((repository / "examples").glob("*.ipynb"))
    assert len(notebooks) == 2
    for path in notebooks:
        for cell in nbformat.read(path, as_version=4).cells:
            assert not cell.get("outputs")


def test_the_page_shows_what_the_notebook_says(repository: Path) -> None:
    page = (repository / "docs" / "examples.md").read_text()
    cells = nbformat.read(repository / "examples" / "season.ipynb", as_version=4).cells
    assert any(cell.source in page for cell in cells if "arpent.statistics" in cell.source)
    for name in ("season-map.png", "season-curve.png"):
        assert f"pictures/{name}" in page
        check_picture(repository / "docs" / "pictures" / name)


def test_a_season_of_my_fields(repository: Path, tmp_path: Path) -> None:
    found = ran(repository / "examples" / "season.ipynb", tmp_path, {})
    assert "numbers of 60 fields" in found.cells[-1].outputs[0].text
    check_picture(tmp_path / "season-map.png")
    check_picture(tmp_path / "season-curve.png")


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("landscape"), parcels=60, tile=224, scenes=14)


def test_the_real_services_notebook(repository: Path, landscape: Landscape, tmp_path: Path) -> None:
    server = Server(folder=tmp_path / "server", catalog=landscape.catalog)
    for name in ("fields", "results"):
        (server.buckets / name).mkdir(parents=True, exist_ok=True)
    (server.buckets / "fields" / "fields.gpkg").write_bytes(landscape.features.read_bytes())
    try:
        server.start()
        name, secret = server.add_client()
        variables = {"SH_CLIENT_ID": name, "SH_CLIENT_SECRET": secret, "ARPENT_SERVER": server.url}
        variables["ARPENT_BUCKETS"] = str(server.buckets)
        found = ran(repository / "examples" / "real_service.ipynb", tmp_path, variables, IMPATIENT)
    finally:
        server.close()
    assert any("DONE" in str(cell.get("outputs")) for cell in found.cells)
    check_picture(tmp_path / "real-service-map.png")
    check_picture(tmp_path / "real-service-curve.png")
