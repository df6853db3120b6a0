"""Numbers: checks of synchronous statistics that hold for any imagery: constants, counts, edges, intervals, cost."""

from __future__ import annotations

from typing import Any

from arpent.cli.conformance.bodies import (
    MASKED,
    SEEN,
    THROWS,
    Box,
    box_at,
    corner,
    day_after,
    statistical,
)
from arpent.cli.conformance.check import Checks, Failed, close, equal, expect
from arpent.cli.conformance.checks.catalog import find_scene
from arpent.cli.conformance.polygon_rule import samples_inside
from arpent.cli.conformance.shapes import INSTANT, error_of, intervals_of, json_of, stats_of
from arpent.cli.conformance.target import STATISTICS, Target

CHECKS = Checks("number")
TENTH = 0.10000000149011612
"""0.1 as a 32-bit float."""


def ask(target: Target, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The intervals of a synchronous answer."""
    return intervals_of(target.call("POST", STATISTICS, json=body))


def only(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The only interval. Raises Failed if there are none or several."""
    equal("the number of intervals with data", len(entries), 1)
    return entries[0]


def standard(target: Target) -> dict[str, Any]:
    """The interval of constants over 304 m x 197 m at 10 m; it is requested only once."""
    if "standard" not in target.shared:
        scene = find_scene(target)
        body = statistical(scene, box_at(scene, 304, 197))
        body["calculations"] = {
            "seven": {
                "histograms": {"default": {"bins": [0.0, 7.0, 10.0]}},
                "statistics": {"default": {"percentiles": {"k": [5, 50, 99.9]}}},
            },
            "pair": {"histograms": {"default": {"nBins": 4, "lowEdge": 0.0, "highEdge": 1.0}}},
            "byte": {"histograms": {"default": {"binWidth": 100, "lowEdge": 0, "highEdge": 300}}},
        }
        target.shared["standard"] = only(ask(target, body))
    found: dict[str, Any] = target.shared["standard"]
    return found


def bands_of(target: Target, output: str, band: str = "B0") -> dict[str, Any]:
    """Statistics and histogram of a band in the standard interval."""
    found: dict[str, Any] = standard(target)["outputs"][output]["bands"][band]
    return found


@CHECKS.add("3.3")
def constant(target: Target) -> None:
    """For a constant, min, max and mean are the constant, and stDev is 0."""
    stats = stats_of(standard(target), "seven")
    for name, wanted in {"min": 7.0, "max": 7.0, "mean": 7.0, "stDev": 0.0}.items():
        close(f"{name} of 7", stats[name], wanted)


@CHECKS.add("3.3")
def floats_of_32_bits(target: Target) -> None:
    """Values are 32-bit floats: the minimum of 0.1 is 0.10000000149011612."""
    equal("min of 0.1", stats_of(standard(target), "pair", "tenth")["min"], TENTH)
    equal("min of -1.5", stats_of(standard(target), "pair", "low")["min"], -1.5)


@CHECKS.add("3.3")
def whole_numbers(target: Target) -> None:
    """Integer outputs are rounded and clamped: UINT8 of 300.2 is 255, of 2.6 is 3."""
    close("max of UINT8 of 300.2", stats_of(standard(target), "byte")["max"], 255)
    close("max of UINT8 of 2.6", stats_of(standard(target), "rounded")["max"], 3)


@CHECKS.add("3.2")
def mask_is_no_output(target: Target) -> None:
    """dataMask is not reported as an output."""
    equal("the outputs", sorted(standard(target)["outputs"]), ["byte", "pair", "rounded", "seven"])


@CHECKS.add("4.1")
def count_of_samples(target: Target) -> None:
    """304 m x 197 m at 10 m are 30 x 20 samples."""
    stats = stats_of(standard(target), "seven")
    equal("sampleCount", stats["sampleCount"], 600)
    equal("noDataCount under a mask of 1", stats["noDataCount"], 0)


@CHECKS.add("4.1")
def sides_are_rounded(target: Target) -> None:
    """655.3 m x 66.9 m at 10 m are 66 x 7 samples: sides are rounded, not cut off."""
    scene = find_scene(target)
    found = only(ask(target, statistical(scene, box_at(scene, 655.3, 66.9))))
    equal("sampleCount", stats_of(found, "seven")["sampleCount"], 462)


@CHECKS.add("2.3")
def fractions_of_a_size(target: Target) -> None:
    """width 11.9 and height 5.2 are 11 x 5 samples: fractions are cut off."""
    scene = find_scene(target)
    body = statistical(scene, box_at(scene, 300, 200), resx=None, resy=None, width=11.9, height=5.2)
    equal("sampleCount", stats_of(only(ask(target, body)), "seven")["sampleCount"], 55)


@CHECKS.add("2.3")
def default_size(target: Target) -> None:
    """Without a sample size there are 256 x 256 samples."""
    scene = find_scene(target)
    body = statistical(scene, box_at(scene, 2560, 2560), resx=None, resy=None)
    equal("sampleCount", stats_of(only(ask(target, body)), "seven")["sampleCount"], 65_536)


@CHECKS.add("3.2")
def masked(target: Target) -> None:
    """Where no sample is valid, min, max, mean and stDev are the string NaN, and there are no percentiles."""
    scene = find_scene(target)
    body = statistical(scene, box_at(scene, 304, 197), MASKED)
    body["calculations"] = {"default": {"statistics": {"default": {"percentiles": {"k": [50]}}}}}
    stats = stats_of(only(ask(target, body)), "seven")
    equal("min, max, mean, stDev", [stats[name] for name in ("min", "max", "mean", "stDev")], ["NaN"] * 4)
    equal("(sampleCount, noDataCount)", (stats["sampleCount"], stats["noDataCount"]), (600, 600))
    expect("percentiles" not in stats, "there are percentiles")


@CHECKS.add("3.3")
def percentiles(target: Target) -> None:
    """Percentiles are named 5.0, 50.0 and 99.9, and are values of the samples."""
    found = bands_of(target, "seven")["stats"].get("percentiles")
    equal("percentiles of 7", found, {"5.0": 7.0, "50.0": 7.0, "99.9": 7.0})


@CHECKS.add("3.3")
def edges_that_are_given(target: Target) -> None:
    """A value on an edge belongs to the bin above, and nothing of 7 is below or above the edges 0, 7, 10."""
    found = bands_of(target, "seven")["histogram"]
    wanted = [(0.0, 7.0, 0), (7.0, 10.0, 600)]
    equal("bins", [(b["lowEdge"], b["highEdge"], b["count"]) for b in found["bins"]], wanted)
    equal("(underflowCount, overflowCount)", (found["underflowCount"], found["overflowCount"]), (0, 0))


@CHECKS.add("3.3")
def underflow(target: Target) -> None:
    """Values below the first edge are counted as underflow, in no bin."""
    found = bands_of(target, "pair", "low")["histogram"]
    equal("counts of the bins", [b["count"] for b in found["bins"]], [0, 0, 0, 0])
    equal("(underflowCount, overflowCount)", (found["underflowCount"], found["overflowCount"]), (600, 0))


@CHECKS.add("3.3")
def number_of_bins(target: Target) -> None:
    """Four bins from 0 to 1 have the edges 0, 0.25, 0.5, 0.75 and 1."""
    found = bands_of(target, "pair", "tenth")["histogram"]["bins"]
    equal("low edges", [b["lowEdge"] for b in found], [0.0, 0.25, 0.5, 0.75])
    equal("counts", [b["count"] for b in found], [600, 0, 0, 0])


@CHECKS.add("3.3")
def width_of_bins(target: Target) -> None:
    """There are three bins of 100 from 0 to 300, and the edges of an integer output are whole numbers."""
    found = bands_of(target, "byte")["histogram"]["bins"]
    equal("edges", [(b["lowEdge"], b["highEdge"]) for b in found], [(0, 100), (100, 200), (200, 300)])
    expect(all(isinstance(b["lowEdge"], int) for b in found), "edges of integers are written as floats")
    equal("counts", [b["count"] for b in found], [0, 0, 600])


@CHECKS.add("4.2")
def half_a_box(target: Target) -> None:
    """Of a box and a polygon over its western half, half of the samples are inside."""
    scene = find_scene(target)
    box = box_at(scene, 300, 200)
    _inside(target, box, [corner(box, *at) for at in ((0, 0), (0.5, 0), (0.5, 1), (0, 1), (0, 0))], 300)


@CHECKS.add("4.2")
def slanted_edges(target: Target) -> None:
    """Along slanted edges, samples are inside by the rule of 7 of 2048 sub-samples."""
    scene = find_scene(target)
    box = box_at(scene, 300, 200)
    ring = [corner(box, *at) for at in ((0.03, 0.11), (0.97, 0.02), (0.41, 0.93), (0.03, 0.11))]
    _inside(target, box, ring, samples_inside(ring, box, 30, 20))


def _inside(target: Target, box: Box, ring: list[list[float]], wanted: int) -> None:
    """Check how many of 30 x 20 samples are inside a polygon."""
    body = statistical(find_scene(target), box, SEEN)
    body["input"]["bounds"]["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    answer = target.call("POST", STATISTICS, json=body)
    stats = stats_of(only(intervals_of(answer)), "seven")
    equal("sampleCount", stats["sampleCount"], 600)
    equal("sampleCount - noDataCount", stats["sampleCount"] - stats["noDataCount"], wanted)
    if "geometryPixelCount" in answer.json():
        equal("geometryPixelCount", answer.json()["geometryPixelCount"], wanted)


@CHECKS.add("2.3")
def last_interval(target: Target) -> None:
    """A last interval that would pass the end is left out, shortened or extended, as lastIntervalBehavior says."""
    scene = find_scene(target)
    day, box = scene.day, box_at(scene, 300, 200)
    days = {"from": f"{day_after(day, -1)}T00:00:00Z", "to": f"{day}T23:59:59Z"}
    for behaviour, end in {
        "SKIP": None,
        "SHORTEN": f"{day}T23:59:59Z",
        "EXTEND": f"{day_after(day)}T00:00:00Z",
    }.items():
        interval = {"of": "P2D", "lastIntervalBehavior": behaviour}
        found = ask(target, statistical(scene, box, timeRange=days, aggregationInterval=interval))
        equal(f"ends of intervals of {behaviour}", [e["interval"]["to"] for e in found], [end] if end else [])


@CHECKS.add("3.2")
def nothing_without_images(target: Target) -> None:
    """An interval without acquisitions is left out, and the status is OK."""
    scene = find_scene(target)
    days = {"from": "2001-01-01T00:00:00Z", "to": "2001-01-02T00:00:00Z"}
    equal("data", ask(target, statistical(scene, box_at(scene, 300, 200), timeRange=days)), [])


@CHECKS.add("5.5")
def script_that_throws(target: Target) -> None:
    """A script that throws fails its interval (EXECUTION_ERROR) or the request (400, RENDERER_EXCEPTION)."""
    scene = find_scene(target)
    answer = target.call("POST", STATISTICS, json=statistical(scene, box_at(scene, 300, 200), THROWS))
    if answer.status_code == 400:
        error_of(answer, 400, "RENDERER_EXCEPTION")
        return
    for entry in json_of(answer)["data"]:
        equal("error.type", entry.get("error", {}).get("type"), "EXECUTION_ERROR")
        expect(INSTANT.fullmatch(entry["interval"]["from"]), "the interval has no beginning")


@CHECKS.add("7")
def processing_units(target: Target) -> None:
    """x-processingunits-spent is width x height / 512² x bands / 3: for 256 x 256 samples of one band 0.0833."""
    scene = find_scene(target)
    body = statistical(scene, box_at(scene, 2560, 2560), resx=None, resy=None, width=256, height=256)
    answer = target.call("POST", STATISTICS, json=body)
    json_of(answer)
    try:
        spent = float(answer.headers["x-processingunits-spent"])
    except (KeyError, ValueError):
        raise Failed("the header x-processingunits-spent is missing or not a number") from None
    close("x-processingunits-spent", spent, 0.25 / 3, 1e-6)
