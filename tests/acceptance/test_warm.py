"""`arpent warm`: afterwards a job compiles nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import client
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.world import SEASON, make_imagery


@pytest.mark.slow
def test_what_was_warmed_is_not_compiled_again(tmp_path: Path) -> None:
    kernels = tmp_path / "kernels"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARPENT_")}
    environment |= {"NUMBA_CACHE_DIR": str(kernels)}

    def run(*arguments: str, **settings: str) -> str:
        more = {f"ARPENT_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "arpent", *arguments]
        done = subprocess.run(
            command, env=environment | more, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=600
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    told = json.loads(run("warm", "--json"))
    assert len(told["examples"]) > 10
    warmed = {path.name for path in kernels.rglob("*.nbc")}
    assert len(warmed) > 20
    for bucket in ("fields", "results"):
        (tmp_path / "buckets" / bucket).mkdir(parents=True)
    catalog = make_imagery(tmp_path / "stac", SEASON[:2])
    for epsg, side in ((32633, 10), (4326, 0.0001)):
        write_geopackage(tmp_path / "buckets" / "fields" / f"{epsg}.gpkg", good_parcels()[:4], epsg)
        body = client.seed_body(f"s3://fields/{epsg}.gpkg", NDVI.text, resx=side, resy=side)
        (tmp_path / "request.json").write_text(json.dumps(body))
        run("run", "request.json", buckets=str(tmp_path / "buckets"), catalog=str(catalog))
    assert {path.name for path in kernels.rglob("*.nbc")} == warmed
