"""Bodies: the requests that the suite sends. Boxes are in EPSG:3857, so that no projection library is needed."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

from arpent.cli.conformance.target import Scene

RADIUS = 6_378_137.0
"""Radius of the sphere of EPSG:3857 in metres."""
MERCATOR = "http://www.opengis.net/def/crs/EPSG/0/3857"
Box = tuple[float, float, float, float]
NOWHERE = Scene(longitude=11.35, latitude=46.5, day="2024-06-01")
"""A place for requests that are refused before any image is searched for."""

CONSTANTS = """//VERSION=3
function setup() {
  return {
    input: [{ bands: ["B04", "dataMask"] }],
    output: [
      { id: "seven", bands: 1, sampleType: "FLOAT32" },
      { id: "pair", bands: ["low", "tenth"], sampleType: "FLOAT32" },
      { id: "byte", bands: 1, sampleType: "UINT8" },
      { id: "rounded", bands: 1, sampleType: "UINT8" },
      { id: "dataMask", bands: 1 }
    ]
  };
}
function evaluatePixel(samples) {
  return { seven: [7], pair: [-1.5, 0.1], byte: [300.2], rounded: [2.6], dataMask: [1] };
}
"""
"""A script whose numbers do not depend on the imagery; its mask is 1 everywhere."""
MASKED = CONSTANTS.replace("dataMask: [1]", "dataMask: [0]")
SEEN = CONSTANTS.replace("dataMask: [1]", "dataMask: [samples.dataMask]")
"""A script of constants, with the mask of the imagery and the polygon."""
THROWS = CONSTANTS.replace("return { seven", 'throw new Error("as asked"); return { seven')


def box_at(scene: Scene, width: float, height: float) -> Box:
    """A box of this many metres (of the projection) around the place."""
    x = math.radians(scene.longitude) * RADIUS
    y = math.log(math.tan(math.pi / 4 + math.radians(scene.latitude) / 2)) * RADIUS
    x, y = round(x), round(y)
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def corner(box: Box, x: float, y: float) -> list[float]:
    """A point in the box, as fractions of its width from the west and of its height from the south."""
    return [box[0] + x * (box[2] - box[0]), box[1] + y * (box[3] - box[1])]


def day_after(day: str, days: int = 1) -> str:
    """The day this many days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def statistical(scene: Scene, box: Box, script: str = CONSTANTS, **aggregation: Any) -> dict[str, Any]:
    """A synchronous request for the scene's day at 10 m; `aggregation` replaces its fields; None removes them."""
    fields = {
        "timeRange": {"from": f"{scene.day}T00:00:00Z", "to": f"{day_after(scene.day)}T00:00:00Z"},
        "aggregationInterval": {"of": "P1D"},
        "resx": 10,
        "resy": 10,
        "evalscript": script,
        **aggregation,
    }
    return {
        "input": {
            "bounds": {"bbox": list(box), "properties": {"crs": MERCATOR}},
            "data": [{"type": "sentinel-2-l2a"}],
        },
        "aggregation": {name: value for name, value in fields.items() if value is not None},
    }


def batch(features: str, output: str, access: dict[str, str], script: str = SEEN, **aggregation: Any) -> dict[str, Any]:
    """A batch request; `access`: keys for both the features and the output."""
    made = statistical(NOWHERE, (0, 0, 1, 1), script, **aggregation)
    made["input"] = {
        "features": {"s3": {"url": features, **access}},
        "data": [{"type": "sentinel-2-l2a"}],
    }
    made["output"] = {"s3": {"url": output, **access}}
    return made
