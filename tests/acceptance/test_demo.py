"""`arpent demo`: on its own landscape and on real scenes; its files against the oracle."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import client
from tests.support.compare import differences
from tests.support.oracle import batch_answers
from tests.support.scripts import SEED
from tests.support.server import arpent

pytestmark = pytest.mark.slow

DEGREES_PER_METRE = 1 / 111_320


def demonstrate(folder: Path, arguments: Sequence[str] = ()) -> tuple[str, dict[int, dict[str, Any]]]:
    """Run it to its end: what it printed, and feature id → content of its file."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARPENT_")}
    command = [*arpent(), "demo", "--folder", str(folder), *arguments]
    environment["COLUMNS"] = "400"
    done = subprocess.run(
        command, env=environment, cwd=folder.parent, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (results,) = (folder / "buckets" / "demo" / "results").iterdir()
    return done.stdout, {int(path.stem): json.loads(path.read_text()) for path in results.glob("*.json")}


Answers = dict[int, dict[str, Any]]


def check(answers: Answers, features: Path, catalog: Path, step: float, season: Sequence[str]) -> None:
    """A sample of the files, to the last number."""
    body = client.seed_body("", "", timeRange=dict(zip(("from", "to"), season, strict=True)), resx=step, resy=step)
    sample = sorted(answers)[:: max(1, len(answers) // 30)]
    expected = batch_answers(body, features=features, catalog=catalog, script=SEED, only=sample)
    wrong = {fid: found for fid in expected if (found := differences(answers[fid], expected[fid]))}
    assert not wrong, "\n".join(f"{fid} {line}" for fid, lines in wrong.items() for line in lines[:3])
    assert len(expected) > 20


def jobs_of(folder: Path) -> list[dict[str, Any]]:
    """What the demonstration's database says of its jobs."""
    environment = {**os.environ, "ARPENT_DATABASE_URL": f"sqlite:///{folder / 'arpent.db'}"}
    command = [*arpent(), "jobs", "--json"]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return list(json.loads(done.stdout)["data"])


def test_on_its_own_landscape(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    said, answers = demonstrate(folder)
    for word in ("OAUTHLIB_INSECURE_TRANSPORT=1", "sh_base_url", "sh_token_url", str(folder)):
        assert word in said
    season = ("2020-06-01T00:00:00Z", "2020-07-31T00:00:00Z")
    check(answers, folder / "buckets" / "demo" / "parcels.gpkg", folder / "landscape", 10, season)
    assert len(answers) >= 200
    assert {len(answer["response"]["data"]) for answer in answers.values()} == {2}
    (job,) = jobs_of(folder)
    assert job["costPU"] == pytest.approx(job["estimate"]["processingUnits"], rel=1e-12)
    assert 200_000 < job["estimate"]["bytes"] < 10_000_000


@pytest.mark.parametrize(("name", "count"), [("geopackage-example.gpkg", 364)])
def test_on_real_scenes(tmp_path: Path, shared_data: Path, name: str, count: int) -> None:
    catalog, features = shared_data / "stac" / "s2-l2a-33t-120m", shared_data / "parcels" / name
    season = ("2023-08-01T00:00:00Z", "2023-08-31T00:00:00Z")
    _, answers = demonstrate(
        tmp_path / "demo",
        ["--catalog", str(catalog), "--features", str(features), "--from", season[0], "--to", season[1]],
    )
    assert len(answers) == count
    check(answers, features, catalog, 10.0 * DEGREES_PER_METRE, season)
