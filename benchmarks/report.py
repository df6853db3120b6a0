"""Report: the results of a run of the benchmarks, as rows and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.criteria import Criterion, judge

TITLES = {
    "sparse": "{features:,} parcels in villages, dates: {dates}, UTM",
    "degrees": "{features:,} parcels in villages, dates: {dates}, EPSG:4326",
    "dense": "{features:,} parcels all over the tile, dates: {dates}, UTM",
    "dense-degrees": "{features:,} parcels all over the tile, dates: {dates}, EPSG:4326",
    "regions": "{features:,} overlapping districts of 5,000 to 20,000 ha, dates: {dates}, UTM",
    "voronoi": "{features:,} touching districts that fill the tile, dates: {dates}, UTM",
    "orbit": "{features:,} parcels in four times the villages, ORBIT, scenes: {dates}, UTM",
    "orbit-sparse": "{features:,} parcels in villages, ORBIT, scenes: {dates}, UTM",
}
"""Case that compares arpent with the floor → its title."""
FELLOWS = {"sparse": "peers", "dense": "dense-peers"}
"""Case of arpent → case of the peers with the same parcels."""
BUSY = 0.7
"""System load at the beginning of a run above which wall times are unreliable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table, and one bar of the chart."""

    case: str
    """The case, a key of TITLES."""
    what: str
    """Who did the work, and which."""
    kind: str
    """`floor`, `arpent` or `peer`."""
    seconds: float
    """Processor seconds of all processes together."""
    cpu: float
    """Processor time as a multiple of the floor's."""
    wall: float
    """Elapsed time as a multiple of the floor's."""
    extrapolated: bool = False
    """Whether the times are extrapolated from a part of the work."""
    note: str = ""
    """A remark for the table; empty if there is none."""


def rows(found: dict[str, Any]) -> list[Row]:
    """A row for each measured way to do the work, case by case."""
    listed = []
    for name in TITLES:
        if not (case := found["cases"].get(name)):
            continue
        ground = case["floor"]
        entries = [("floor", f"floor: {case['decoder']}", ground)]
        entries += [("arpent", f"arpent, {what}", taken) for what, taken in case["arpent"].items()]
        entries += [("peer", what, taken) for what, taken in found["cases"].get(FELLOWS.get(name, ""), {}).items()]
        listed += [_row(name, *entry, ground) for entry in entries if "cpu" in entry[2]]
    return listed


def _row(case: str, kind: str, what: str, taken: dict[str, Any], ground: dict[str, float]) -> Row:
    return Row(
        case=case, what=what, kind=kind, seconds=taken["cpu"], cpu=taken["cpu"] / ground["cpu"],
        wall=taken["wall"] / ground["wall"], extrapolated=taken.get("extrapolated", False), note=taken.get("note", ""),
    )  # fmt: skip


def report(found: dict[str, Any]) -> str:
    """The whole report as text: tables, other cases, and criteria."""
    lines = [f"Size {found['size']}, {found['machine']}, {found['seconds']} s in all"]
    if (load := found.get("load", 0)) > BUSY:
        lines.append(
            f"Other work was going on when it began (load {load:.1f}): do not trust wall times, nor two workers"
        )
    for name in TITLES:
        if case := found["cases"].get(name):
            lines += ["", *_table(name, case, found), *_missing(found["cases"].get(FELLOWS.get(name, ""), {}))]
    for name in TITLES:
        if case := found["cases"].get(name):
            lines += ["", _told(name, case), *_stages(case["stages"])]
    for name, tell in TELLERS.items():
        if case := found["cases"].get(name):
            lines += ["", *tell(case)]
    return "\n".join([*lines, "", *criteria(judge(found))])


def criteria(judged: list[Criterion]) -> list[str]:
    """The last section: each criterion with its goal and what was measured."""
    lines = [f"{'criterion':<102} {'goal':>9} {'measured':>9}"]
    lines += [f"{one.name:<102} {one.goal_told:>9} {one.measured:9.2f}  {one.verdict}" for one in judged]
    missed = sum(not one.met for one in judged)
    return [*lines, f"{len(judged) - missed} of {len(judged)} met" if judged else "nothing to judge was measured"]


def _table(name: str, case: dict[str, Any], found: dict[str, Any]) -> list[str]:
    lines = [f"{TITLES[name].format(**case)}", f"{'':<40} {'cpu s':>9} {'x floor':>9} {'wall':>9}"]
    for row in rows(found):
        if row.case == name:
            mark = "~" if row.extrapolated else " "
            told = f"  {row.what:<38} {row.seconds:9.2f} {mark}{row.cpu:8.2f} {row.wall:9.2f}  {row.note}"
            lines.append(told.rstrip())
    return lines


def _missing(fellows: dict[str, Any]) -> list[str]:
    return [f"  {what:<38} {taken['note']}" for what, taken in fellows.items() if "cpu" not in taken]


def _told(name: str, case: dict[str, Any]) -> str:
    return (
        f"{name}: {case['decoded']} blocks decoded, {case['blocks']} needed, {case['compressed'] / 1e6:.0f} MB "
        f"compressed, {case['partitions']} partitions, analysis {case['analysis']:.1f} s, "
        "peak of a process that holds all partitions, without the analysis, "
        f"{_megabytes(case['peak'])}, script {_megabytes(case['script_peak'])}; files, by stage:"
    )


def _stages(stages: dict[str, float]) -> list[str]:
    total = sum(stages.values()) or 1.0
    listed = sorted(stages.items(), key=lambda entry: -entry[1])
    return [f"    {name:<20} {seconds:8.3f} s {100 * seconds / total:5.1f} %" for name, seconds in listed]


def _tell_workers(case: dict[str, Any]) -> list[str]:
    gain = case["1"]["wall"] / case["2"]["wall"]
    peak = _megabytes(max(one["peak"] for one in case.values()))
    return [
        f"workers: one {case['1']['wall']:.2f} s, two {case['2']['wall']:.2f} s (wall): {gain:.2f} x; peak of a worker "
        f"{peak}"
    ]


def _tell_growth(case: dict[str, Any]) -> list[str]:
    return [f"growth, {name}: {one['cpu']:.2f} s cpu, peak {_megabytes(one['peak'])}" for name, one in case.items()]


def _tell_remote(case: dict[str, Any]) -> list[str]:
    ratio = case["http"] / case["local"]
    return [
        f"remote: local {case['local']:.2f} s, over HTTP with {1000 * case['delay']:.0f} ms to the first byte "
        f"{case['http']:.2f} s: {ratio:.2f} x (wall)"
    ]


def _tell_many(case: dict[str, Any]) -> list[str]:
    peaks = case["peaks"]
    return [
        f"{case['features']:,} touching parcels, a runner and one worker process: analysis {case['analysis']:.1f} s, "
        f"one interval with files {case['interval']:.1f} s, {case['done']:,} done, {case['failed']:,} failed, "
        f"{case['partitions']} partitions",
        f"    peak memory: runner {_megabytes(peaks['runner'])} (analysis {_megabytes(peaks['analysis'])}, "
        f"before it {_megabytes(peaks['before'])}), worker {_megabytes(peaks['worker'])}, "
        f"script {_megabytes(peaks['script'])}",
    ]


def _tell_fixed(case: dict[str, Any]) -> list[str]:
    lines = [f"fixed: what a worker pays however little it does; {case['dates']} dates, seconds of the processor"]
    lines += [f"    {name:<52} {seconds:8.3f} s" for name, seconds in case["once"].items()]
    lines += [f"    {'each partition: ' + name:<52} {seconds:8.3f} s" for name, seconds in case["each"].items()]
    return [*lines, "  one parcel's files, by stage:", *_stages(case["stages"])]


def _tell_commands(case: dict[str, Any]) -> list[str]:
    return ["whole commands: seconds of the processor, and wall", *_timed(case)]


def _tell_synchronous(case: dict[str, Any]) -> list[str]:
    lines = [f"synchronous, {case['fields']} fields across blocks x {case['dates']} dates: seconds, medians"]
    return lines + _timed({name: one for name, one in case.items() if name not in ("dates", "fields")})


def _timed(case: dict[str, Any]) -> list[str]:
    return [f"    {name:<24} {one['cpu']:8.3f} s {one['wall']:8.3f} s" for name, one in case.items()]


def _tell_far(case: dict[str, Any]) -> list[str]:
    lines = [
        f"far: {1000 * case['delay']:.0f} ms, {case['rate'] * 8e-6:.0f} Mbit/s, {case['images']} images; the link "
        f"alone {case['link']:.1f} s, beside the images {case['local']:.1f} s (wall), ideal {case['ideal']} requests"
    ]
    return lines + [
        f"    {name} job {one['wall']:.1f} s, {one['requests']} requests, {_megabytes(one['bytes'])}"
        for name, one in (("first", case["first"]), ("second", case["second"]))
    ]


def _tell_large(case: dict[str, Any]) -> list[str]:
    return [f"large: analysis of {case['features']} features {case['cpu']:.1f} s, peak {_megabytes(case['peak'])}"]


def _tell_regions(case: dict[str, Any]) -> list[str]:
    return ["regions, two dates: seconds of the processor"] + [
        f"    {name:<24} {one['cpu']:8.2f} s  {one.get('note', '')}".rstrip()
        if "cpu" in one
        else f"    {name}: {one['note']}"
        for name, one in case.items()
    ]


def tell_latency(case: dict[str, Any]) -> list[str]:
    lines = [f"{'status calls':<14}{'calls':>6}{'median ms':>11}{'p99 ms':>9}{'longest':>9}{'p99 / idle':>12}"]
    return lines + [
        f"{name:<14}{one['calls']:6d}{one['median']:11.1f}{one['p99']:9.1f}{one['longest']:9.1f}"
        f"{one['p99'] / case['idle']['p99']:11.1f}x"
        for name, one in case.items()
    ]


def tell_jpeg2000(case: dict[str, Any]) -> list[str]:
    crops, requests = case["crop seconds"], case["most requests"]
    lines = [
        f"JPEG 2000: {case['tiles']} tiles, OpenJPEG alone {case['OpenJPEG']:.2f} s of the processor, arpent "
        f"{case['arpent']:.2f} s ({case['arpent'] / case['OpenJPEG']:.2f}x)"
    ]
    return lines + [
        f"    a crop of 4 tiles over {1000 * case['delay']:.0f} ms, {words:<24} {crops[name]:6.2f} s, "
        f"at most {requests[name]} requests"
        for name, words in (("arpent", "unknown file"), ("known", "tiles known"), ("GDAL", "GDAL's way"))
    ]


def tell_zarr(case: dict[str, dict[str, float]]) -> list[str]:
    return ["Zarr: every chunk of a store, seconds of the processor"] + [
        f"    {layout:<26}" + ", ".join(f"{who} {seconds:.3f} s" for who, seconds in each.items())
        for layout, each in case.items()
    ]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


TELLERS = {
    "workers": _tell_workers, "growth": _tell_growth, "remote": _tell_remote, "many": _tell_many, "fixed": _tell_fixed,
    "commands": _tell_commands, "synchronous": _tell_synchronous, "far": _tell_far, "large": _tell_large,
    "regions-peers": _tell_regions, "latency": tell_latency, "jpeg2000": tell_jpeg2000, "zarr": tell_zarr,
}  # fmt: skip
