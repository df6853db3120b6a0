"""`make bench`, every case of it, on the smallest size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.bench import NAMES
from benchmarks.peers import PEERS


@pytest.mark.slow
def test_every_case_is_in_one_run(tmp_path: Path, repository: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.bench", "--size", "T", "--rounds", "1", "--out", str(tmp_path)]
    told = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    found = json.loads((tmp_path / "bench-T.json").read_text())
    assert set(found["cases"]) == set(NAMES)
    for case in ("peers", "dense-peers"):
        assert set(found["cases"][case]) == set(PEERS)
        assert all(peer["agreement"]["agrees"] for peer in found["cases"][case].values() if "cpu" in peer)
    many = found["cases"]["many"]
    assert (many["status"], many["done"], many["failed"]) == ("DONE", 900, 0)
    assert many["peaks"]["worker"] > many["peaks"]["script"] > 0
    assert found["criteria"]
    for name in (*PEERS, "criterion", "fixed:", "growth", "remote", "workers"):
        assert name in told
    ElementTree.parse(tmp_path / "bench-T.svg")
