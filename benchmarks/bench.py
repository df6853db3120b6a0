"""`make bench`: runs all benchmarks, mostly on one core, and reports times as ratios to the decode floor; see
benchmarks/README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import cases
from benchmarks.chart import chart
from benchmarks.chunks import zarr_chunks
from benchmarks.commands import commands
from benchmarks.country import SIZES, make
from benchmarks.criteria import judge
from benchmarks.far import far
from benchmarks.fixed import fixed
from benchmarks.jpeg2000 import jpeg2000
from benchmarks.latency import latency
from benchmarks.many import many
from benchmarks.ours import RUN, root
from benchmarks.report import report, rows
from benchmarks.synchronous import synchronous

OUT = Path(__file__).parent / "out"
FEW_DATES = 2
"""Number of dates in the comparison of regions with exactextract."""
GROWTH = (1, 4, 16)
"""Numbers of parcels in the case of growth, in quarters of the number of sparse parcels."""
Step = Callable[[], dict[str, Any]]


def main() -> None:
    """Run the chosen cases, write the results, and print them."""
    given = _arguments()
    began = time.time()
    os.environ["ARPENT_BENCH_RUN"] = f"{RUN}-{os.getpid()}"
    folder = make(given.out, given.size)
    _sweep(root(folder).parent)
    steps = {name: step for name, step in plan(folder, given).items() if name in given.only}
    found: dict[str, Any] = {"size": given.size, "machine": _machine(), "load": os.getloadavg()[0], "cases": {}}
    try:
        _generate(folder, given.size, steps)
        for name, step in steps.items():
            print(f"  {name} ...", flush=True)
            found["cases"][name] = step()
    finally:
        shutil.rmtree(root(folder), ignore_errors=True)
    found["seconds"] = round(time.time() - began)
    found["criteria"] = [one.as_json() for one in judge(found)]
    text = report(found)
    (given.out / f"bench-{given.size}.json").write_text(json.dumps(found, indent=1) + "\n")
    (given.out / f"bench-{given.size}.txt").write_text(text + "\n")
    (given.out / f"bench-{given.size}.svg").write_text(chart(rows(found), found))
    print(f"\n{text}\n\nWritten to bench-{given.size}.json, .txt and .svg in {os.path.relpath(given.out)}")


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", choices=SIZES, default="S")
    arguments.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--delay", type=float, default=0.03, help="seconds to the first byte over HTTP")
    arguments.add_argument("--out", type=Path, default=OUT, help="folder of the made country and of the results")
    return arguments.parse_args()


NAMES = (
    "sparse", "degrees", "dense", "dense-degrees", "regions", "voronoi", "orbit", "orbit-sparse", "peers",
    "dense-peers", "regions-peers", "workers", "growth", "remote", "far", "many", "large", "fixed", "commands",
    "synchronous", "jpeg2000", "zarr", "latency",
)  # fmt: skip


def plan(folder: Path, given: argparse.Namespace) -> Mapping[str, Step]:
    """Name of a case → function that measures it."""
    size, alone = given.size, cases.alone
    return {
        "sparse": partial(alone, cases.core, folder, size, "sparse", cases.UTM, given.rounds),
        "peers": partial(cases.peers, folder, size, "sparse"),
        "degrees": partial(alone, cases.core, folder, size, "sparse", cases.DEGREES, given.rounds),
        "dense": partial(alone, cases.core, folder, size, "dense", cases.UTM, min(2, given.rounds)),
        "dense-peers": partial(cases.peers, folder, size, "dense"),
        "dense-degrees": partial(alone, cases.core, folder, size, "dense", cases.DEGREES, min(2, given.rounds)),
        "regions": partial(alone, cases.core, folder, size, "regions", cases.UTM, given.rounds),
        "voronoi": partial(alone, cases.core, folder, size, "voronoi", cases.UTM, given.rounds),
        "orbit": partial(alone, cases.core, folder, size, "orbit", cases.UTM, min(2, given.rounds)),
        "orbit-sparse": partial(alone, cases.core, folder, size, "orbit-sparse", cases.UTM, min(2, given.rounds)),
        "regions-peers": partial(cases.peers, folder, size, "regions", FEW_DATES, "exactextract"),
        "workers": partial(_workers, folder, size),
        "growth": partial(_growth, folder, size),
        "remote": partial(alone, cases.remote, folder, size, given.delay),
        "far": partial(alone, far, folder, size, given.delay),
        "many": partial(alone, many, folder, size, cores=2),
        "large": partial(alone, cases.large, folder, size),
        "fixed": partial(alone, fixed, folder, size),
        "commands": partial(alone, commands, folder, size, cores=2),
        "synchronous": partial(alone, synchronous, folder, size, cores=2),
        "jpeg2000": partial(alone, jpeg2000, folder, size, given.delay),
        "zarr": partial(alone, zarr_chunks, folder, size),
        "latency": partial(alone, latency, folder, size, cores=os.cpu_count() or 1),
    }


def _generate(folder: Path, size: str, steps: Mapping[str, Step]) -> None:
    """Make the parcels of each case before anything is measured."""
    kinds = {
        "sparse": {"sparse", "peers", "workers", "remote", "far", "growth", "commands"},
        "dense": {"dense", "dense-peers", "commands"}, "many": {"many", "commands"}, "large": {"large"},
        "one": {"fixed", "commands", "synchronous"}, "regions": {"regions", "regions-peers"}, "voronoi": {"voronoi"},
        "orbit": {"orbit"}, "orbit-sparse": {"orbit-sparse"},
    }  # fmt: skip
    for kind, users in kinds.items():
        if users & set(steps):
            cases.alone(cases.generate, folder, size, kind, cases.UTM)
    for kind, user in (("sparse", "degrees"), ("dense", "dense-degrees")):
        if user in steps:
            cases.alone(cases.generate, folder, size, kind, cases.DEGREES)
    if "growth" in steps:
        for factor in GROWTH:
            cases.alone(cases.generate, folder, size, "sparse", cases.UTM, factor / 4)


def _workers(folder: Path, size: str) -> dict[str, Any]:
    if (os.cpu_count() or 1) < 2:
        return {}
    # One worker uses one core, and two use two: the parent process only waits.
    return {str(count): cases.alone(cases.workers, folder, size, count, cores=2) for count in (1, 2)}


def _growth(folder: Path, size: str) -> dict[str, Any]:
    chosen = SIZES[size]
    found = {}
    for factor in GROWTH:
        count = round(chosen.sparse * factor / 4)
        one = cases.alone(cases.growth, folder, size, factor, min(2, chosen.dates))
        found[f"parcels {count:,}"] = {"work": count, **one}
    for dates in sorted({max(1, chosen.dates // 4), max(1, chosen.dates // 2), chosen.dates}):
        found[f"dates {dates}"] = {"work": dates, **cases.alone(cases.growth, folder, size, 4, dates)}
    return found


def _machine() -> str:
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    kind = names[0] if names else platform.machine()
    return f"{len(names) or os.cpu_count()} x {kind}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _sweep(place: Path) -> None:
    """Remove the results that killed runs have left in memory."""
    for left in place.glob(f"{RUN}-*"):
        if not Path(f"/proc/{left.name.rpartition('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)


if __name__ == "__main__":
    main()
