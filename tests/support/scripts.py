"""Evalscripts for tests, each twice: as JavaScript for the server and as a Python function for the oracle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

REFLECTANCE = 0.0001


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of several sources of a data fusion."""

    source: int
    """Which entry of `input.data`."""
    bands: tuple[str, ...]
    mosaicking: str = "SIMPLE"
    scales: Mapping[str, float] = field(default_factory=dict)
    """As in Script."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """One evalscript."""

    text: str
    """JavaScript."""
    bands: tuple[str, ...]
    """Bands it reads, without dataMask."""
    outputs: Mapping[str, tuple[str, ...]]
    """Output id → band names, dataMask excluded."""
    pixel: Callable[[Any], Mapping[str, Any]]
    """The same as evaluatePixel, over a dict (SIMPLE) or a list of dicts (ORBIT, TILE)."""
    mosaicking: str = "SIMPLE"
    sample_types: Mapping[str, str] = field(default_factory=dict)
    """Output id → integer sample type; absent: FLOAT32."""
    masked: Mapping[str, int] | None = None
    """Output id → its band of dataMask; outputs that are absent are not masked. None: band 0 masks them all."""
    scales: Mapping[str, float] = field(default_factory=dict)
    """Band → factor from digital number to value; absent: reflectance, and 1 for SCL."""

    fusion: Mapping[str, Part] = field(default_factory=dict)
    """Name of a source → what it gives; `pixel` then gets a dict of lists by these names. Empty: one source."""
    sees_scenes: bool = False
    """Whether `pixel` takes the scenes as its second argument: dicts with ISO instants, as long as the samples."""
    keep: Callable[[list[dict[str, Any]]], list[int]] | None = None
    """preProcessScenes: which scenes stay, in which order."""
    widths: Callable[[int], Mapping[str, int]] | None = None
    """updateOutput: number of scenes → output id → number of its bands, which are then B0, B1 …"""

    @property
    def parts(self) -> Mapping[str, Part]:
        """All sources; without fusion the first entry of `input.data`."""
        alone = Part(source=0, bands=self.bands, mosaicking=self.mosaicking, scales=self.scales)
        return self.fusion or {"": alone}


SEED_TEXT = """
//VERSION=3
function setup() {
  return {
    input: [{ bands: ["B04", "dataMask"] }],
    output: [
      { id: "output_B04", bands: 1, sampleType: "FLOAT32" },
      { id: "dataMask", bands: 1 }
    ]
  };
}
function evaluatePixel(samples) {
  return { output_B04: [samples.B04], dataMask: [samples.dataMask] };
}
"""

SEED = Script(
    text=SEED_TEXT,
    bands=("B04",),
    outputs={"output_B04": ("B0",)},
    pixel=lambda sample: {"output_B04": [sample["B04"]], "dataMask": [sample["dataMask"]]},
)
"""What the documentation's batch example computes."""


def _index(first: float, second: float) -> float:
    """(first - second) / (first + second) as JavaScript divides: 0/0 is NaN."""
    total = first + second
    return (first - second) / total if total else math.nan


def _ndvi(sample: Mapping[str, float]) -> Mapping[str, Any]:
    clear = sample["dataMask"] == 1 and sample["SCL"] not in (8, 9)
    return {
        "index": [_index(sample["B08"], sample["B04"])],
        "bands": [sample["B02"], sample["B04"]],
        "classes": [sample["SCL"]],
        "dataMask": [1.0 if clear else 0.0, sample["dataMask"]],
    }


NDVI = Script(
    text="""//VERSION=3
function setup() {
  return {
    input: [{bands: ["B02", "B04", "B08", "SCL", "dataMask"]}],
    output: [
      {id: "index", bands: 1},
      {id: "bands", bands: ["blue", "red"], sampleType: "FLOAT32"},
      {id: "classes", bands: 1, sampleType: "UINT8"},
      {id: "dataMask", bands: ["index", "bands"]}
    ]
  };
}
function evaluatePixel(s) {
  const clear = s.dataMask === 1 && ![8, 9].includes(s.SCL);
  return {
    index: [(s.B08 - s.B04) / (s.B08 + s.B04)],
    bands: [s.B02, s.B04],
    classes: [s.SCL],
    dataMask: [clear ? 1 : 0, s.dataMask]
  };
}
""",
    bands=("B02", "B04", "B08", "SCL"),
    outputs={"index": ("B0",), "bands": ("blue", "red"), "classes": ("B0",)},
    sample_types={"classes": "UINT8"},
    masked={"index": 0, "bands": 1},
    pixel=_ndvi,
)
"""Several outputs, named bands, one mask for each of two outputs and none for the third, an integer type."""


def _greenest(samples: list[Mapping[str, float]]) -> Mapping[str, Any]:
    greenest, count, newest = -2.0, 0.0, 0.0
    for sample in samples:
        if not sample["dataMask"]:
            continue
        if not count:
            newest = sample["B04"]
        count += 1
        greenest = max(greenest, _index(sample["B08"], sample["B04"]))
    return {"greenest": [greenest], "seen": [count, newest], "dataMask": [1.0 if count else 0.0]}


_GREENEST_TEXT = """//VERSION=3
function setup() {
  return {
    input: ["B04", "B08", "dataMask"],
    output: [{id: "greenest", bands: 1}, {id: "seen", bands: ["count", "newest"]}, {id: "dataMask", bands: 1}],
    mosaicking: Mosaicking.ORBIT
  };
}
function evaluatePixel(samples) {
  let greenest = -2, count = 0, newest = 0;
  for (const s of samples) {
    if (!s.dataMask) continue;
    if (!count) newest = s.B04;
    count++;
    greenest = Math.max(greenest, (s.B08 - s.B04) / (s.B08 + s.B04));
  }
  return {greenest: [greenest], seen: [count, newest], dataMask: [count ? 1 : 0]};
}
"""

GREENEST_DAY = Script(
    text=_GREENEST_TEXT,
    bands=("B04", "B08"),
    outputs={"greenest": ("B0",), "seen": ("count", "newest")},
    mosaicking="ORBIT",
    pixel=_greenest,
)
"""ORBIT: a maximum over the days, how many there were, and the first of them."""

GREENEST_TILE = Script(
    text=_GREENEST_TEXT.replace("Mosaicking.ORBIT", '"TILE"'),
    bands=("B04", "B08"),
    outputs={"greenest": ("B0",), "seen": ("count", "newest")},
    mosaicking="TILE",
    pixel=_greenest,
)
"""The same over every tile."""


def at_the_head_of_evaluate_pixel(statement: str) -> str:
    """The seed's script with one more statement."""
    head = "function evaluatePixel(samples) {\n"
    return SEED_TEXT.replace(head, f"{head}  {statement}\n")


def slow_script(turns: int) -> str:
    """The seed's script with a loop of so many turns per pixel, whose result does not matter to the numbers."""
    loop = f"let wait = 0; for (let i = 0; i < {turns}; i++) wait = (wait * 31 + i) % 1000003;"
    return at_the_head_of_evaluate_pixel(loop).replace("[samples.B04]", "[wait < 0 ? -1 : samples.B04]")
