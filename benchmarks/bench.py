"""`make bench`: everything in one run on one core, as ratios to the decode floor; see README.md beside this file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import cases
from benchmarks.chart import chart
from benchmarks.country import SIZES, make
from benchmarks.ours import root

OUT = Path(__file__).parent / "out"
ALL = ("sparse", "degrees", "dense", "peers", "dense-peers", "workers", "growth", "remote", "many")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", choices=SIZES, default="S")
    arguments.add_argument("--only", nargs="+", choices=ALL, default=ALL)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--delay", type=float, default=0.03, help="seconds to the first byte over HTTP")
    given = arguments.parse_args()
    started = time.time()
    folder = make(OUT, given.size)
    _clear(folder)
    found: dict[str, Any] = {"size": given.size, "machine": _machine(), "cases": {}}
    steps = {
        "sparse": partial(cases.alone, cases.core, folder, given.size, "sparse", cases.UTM, given.rounds),
        "degrees": partial(cases.alone, cases.core, folder, given.size, "sparse", cases.DEGREES, given.rounds),
        "dense": partial(cases.alone, cases.core, folder, given.size, "dense", cases.UTM, 2),
        "peers": partial(cases.alone, cases.peers, folder, given.size, "sparse"),
        "dense-peers": partial(cases.alone, cases.peers, folder, given.size, "dense"),
        "workers": partial(_workers, folder, given.size),
        "growth": partial(_growth, folder, given.size),
        "remote": partial(cases.alone, cases.remote, folder, given.size, given.delay),
        "many": partial(cases.alone, cases.many, folder, given.size),
    }
    for name, step in steps.items():
        if name in given.only:
            print(f"  {name} ...", flush=True)
            found["cases"][name] = step()
    found["seconds"] = round(time.time() - started)
    text = report(found)
    (OUT / f"bench-{given.size}.json").write_text(json.dumps(found, indent=1) + "\n")
    (OUT / f"bench-{given.size}.txt").write_text(text + "\n")
    (OUT / f"bench-{given.size}.svg").write_text(chart(rows(found), f"arpent and its peers, size {given.size}"))
    print(text)
    print(f"\nWritten to {OUT.relative_to(Path.cwd()) if OUT.is_relative_to(Path.cwd()) else OUT}/bench-{given.size}.*")
    _clear(folder)


def _workers(folder: Path, size: str) -> dict[str, Any]:
    if (os.cpu_count() or 1) < 2:
        return {}
    # One worker keeps one core as two keep two: the parent only waits.
    return {str(count): cases.alone(cases.workers, folder, size, count, cores=2) for count in (1, 2)}


def _growth(folder: Path, size: str) -> dict[str, Any]:
    dates = SIZES[size].dates
    found = {
        f"parcels x {factor}": cases.alone(cases.growth, folder, size, factor, min(2, dates)) for factor in (1, 4, 16)
    }
    some = sorted({max(1, dates // 4), max(1, dates // 2), dates})
    return found | {f"dates {count}": cases.alone(cases.growth, folder, size, 4, count) for count in some}


def rows(found: dict[str, Any]) -> list[tuple[str, str, float, float, str]]:
    """(case, what, ratio of processor time to the floor, of wall time, note)."""
    listed = []
    for name, fellows in (("sparse", "peers"), ("degrees", ""), ("dense", "dense-peers")):
        case = found["cases"].get(name)
        if not case:
            continue
        ground = case["floor"]
        entries = {f"arpent, {what}": {**taken, "note": ""} for what, taken in case["arpent"].items()}
        entries |= found["cases"].get(fellows, {})
        listed.append((name, f"floor: {case['decoder']}", 1.0, 1.0, f"{ground['cpu']:.2f} s"))
        listed += [
            (name, what, taken["cpu"] / ground["cpu"], taken["wall"] / ground["wall"], taken["note"])
            for what, taken in entries.items()
        ]
    return listed


def report(found: dict[str, Any]) -> str:
    """The table and the rest, as text."""
    lines = [f"Size {found['size']}, {found['machine']}, {found['seconds']} s", ""]
    lines.append(f"{'case':<9} {'what':<42} {'x floor cpu':>11} {'wall':>8}  note")
    lines += [f"{case:<9} {what:<42} {cpu:11.2f} {wall:8.2f}  {note}" for case, what, cpu, wall, note in rows(found)]
    for name in ("sparse", "degrees", "dense"):
        if case := found["cases"].get(name):
            lines += ["", _told(name, case), *_stages(case)]
    tellers = {"workers": _tell_workers, "growth": _tell_growth, "remote": _tell_remote, "many": _tell_many}
    for name, tell in tellers.items():
        if case := found["cases"].get(name):
            lines += ["", *tell(case)]
    return "\n".join(lines)


def _told(name: str, case: dict[str, Any]) -> str:
    return (
        f"{name}: {case['features']} parcels, {case['dates']} dates, {case['blocks']} blocks, "
        f"{case['compressed'] / 1e6:.0f} MB compressed, {case['partitions']} partitions, analysis "
        f"{case['analysis']:.1f} s, peak {case['peak'] / 1e6:.0f} MB (script {case['script_peak'] / 1e6:.0f} MB)"
    )


def _stages(case: dict[str, Any]) -> list[str]:
    total = sum(case["stages"].values())
    listed = sorted(case["stages"].items(), key=lambda entry: -entry[1])
    return [f"    {name:<20} {seconds:7.2f} s {100 * seconds / total:5.1f} %" for name, seconds in listed]


def _tell_workers(case: dict[str, Any]) -> list[str]:
    gain = case["1"]["wall"] / case["2"]["wall"]
    peak = max(one["peak"] for one in case.values()) / 1e6
    return [f"workers: one {case['1']['wall']:.2f} s, two {case['2']['wall']:.2f} s: {gain:.2f} x; peak {peak:.0f} MB"]


def _tell_growth(case: dict[str, Any]) -> list[str]:
    return [f"growth, {name}: {one['cpu']:.2f} s cpu, peak {one['peak'] / 1e6:.0f} MB" for name, one in case.items()]


def _tell_remote(case: dict[str, Any]) -> list[str]:
    ratio = case["http"] / case["local"]
    return [f"remote: local {case['local']:.2f} s, over HTTP with delay {case['http']:.2f} s: {ratio:.2f} x (wall)"]


def _tell_many(case: dict[str, Any]) -> list[str]:
    return [
        f"{case['features']} small features: analysis {case['analysis']:.1f} s, peak {case['analysis_peak'] / 1e6:.0f} "
        f"MB; one interval with files {case['interval']:.1f} s, {case['done']} done, peak {case['peak'] / 1e6:.0f} MB"
    ]


def _machine() -> str:
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    kind = names[0] if names else platform.machine()
    return f"{len(names) or os.cpu_count()} x {kind}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _clear(folder: Path) -> None:
    shutil.rmtree(root(folder), ignore_errors=True)


if __name__ == "__main__":
    main()
