"""Commands: times of whole `arpent run` commands, including start-up, runner and files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.cases import UTM, layer
from benchmarks.clock import Taken, Watch, best, take
from benchmarks.ours import body, root

ROUNDS = 3
DEEPEST = 9
"""Maximum generations below this process at which processes of a command are looked for."""


def commands(folder: Path, size: str) -> dict[str, Any]:
    """Seconds of `arpent run` for one parcel with warm caches; for dense parcels with files and as a table, by one
    worker; for sparse parcels by one and two workers; and for very many parcels on one date, by one worker per core."""
    one, dates = layer(folder, size, "one", UTM)
    found: dict[str, Any] = {}
    _run(folder, one, dates)  # fills the caches of kernels and compiled scripts
    found["one parcel"] = _told([_run(folder, one, dates) for _ in range(ROUNDS)])
    dense, dates = layer(folder, size, "dense", UTM)
    for form in ("files,table", "table"):
        run = _run(folder, dense, dates, ARPENT_RESULTS=form, ARPENT_EXECUTOR="processes:1")
        found[f"dense, {form}"] = _told([run])
    sparse, dates = layer(folder, size, "sparse", UTM)
    for workers in (1, 2):
        runs = [_run(folder, sparse, dates, ARPENT_EXECUTOR=f"processes:{workers}") for _ in range(ROUNDS)]
        found[f"sparse, workers: {workers}"] = _told(runs)
    many, _ = layer(folder, size, "many", UTM)
    for form in ("files,table", "table"):
        found[f"very many, {form}"] = _told([_run(folder, many, 1, ARPENT_RESULTS=form)])
    return found


def _run(folder: Path, features: Path, dates: int, **settings: str) -> tuple[Taken, int]:
    """The time that the command took, and the peak bytes of its largest process."""
    request = folder / "request.json"
    request.write_text(body(features, dates))
    paths = {"ARPENT_BUCKETS": str(root(folder)), "ARPENT_CATALOG": str(folder / "catalog")}
    command = [sys.executable, "-m", "arpent", "run", "--json", str(request)]

    def work() -> None:
        subprocess.run(command, env=os.environ | paths | settings, check=True, stdout=subprocess.DEVNULL)

    with Watch() as watch:
        taken = take(work)
    shutil.rmtree(root(folder) / "results" / "out", ignore_errors=True)
    return taken, watch.peak(1, DEEPEST)


def _told(runs: list[tuple[Taken, int]]) -> dict[str, float]:
    taken = best([each for each, _ in runs])
    return {"cpu": taken.cpu, "wall": taken.wall, "peak": max(peak for _, peak in runs)}
