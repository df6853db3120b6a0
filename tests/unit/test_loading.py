"""What a process loads before it works: it adds to the start of every command, runner and worker. No time is measured:
what must stay away is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.world import SEASON, make_imagery

SERVER = {"fastapi", "uvicorn", "prometheus_client", "starlette"}
DATABASE = {"sqlalchemy", "alembic", "cryptography"}
PANDAS = {"pandas", "geopandas"}
RARE = {"rasterio", "PIL", "spyndex", "obstore.fsspec", "distributed", "joserfc", "requests_oauthlib", "uvicorn"}
"""What only unusual images, pictures, indices, clusters and servers need."""
SELDOM = {
    "pyarrow.dataset", "arpent.adapters.formats.job_files.earlier", "arpent.engine.catalog_search", "arpent.api.local",
    "requests", "tifffile.geodb",
}  # fmt: skip
"""What only updates, searches, catalogues of Parquet and behind a network, keys and the Python API need, and nobody."""
WORK = {"numpy", "numba", "pyarrow", "pyogrio", "pyproj", "shapely", "pydantic", "tifffile", "rasterio"}
CASES = {
    "the command line": ("import arpent.cli.main", SERVER | DATABASE | PANDAS | RARE | WORK),
    "a worker": ("import arpent.worker", SERVER | DATABASE | PANDAS | RARE | SELDOM | {"pyogrio"}),
    "the Python API": ("import arpent.api.statistics", SERVER | DATABASE | RARE - {"spyndex"}),
    "a runner": ("import arpent.wiring.server", SERVER | PANDAS | RARE),
    "a list of clients": ("import arpent.wiring.store", SERVER | PANDAS | RARE | {"numba", "pyarrow", "arpent.worker"}),
    "a list of jobs": (
        "import arpent.cli.jobs, arpent.adapters.database.jobs",
        SERVER | PANDAS | RARE | {"pyogrio", "pyarrow", "arpent.worker"},
    ),
    "who reads files of features": (
        "from arpent.worker import prepare_process; prepare_process('text');"
        "from arpent.adapters.formats.vector.files import load_libraries; load_libraries()",
        SERVER | DATABASE | PANDAS | {"PIL", "rasterio"},
    ),
}
PREPARED = """
import pickle, sys
from arpent.settings import Settings
from arpent.wiring import local
local.cluster = lambda address, prepare, silence: pickle.loads(pickle.dumps(prepare))()
local.executor_of(Settings(executor="dask://127.0.0.1:1"))
from arpent.adapters.formats.vector.without_pandas import Absence
print(Absence in sys.meta_path)
"""
TOLD = "; import sys; print(*sorted(set({away!r}) & set(sys.modules)))"
RUN = """
import sys
from arpent.adapters.executors.processes.worker import Worker
def refused(*_):
    raise SystemExit("a process was started")
Worker.__init__ = refused
from arpent.cli.start import start
try:
    start()
except SystemExit as end:
    assert not end.code, end.code
"""


def printed(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CASES)
def test_nobody_loads_what_only_others_need(name: str) -> None:
    program, away = CASES[name]
    assert printed(program + TOLD.format(away=away)).split() == []


def test_pandas_stays_in_the_workers_of_others_clusters() -> None:
    assert printed(PREPARED).split() == ["False"]


def test_the_version_is_told_without_anything_else() -> None:
    told = printed(RUN + TOLD.format(away=SERVER | DATABASE | PANDAS | RARE | WORK).lstrip("; "), "--version")
    assert len(told.splitlines()) == 2
    assert told.splitlines()[1] == ""


def test_a_small_job_runs_in_the_process_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process, no database, no server, no pandas; its features are read there, too."""
    catalog = make_imagery(tmp_path / "stac", SEASON[:1])
    for bucket in ("fields", "results"):
        (tmp_path / "buckets" / bucket).mkdir(parents=True)
    write_geopackage(tmp_path / "buckets" / "fields" / "one.gpkg", good_parcels()[:1])
    request = tmp_path / "request.json"
    request.write_text(json.dumps(client.seed_body("s3://fields/one.gpkg", NDVI.text)))
    monkeypatch.setenv("ARPENT_BUCKETS", str(tmp_path / "buckets"))
    monkeypatch.setenv("ARPENT_CATALOG", str(catalog))
    away = SERVER | DATABASE | PANDAS | RARE | SELDOM
    told = printed(RUN + TOLD.format(away=away).lstrip("; "), "run", str(request)).splitlines()
    assert told[0].startswith("DONE: 1 features")
    assert told[1:] == [""]
