"""Warm: compiles this machine's kernels into their cache, by running small jobs on a generated landscape."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer

from arpent.adapters.formats.geopackage import read_features
from arpent.adapters.sources.table import catalog_address
from arpent.api.run import run_features
from arpent.domain.feature import Features
from arpent.landscape.make import Landscape, make_landscape
from arpent.settings import Settings

SCRIPT = """//VERSION=3
function setup() {{
  return {{
    input: [{{ bands: ["B04", "B08", "SCL", "dataMask"] }}],
    mosaicking: "{mosaicking}",
    output: [
      {{ id: "index", bands: 1, sampleType: "{sample_type}" }},
      {{ id: "other", bands: 1, sampleType: "{sample_type}" }},
      {{ id: "dataMask", bands: {mask_bands} }}
    ]
  }};
}}
function evaluatePixel(samples) {{
  const s = samples.length === undefined ? samples : samples[0];
  const seen = s !== undefined && s.dataMask === 1 && s.SCL !== 3;
  const index = seen ? 100 * (s.B08 - s.B04) / (s.B08 + s.B04) : 0;
  return {{ index: [index], other: [index / 2], dataMask: [seen ? 1 : 0] }};
}}
"""
DEGREES = 4326


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A job that needs kernels which the other examples may not need."""

    name: str
    """What is special about this job."""
    sample_type: str = "FLOAT32"
    """Sample type of its output."""
    mask_bands: str = "1"
    """Bands of its dataMask: one for all outputs, or the outputs that have one."""
    mosaicking: str = "SIMPLE"
    resampling: str = "NEAREST"
    degrees: bool = False
    """Whether its features are in degrees."""
    finer: float = 1.0
    """Samples per 10 m."""
    rich: bool = True
    """Whether it asks for percentiles and histograms."""


EXAMPLES = (
    Example(name="numbers", rich=False),
    Example(name="percentiles and histograms"),
    Example(name="an output without a mask", mask_bands='["index"]', rich=False),
    Example(name="more of an output without a mask", mask_bands='["index"]'),
    Example(name="degrees", degrees=True),
    Example(name="overviews", finer=0.5),
    Example(name="several images of a day", mosaicking="ORBIT"),
    Example(name="tiles", mosaicking="TILE", degrees=True, finer=0.5),
    Example(name="bilinear", resampling="BILINEAR", finer=2),
    Example(name="bicubic", resampling="BICUBIC", finer=2, degrees=True),
    *(
        Example(name=f"{'more ' if rich else ''}numbers of {kind}", sample_type=kind, rich=rich)
        for kind in ("UINT8", "INT8", "UINT16", "INT16", "AUTO")
        for rich in (False, True)
    ),
)


def warm(settings: Settings, told: Callable[[str], None]) -> None:
    """Run each example, after calling `told` with its name. Raises what a job raises."""
    with TemporaryDirectory(prefix="arpent-") as folder:
        for bucket in ("fields", "results"):
            Path(folder, bucket).mkdir()
        land = make_landscape(Path(folder, "land"), parcels=12, scenes=3, tile=128)
        update: dict[str, Any] = {
            "buckets": Path(folder), "catalog": catalog_address(str(land.catalog)), "catalogs": {}, "bucket_grants": {},
            "executor": "inline", "compile_scripts": True,
        }  # fmt: skip
        own = settings.model_copy(update=update)
        (fields,) = read_features(land.features)
        for example in EXAMPLES:
            told(example.name)
            run_features(own, _body(example, land), _in_degrees(fields) if example.degrees else fields, lambda _: None)


def _body(example: Example, land: Landscape) -> str:
    side = (0.0001 if example.degrees else 10.0) / example.finer
    aggregation: dict[str, Any] = {
        "timeRange": {"from": f"{land.start}T00:00:00Z", "to": f"{land.end}T23:00:00Z"},
        "aggregationInterval": {"of": "P5D", "lastIntervalBehavior": "SHORTEN"},
        "evalscript": SCRIPT.format(
            mosaicking=example.mosaicking, sample_type=example.sample_type, mask_bands=example.mask_bands
        ),
        "resx": side,
        "resy": side,
    }
    keys = {"accessKey": "not-needed", "secretAccessKey": "not-needed"}
    processing = {"upsampling": example.resampling, "downsampling": example.resampling}
    request: dict[str, Any] = {
        "input": {
            "features": {"s3": {"url": "s3://fields/fields.gpkg", **keys}},
            "data": [{"type": "sentinel-2-l2a", "processing": processing}],
        },
        "aggregation": aggregation,
        "output": {"s3": {"url": "s3://results", **keys}},
    }
    return json.dumps({**request, "calculations": _calculations(example)} if example.rich else request)


def _calculations(example: Example) -> dict[str, Any]:
    """Edges of bins have the type of the output: 100, or 100.0."""
    low, high = (0.0, 100.0) if example.sample_type in ("FLOAT32", "AUTO") else (0, 100)
    histogram = {"nBins": 10, "lowEdge": low, "highEdge": high}
    return {
        "default": {
            "histograms": {"default": histogram},
            "statistics": {"default": {"percentiles": {"k": [5, 50, 95]}}},
        }
    }


def _in_degrees(fields: Features) -> Features:
    transformer = Transformer.from_crs(fields.crs, DEGREES, always_xy=True)

    def moved(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    return fields.reshaped(shapely.transform(fields.geometries, moved), CRS.from_epsg(DEGREES))
