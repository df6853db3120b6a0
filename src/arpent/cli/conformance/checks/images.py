"""Images: checks of numbers that need the suite's own data set as the server's catalogue."""

from __future__ import annotations

from datetime import date
from typing import Any

from arpent.cli.conformance.bodies import Box, statistical
from arpent.cli.conformance.check import Checks, Failed, NotChecked, close, equal
from arpent.cli.conformance.checks.batch import results
from arpent.cli.conformance.checks.catalog import search
from arpent.cli.conformance.checks.numbers import ask, only
from arpent.cli.conformance.made_scenes import DAYS, FIELDS, LAST_DAY, SCENE, UTM, block
from arpent.cli.conformance.polygon_rule import samples_inside
from arpent.cli.conformance.shapes import stats_of
from arpent.cli.conformance.target import Target

CHECKS = Checks("data")
RED = """//VERSION=3
function setup() {
  return {
    input: [{ bands: ["B04", "B08", "dataMask"] }],
    output: [
      { id: "red", bands: 1, sampleType: "FLOAT32" },
      { id: "ndvi", bands: 1, sampleType: "FLOAT32" },
      { id: "dataMask", bands: 1 }
    ]
  };
}
function evaluatePixel(samples) {
  var sum = samples.B08 + samples.B04;
  return {
    red: [samples.B04], ndvi: [sum ? (samples.B08 - samples.B04) / sum : 0], dataMask: [samples.dataMask]
  };
}
"""
ORBITS = """//VERSION=3
function setup() {
  return {
    input: [{ bands: ["B04", "dataMask"] }],
    output: [{ id: "count", bands: 1 }, { id: "newest", bands: 1 }, { id: "dataMask", bands: 1 }],
    mosaicking: "ORBIT"
  };
}
function evaluatePixel(samples) {
  return { count: [samples.length], newest: [samples[0].B04], dataMask: [1] };
}
"""


def request(box: Box, start: str, end: str, script: str = RED, **data_filter: Any) -> dict[str, Any]:
    """A synchronous request over a box of the data set, in one interval."""
    days = (date.fromisoformat(end) - date.fromisoformat(start)).days
    time_range = {"from": f"{start}T00:00:00Z", "to": f"{end}T00:00:00Z"}
    body = statistical(SCENE, box, script, timeRange=time_range, aggregationInterval={"of": f"P{days}D"})
    body["input"]["bounds"]["properties"]["crs"] = UTM
    if data_filter:
        body["input"]["data"][0]["dataFilter"] = data_filter
    return body


def mean_red(target: Target, box: Box, start: str, end: str, **data_filter: Any) -> Any:
    """The mean of B04. Raises NotChecked if the catalogue is not the data set."""
    has_data(target)
    return stats_of(only(ask(target, request(box, start, end, **data_filter))), "red")["mean"]


def has_data(target: Target) -> None:
    """Raise NotChecked unless the server's catalogue is the data set."""
    if not target.has_data:
        raise NotChecked("the server's catalogue is not the suite's data set: see --make-data and --data")


@CHECKS.add("1.1")
def catalogue(target: Target) -> None:
    """The catalogue finds the three acquisitions, and no others."""
    has_data(target)
    page = search(target, datetime=f"{DAYS[0]}T00:00:00Z/{LAST_DAY}T00:00:00Z")
    equal("the days", sorted(each["properties"]["datetime"][:10] for each in page["features"]), list(DAYS))


@CHECKS.add("3.3")
def ramp(target: Target) -> None:
    """Over 12 columns with a step of 0.001, mean, extremes, stDev, percentile and counts are those of the formula."""
    has_data(target)
    body = request(block(10, 20, 8, 12), DAYS[0], "2023-06-02")
    body["calculations"] = {
        "red": {
            "statistics": {"default": {"percentiles": {"k": [50]}}},
            "histograms": {"default": {"bins": [0.12, 0.125, 0.131]}},
        }
    }
    entry = only(ask(target, body))
    stats, histogram = stats_of(entry, "red"), entry["outputs"]["red"]["bands"]["B0"]["histogram"]
    for name, wanted in {"min": 0.12, "max": 0.131, "mean": 0.1255, "stDev": 0.001 * (143 / 12) ** 0.5}.items():
        close(name, stats[name], wanted, 1e-8)
    close("percentile 50", stats["percentiles"]["50.0"], 0.126, 1e-8)
    equal("(sampleCount, noDataCount)", (stats["sampleCount"], stats["noDataCount"]), (96, 0))
    found = [*[b["count"] for b in histogram["bins"]], histogram["underflowCount"], histogram["overflowCount"]]
    # As 32-bit floats, 0.12 and 0.131 are slightly smaller, and 0.125 is exact.
    equal("counts of bins, underflow, overflow", found, [32, 56, 8, 0])


@CHECKS.add("3.3")
def ndvi(target: Target) -> None:
    """The index of red 0.3 and near infrared 0.4 is 1/7."""
    has_data(target)
    stats = stats_of(only(ask(target, request(block(2, 20, 10, 10), DAYS[1], "2023-06-04"))), "ndvi")
    close("mean", stats["mean"], 1 / 7, 1e-7)


@CHECKS.add("2.2")
def newest_on_top(target: Target) -> None:
    """Of two acquisitions in an interval the newer one counts, and leastRecent reverses that."""
    box = block(10, 20, 8, 12)
    close("mean", mean_red(target, box, DAYS[0], "2023-06-05"), 0.3, 1e-7)
    close(
        "mean of leastRecent", mean_red(target, box, DAYS[0], "2023-06-05", mosaickingOrder="leastRecent"), 0.1255, 1e-7
    )


@CHECKS.add("2.2")
def clearest_on_top(target: Target) -> None:
    """leastCC takes the tile with the fewest clouds."""
    found = mean_red(target, block(10, 20, 8, 12), DAYS[0], "2023-06-05", mosaickingOrder="leastCC")
    close("mean", found, 0.1255, 1e-7)


@CHECKS.add("2.2")
def clouds_of_a_tile(target: Target) -> None:
    """maxCloudCoverage leaves out tiles with more clouds."""
    found = mean_red(target, block(10, 20, 8, 12), DAYS[0], "2023-06-05", maxCloudCoverage=20)
    close("mean", found, 0.1255, 1e-7)


@CHECKS.add("2.2")
def older_below(target: Target) -> None:
    """Where the newest tile has no data, the one below it counts."""
    found = mean_red(target, block(10, 12, 8, 8), DAYS[0], "2023-06-05")
    close("mean of four columns of each", found, (0.1135 + 0.3) / 2, 1e-7)


@CHECKS.add("3.3")
def no_data(target: Target) -> None:
    """Pixels without data are counted in noDataCount, and nowhere else."""
    has_data(target)
    stats = stats_of(only(ask(target, request(block(10, 12, 8, 8), DAYS[1], "2023-06-04"))), "red")
    equal("(sampleCount, noDataCount)", (stats["sampleCount"], stats["noDataCount"]), (64, 32))
    close("mean", stats["mean"], 0.3, 1e-7)


@CHECKS.add("5.2")
def samples_of_days(target: Target) -> None:
    """With mosaicking ORBIT a script sees a sample of each day, the newest first."""
    has_data(target)
    entry = only(ask(target, request(block(10, 20, 8, 12), DAYS[0], "2023-06-05", ORBITS)))
    close("the number of samples", stats_of(entry, "count")["mean"], 2)
    close("the first one's B04", stats_of(entry, "newest")["mean"], 0.3, 1e-7)


@CHECKS.add("4.2")
def batch_counts(target: Target) -> None:
    """In the files of a batch request, each polygon has the samples of the rule."""
    has_data(target)
    found = results(target)
    for field in FIELDS:
        for entry in found[field.id]["response"]["data"][:1]:
            stats = stats_of(entry, "seven")
            xs, ys = zip(*field.ring, strict=True)
            box = (min(xs), min(ys), max(xs), max(ys))
            width, height = (max(1, int(side / 10 + 0.5)) for side in (box[2] - box[0], box[3] - box[1]))
            equal(f"sampleCount of {field.identifier}", stats["sampleCount"], width * height)
            wanted = samples_inside(field.ring, box, width, height)
            equal(f"samples inside {field.identifier}", stats["sampleCount"] - stats["noDataCount"], wanted)


@CHECKS.add("3.2")
def batch_is_synchronous(target: Target) -> None:
    """The files of a batch request hold what the synchronous API answers for the same polygon."""
    has_data(target)
    found = results(target)
    sent = target.shared["finished"]["request"]["aggregation"]
    for field in FIELDS:
        body = statistical(SCENE, (0, 0, 1, 1), sent["evalscript"], timeRange=sent["timeRange"])
        ring = [list(point) for point in field.ring]
        body["input"]["bounds"] = {"geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {"crs": UTM}}
        at_once = {entry["interval"]["from"]: entry["outputs"] for entry in ask(target, body)}
        stored = {entry["interval"]["from"]: entry["outputs"] for entry in found[field.id]["response"]["data"]}
        if at_once != stored:
            raise Failed(f"{field.identifier} differs in {sorted(set(at_once) ^ set(stored)) or 'its numbers'}")
