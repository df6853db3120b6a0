"""Evalscripts that use what V3 offers beside a pixel's bands: scenes, filters, updateOutput, fusion, units, types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.support.scripts import Part, Script

Sample = Mapping[str, float]


def _day(text: str) -> float:
    """Day of the year, UTC."""
    return float(datetime.fromisoformat(text).timetuple().tm_yday)


def _greenest_day(samples: Sequence[Sample], scenes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    best, day = -2.0, 0.0
    for sample, scene in zip(samples, scenes, strict=True):
        total = sample["B08"] + sample["B04"]
        if sample["dataMask"] and total and (sample["B08"] - sample["B04"]) / total > best:
            best, day = (sample["B08"] - sample["B04"]) / total, _day(scene["dateFrom"])
    return {"day": [day], "dataMask": [1.0 if day else 0.0]}


GREENEST_WHEN = Script(
    text="""//VERSION=3
function setup() {
  return {
    input: [{bands: ["B04", "B08", "dataMask"]}],
    output: [{id: "day", bands: 1, sampleType: "UINT16"}, {id: "dataMask", bands: 1}],
    mosaicking: "ORBIT"
  };
}
function dayOfYear(date) {
  const at = new Date(date), year = at.getUTCFullYear();
  return (Date.UTC(year, at.getUTCMonth(), at.getUTCDate()) - Date.UTC(year, 0, 0)) / 864e5;
}
function evaluatePixel(samples, scenes) {
  let best = -2, day = 0;
  for (let i = 0; i < samples.length; i++) {
    if (!samples[i].dataMask) continue;
    const value = index(samples[i].B08, samples[i].B04);
    if (value > best) { best = value; day = dayOfYear(scenes.orbits[i].dateFrom); }
  }
  return {day: [day], dataMask: [day > 0 ? 1 : 0]};
}
""",
    bands=("B04", "B08"),
    outputs={"day": ("B0",)},
    sample_types={"day": "UINT16"},
    mosaicking="ORBIT",
    sees_scenes=True,
    pixel=_greenest_day,
)
"""On which day the index was highest: `scenes.orbits[i].dateFrom`."""


def _late(scenes: list[dict[str, Any]]) -> list[int]:
    """Clear ones, oldest first."""
    clear = [row for row, scene in enumerate(scenes) if scene["cloudCoverage"] <= 50]
    return sorted(clear, key=lambda row: str(scenes[row]["date"]))


def _first_two(samples: Sequence[Sample]) -> Mapping[str, Any]:
    valid = [sample["B04"] for sample in samples if sample["dataMask"]]
    return {"default": [valid[0] if valid else math.nan, float(len(samples))], "dataMask": [1.0 if valid else 0.0]}


FILTERED = Script(
    text="""//VERSION=3
function setup() {
  return {
    input: ["B04", "dataMask"],
    output: [{bands: ["first", "scenes"]}, {id: "dataMask", bands: 1}],
    mosaicking: Mosaicking.TILE
  };
}
function preProcessScenes(collections) {
  const clear = collections.scenes.tiles.filter(tile => tile.cloudCoverage <= 50);
  collections.scenes.tiles = clear.sort((a, b) => new Date(a.date) - new Date(b.date));
  return collections;
}
function evaluatePixel(samples) {
  const valid = samples.filter(s => s.dataMask === 1);
  return {default: [valid.length ? valid[0].B04 : NaN, samples.length], dataMask: [valid.length ? 1 : 0]};
}
""",
    bands=("B04",),
    outputs={"default": ("first", "scenes")},
    mosaicking="TILE",
    keep=_late,
    pixel=_first_two,
)
"""Clouds filtered and order turned before anything is read."""

PER_SCENE = Script(
    text="""//VERSION=3
function setup() {
  return {
    input: [{bands: ["B04", "dataMask"], units: "DN"}],
    output: [{id: "red", bands: 1, sampleType: "INT16"}, {id: "dataMask", bands: 1}],
    mosaicking: "ORBIT"
  };
}
function updateOutput(output, collection) {
  output.red.bands = collection.scenes.length;
}
function evaluatePixel(samples) {
  return {red: samples.map(s => s.B04), dataMask: [samples.some(s => s.dataMask) ? 1 : 0]};
}
""",
    bands=("B04",),
    outputs={"red": ("B0",)},
    sample_types={"red": "INT16"},
    scales={"B04": 1.0},
    mosaicking="ORBIT",
    widths=lambda count: {"red": count},
    pixel=lambda samples: {
        "red": [sample["B04"] for sample in samples],
        "dataMask": [1.0 if any(sample["dataMask"] for sample in samples) else 0.0],
    },
)
"""One band per scene, in digital numbers."""


def _change(samples: Mapping[str, Sequence[Sample]]) -> Mapping[str, Any]:
    before, after = samples["early"], samples["late"]
    both = bool(before and after and before[0]["dataMask"] and after[0]["dataMask"])
    change = after[0]["B04"] - before[0]["B04"] if both else 0.0
    return {"change": [change], "lengths": [float(len(before)), float(len(after))], "dataMask": [1.0 if both else 0.0]}


CHANGE = Script(
    text="""//VERSION=3
function setup() {
  return {
    input: [{datasource: "early", bands: ["B04", "dataMask"]}, {datasource: "late", bands: ["B04", "B08", "dataMask"]}],
    output: [{id: "change", bands: 1}, {id: "lengths", bands: 2}, {id: "dataMask", bands: ["change"]}]
  };
}
function evaluatePixel(samples) {
  const a = samples.early[0], b = samples.late[0];
  const both = a !== undefined && b !== undefined && a.dataMask && b.dataMask;
  return {
    change: [both ? b.B04 - a.B04 : 0],
    lengths: [samples.early.length, samples.late.length],
    dataMask: [both ? 1 : 0]
  };
}
""",
    bands=(),
    outputs={"change": ("B0",), "lengths": ("B0", "B1")},
    masked={"change": 0},
    fusion={"early": Part(source=0, bands=("B04",)), "late": Part(source=1, bands=("B04", "B08"))},
    pixel=_change,
)
"""Two sources of one collection; a source without any scene is an empty list."""


def _anomaly(samples: Mapping[str, Sequence[Sample]]) -> Mapping[str, Any]:
    season = [sample["B08"] for sample in samples["season"] if sample["dataMask"]]
    best = samples["best"][0] if samples["best"] else {"B08": 0.0, "dataMask": 0.0}
    anomaly = best["B08"] - max(season) if season else 0.0
    return {"anomaly": [anomaly], "dataMask": [1.0 if season and best["dataMask"] else 0.0]}


ANOMALY = Script(
    text="""//VERSION=3
function setup() {
  return {
    input: [
      {datasource: "best", bands: ["B08", "dataMask"]},
      {datasource: "season", bands: ["B08", "SCL", "dataMask"], mosaicking: "ORBIT"}
    ],
    output: [{id: "anomaly", bands: 1}, {id: "dataMask", bands: 1}]
  };
}
function evaluatePixel(samples) {
  const season = samples.season.filter(s => s.dataMask).map(s => s.B08);
  const best = samples.best.length ? samples.best[0] : {B08: 0, dataMask: 0};
  const anomaly = season.length ? best.B08 - Math.max(...season) : 0;
  return {anomaly: [anomaly], dataMask: [season.length && best.dataMask ? 1 : 0]};
}
""",
    bands=(),
    outputs={"anomaly": ("B0",)},
    fusion={
        "best": Part(source=0, bands=("B08",)),
        "season": Part(source=1, bands=("B08", "SCL"), mosaicking="ORBIT"),
    },
    pixel=_anomaly,
)
"""SIMPLE and ORBIT in one script."""


def _types(sample: Sample) -> Mapping[str, Any]:
    total = sample["B08"] + sample["B04"]
    index = (sample["B08"] - sample["B04"]) / total if total else 0.0
    return {
        "percent": [100 * index, -250 * index],
        "clamped": [sample["B04"] * 1e6],
        "raw": [sample["B04"] - sample["B08"]],
        "dataMask": [sample["dataMask"], 1.0],
    }


TYPES = Script(
    text="""//VERSION=3
function setup() {
  return {
    input: ["B04", "B08", "dataMask"],
    output: [
      {id: "percent", bands: ["up", "down"], sampleType: "INT8"},
      {id: "clamped", bands: 1, sampleType: "UINT16"},
      {id: "raw", bands: 1, sampleType: "AUTO"},
      {id: "dataMask", bands: ["percent", "raw"]}
    ]
  };
}
function evaluatePixel(s) {
  const i = index(s.B08, s.B04);
  return {percent: [100 * i, -250 * i], clamped: [s.B04 * 1e6], raw: [s.B04 - s.B08], dataMask: [s.dataMask, 1]};
}
""",
    bands=("B04", "B08"),
    outputs={"percent": ("up", "down"), "clamped": ("B0",), "raw": ("B0",)},
    sample_types={"percent": "INT8", "clamped": "UINT16"},
    masked={"percent": 0, "raw": 1},
    pixel=_types,
)
"""Integer types that round and clamp, a mask that is always 1 and an output without any."""


def in_unit(unit: str, scale: float) -> Script:
    """The bands themselves, in one unit."""
    return Script(
        text=f"""//VERSION=3
function setup() {{
  return {{input: [{{bands: ["B04", "B08", "dataMask"], units: "{unit}"}}],
    output: [{{id: "bands", bands: ["B04", "B08"]}}, {{id: "dataMask", bands: 1}}]}};
}}
function evaluatePixel(s) {{
  return {{bands: [s.B04, s.B08], dataMask: [s.dataMask]}};
}}
""",
        bands=("B04", "B08"),
        outputs={"bands": ("B04", "B08")},
        scales={"B04": scale, "B08": scale},
        pixel=lambda sample: {"bands": [sample["B04"], sample["B08"]], "dataMask": [sample["dataMask"]]},
    )
