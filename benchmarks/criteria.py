"""Criteria: goals for the engine, and whether a run meets them; only what the run measured is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

GIGABYTE = 1e9
NOISE = 1.05
"""Tolerance for noise: twice the work that takes twice the time is not measured as exactly 2.00."""
SHAPES = (
    ("regions", "numbers", 2.0), ("voronoi", "numbers", 1.8), ("orbit", "numbers", 1.8),
    ("orbit-sparse", "numbers", 1.5), ("dense", "numbers", 2.0), ("dense", "files", 4.5),
)  # fmt: skip
"""Case, work, and the maximum multiple of the floor's time that it may take."""
ONCE = 52.9
"""Seconds that the case of very many parcels took when its goal was set, on a busy machine with two cores."""
Cases = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One goal and what was measured."""

    name: str
    """What is measured."""
    goal: float
    """The bound that has to be met."""
    at_least: bool = False
    """Whether the bound is a minimum, not a maximum."""
    measured: float
    """The measured value."""
    extrapolated: bool = False
    """Whether the value is extrapolated from a part of the work."""

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.measured >= self.goal if self.at_least else self.measured <= self.goal

    @property
    def goal_told(self) -> str:
        """The bound as text, with its direction."""
        return f"{'>=' if self.at_least else '<='} {self.goal:g}"

    @property
    def verdict(self) -> str:
        """Whether the goal is met, as text."""
        return ("met" if self.met else "NOT MET") + (" (extrapolated)" if self.extrapolated else "")

    def as_json(self) -> dict[str, object]:
        """The criterion as it is written to the JSON file of the run."""
        return {
            "criterion": self.name, "goal": self.goal_told, "measured": self.measured, "met": self.met,
            "extrapolated": self.extrapolated,
        }  # fmt: skip


def judge(found: dict[str, Any]) -> list[Criterion]:
    """All criteria for which this run has measurements, in the order of RULES."""
    return [one for rule in RULES for one in rule(found["cases"])]


def _floors(cases: Cases) -> Iterator[Criterion]:
    for name, where, goals in (("sparse", "UTM", (1.05, 1.2)), ("degrees", "EPSG:4326", (1.6, 2.0))):
        if not (case := cases.get(name)):
            continue
        ratio = {what: taken["cpu"] / case["floor"]["cpu"] for what, taken in case["arpent"].items()}
        for what, goal in zip(("numbers", "files"), goals, strict=True):
            yield Criterion(name=f"{where}: {what}, multiple of the floor", goal=goal, measured=ratio[what])
        for what in ("numbers", "files"):
            more = ratio[f"{what}, percentiles, histogram"] - ratio[what]
            yield Criterion(name=f"{where}: 5 percentiles and 20 bins on top of {what}", goal=0.3, measured=more)


def _shapes(cases: Cases) -> Iterator[Criterion]:
    for name, what, goal in SHAPES:
        if case := cases.get(name):
            measured = case["arpent"][what]["cpu"] / case["floor"]["cpu"]
            yield Criterion(name=f"{name}: {what}, multiple of the floor", goal=goal, measured=measured)
    for name, case in cases.items():
        if "decoded" in case:
            measured = case["decoded"] / case["blocks"]
            yield Criterion(name=f"{name}: blocks decoded, multiple of those needed", goal=1.1, measured=measured)


def _dense(cases: Cases) -> Iterator[Criterion]:
    if not (cases.get("dense") and (fastest := _fastest(cases.get("dense-peers", {}), lambda _: True))):
        return
    peer, taken = fastest
    for what in ("numbers", "files"):
        yield Criterion(
            name=f"dense: {what}, times the fastest peer ({peer})", goal=3, at_least=True,
            measured=taken["cpu"] / cases["dense"]["arpent"][what]["cpu"], extrapolated=taken["extrapolated"],
        )  # fmt: skip


def _sparse(cases: Cases) -> Iterator[Criterion]:
    if not (case := cases.get("sparse")):
        return
    wanted: tuple[tuple[str, float, Callable[[str], bool]], ...] = (
        ("the fastest that decodes images whole: ", 4, lambda name: "loop" not in name),
        (
            "the fastest that makes NDVI of all of them: ",
            4,
            lambda name: "loop" not in name and "where parcels are" not in name,
        ),
        ("", 10, lambda name: "files open" in name),
        ("", 200, lambda name: "opened per feature" in name),
    )
    for words, goal, fits in wanted:
        if fastest := _fastest(cases.get("peers", {}), fits):
            peer, taken = fastest
            yield Criterion(
                name=f"sparse: files, times {words}{peer}", goal=goal, at_least=True,
                measured=taken["cpu"] / case["arpent"]["files"]["cpu"], extrapolated=taken["extrapolated"],
            )  # fmt: skip


def _fastest(peers: dict[str, Any], fits: Callable[[str], bool]) -> tuple[str, dict[str, Any]] | None:
    """The fastest peer that `fits` and whose numbers agree with arpent's: others do not do the same work."""
    listed = [
        (name, taken) for name, taken in peers.items() if "cpu" in taken and taken["agreement"]["agrees"] and fits(name)
    ]
    return min(listed, key=lambda entry: entry[1]["cpu"], default=None)


def _remote(cases: Cases) -> Iterator[Criterion]:
    if case := cases.get("remote"):
        name = f"HTTP, {1000 * case['delay']:.0f} ms to the first byte: multiple of the local time (wall)"
        yield Criterion(name=name, goal=1.4, measured=case["http"] / case["local"])


def _workers(cases: Cases) -> Iterator[Criterion]:
    if case := cases.get("workers"):
        gain = case["1"]["wall"] / case["2"]["wall"]
        yield Criterion(name="two worker processes, times one (wall)", goal=1.8, at_least=True, measured=gain)


def _growth(cases: Cases) -> Iterator[Criterion]:
    """How time per unit of work changes from each amount of work to the next larger one."""
    case = cases.get("growth", {})
    for what in ("parcels", "dates"):
        steps = [one for name, one in case.items() if name.startswith(what)]
        for before, after in pairwise(steps):
            work = after["work"] / before["work"]
            name = f"growth: time against work, {before['work']:g} to {after['work']:g} {what}"
            yield Criterion(name=name, goal=NOISE, measured=after["cpu"] / before["cpu"] / work)


def _latency(cases: Cases) -> Iterator[Criterion]:
    """Meaningful only on a machine without other work."""
    for name, one in cases.get("latency", {}).items():
        if name != "idle":
            yield Criterion(name=f"status calls while {name}: 99th percentile, ms", goal=50, measured=one["p99"])


def _memory(cases: Cases) -> Iterator[Criterion]:
    """Peak memory of processes as users run them; those of other cases hold all partitions at once."""
    peaks = {f"command, {name}": one["peak"] for name, one in cases.get("commands", {}).items()}
    peaks |= {f"{name} workers": one["peak"] for name, one in cases.get("workers", {}).items()}
    if many := cases.get("many"):
        peaks["very many"] = max(many["peaks"]["worker"], many["peaks"]["script"])
    if peaks:
        worst = max(peaks, key=lambda name: peaks[name])
        name = f"peak memory of a process, GB (the most of {len(peaks)} cases: {worst})"
        yield Criterion(name=name, goal=1.5, measured=peaks[worst] / GIGABYTE)


def _many(cases: Cases) -> Iterator[Criterion]:
    if case := cases.get("many"):
        named = f"analysis of {case['features']:,} parcels"
        yield Criterion(name=f"{named}, seconds (wall)", goal=60, measured=case["analysis"])
        each = 1e6 * case["runner's analysis"] / case["features"]
        yield Criterion(name=f"{named}: the runner's microseconds of each (cpu)", goal=6, measured=each)
        share = case["runner"] / case["cpu"]
        yield Criterion(name="very many: the runner after its analysis, share of all (cpu)", goal=0.1, measured=share)
        yield Criterion(name=f"{named}, peak memory, GB", goal=1, measured=case["peaks"]["analysis"] / GIGABYTE)
    if case := cases.get("large"):
        named = f"analysis of {case['features']} features of the largest size, peak memory, GB"
        yield Criterion(name=named, goal=1, measured=case["peak"] / GIGABYTE)


def _jpeg2000(cases: Cases) -> Iterator[Criterion]:
    if case := cases.get("jpeg2000"):
        name = "JPEG 2000: arpent's tiles, multiple of OpenJPEG's own time"
        yield Criterion(name=name, goal=1.2, measured=case["arpent"] / case["OpenJPEG"])
        name = "JPEG 2000: requests of a scattered crop, its tiles known"
        yield Criterion(name=name, goal=4, measured=case["most requests"]["known"])
        seconds = case["crop seconds"]
        for words, which in (("unknown file", "arpent"), ("tiles known", "known")):
            name = f"JPEG 2000 over {1000 * case['delay']:.0f} ms, {words}: times as fast as GDAL's way"
            yield Criterion(name=name, goal=5, at_least=True, measured=seconds["GDAL"] / seconds[which])


def _zarr(cases: Cases) -> Iterator[Criterion]:
    for layout, each in cases.get("zarr", {}).items():
        fastest = min((who for who in each if who != "arpent"), key=lambda who: each[who])
        name = f"Zarr, {layout}: multiple of {fastest}"
        yield Criterion(name=name, goal=NOISE, measured=each["arpent"] / each[fastest])


def _commands(cases: Cases) -> Iterator[Criterion]:
    if not (case := cases.get("commands")):
        return
    yield Criterion(name="one parcel by `arpent run`, s (wall)", goal=1.5, measured=case["one parcel"]["wall"])
    if dense := cases.get("dense"):
        measured = case["dense, table"]["cpu"] / dense["floor"]["cpu"]
        yield Criterion(name="dense: whole `arpent run` as a table, multiple of the floor", goal=3, measured=measured)
    gain = case["sparse, workers: 1"]["wall"] / case["sparse, workers: 2"]["wall"]
    yield Criterion(
        name="sparse: whole `arpent run` by two workers, times one (wall)", goal=1.7, at_least=True, measured=gain
    )
    name = "very many: whole `arpent run`, one date, s (wall; half of what 700,000 took once)"
    yield Criterion(name=name, goal=ONCE / 2, measured=case["very many, files,table"]["wall"])


def _synchronous(cases: Cases) -> Iterator[Criterion]:
    if not (case := cases.get("synchronous")):
        return
    name = f"synchronous: field x {case['dates']} dates across blocks, share of a rasterio loop (wall)"
    yield Criterion(name=name, goal=1 / 3, measured=case["field"]["wall"] / case["rasterio loop"]["wall"])
    for name in ("field again", "neighbour"):
        yield Criterion(name=f"synchronous: {name}, s (wall)", goal=0.05, measured=case[name]["wall"])


def _far(cases: Cases) -> Iterator[Criterion]:
    if not (case := cases.get("far")):
        return
    link = f"{1000 * case['delay']:.0f} ms and {case['rate'] * 8e-6:.0f} Mbit/s away"
    first, second = case["first"], case["second"]
    yield Criterion(
        name=f"{link}: requests, multiple of the ideal", goal=1.2, measured=first["requests"] / case["ideal"]
    )
    longer = max(case["link"], case["local"])
    yield Criterion(
        name=f"{link}: multiple of the longer of link and local time (wall)", goal=1.2, measured=first["wall"] / longer
    )
    beyond = second["requests"] - case["images"]
    yield Criterion(name=f"{link}: requests of a second job but one per image", goal=0, measured=beyond)


def _regions(cases: Cases) -> Iterator[Criterion]:
    case = cases.get("regions-peers", {})
    if "cpu" in (taken := case.get("exactextract", {})) and taken["agreement"]["agrees"]:
        yield Criterion(
            name="regions x 2: numbers, times exactextract on whole images", goal=3, at_least=True,
            measured=taken["cpu"] / case["arpent"]["cpu"], extrapolated=taken["extrapolated"],
        )  # fmt: skip


RULES = (
    _floors,
    _shapes,
    _dense,
    _sparse,
    _remote,
    _workers,
    _growth,
    _memory,
    _many,
    _jpeg2000,
    _zarr,
    _latency,
    _commands,
    _synchronous,
    _far,
    _regions,
)
