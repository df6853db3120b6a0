"""What a script sees outside the polygon and where there is no data, if a unit has a scale and an offset: the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from arpent.settings import Settings
from arpent.wire.request.body import SentBody
from arpent.worker import answer_statistics
from tests.support.cogs import write

TYPE = "byoc-00000000-0000-4000-8000-000000000001"
TOML = f"""
id = "{TYPE}"
no_data_value = %s
[units]
kelvin = [{{ name = "DN", scale = %s, offset = %s }}]
[bands]
HEAT = {{ assets = ["heat"], units = "kelvin" }}
"""
SCRIPT = """//VERSION=3
function setup() { return { input: ["HEAT", "dataMask"], mosaicking: "%s",
  output: [{ id: "heat", bands: 1 }, { id: "dataMask", bands: 1 }] } }
function evaluatePixel(samples) {
  var sample = samples.length === undefined ? samples : samples[0];
  return { heat: [sample.dataMask ? 1000 : sample.HEAT], dataMask: [1] } }"""
DIAMOND = shapely.Polygon([(500060, 5099880), (500120, 5099940), (500060, 5100000), (500000, 5099940)])


@pytest.mark.parametrize("mosaicking", ["SIMPLE", "ORBIT"])
@pytest.mark.parametrize(
    ("scale", "offset", "no_data_value"),
    [(2, 5, 0.0), (0.003, 0.7, 0.0), (2.75e-5, -0.2, 0.0), (0.01, 0, -1.0), (0.5, -3, 9.0)],
)
@pytest.mark.parametrize("stored", ["uint8", "float32"])
def test_the_collections_no_data_value(
    tmp_path: Path, mosaicking: str, scale: float, offset: float, no_data_value: float, stored: str
) -> None:
    pixels = np.full((12, 12), 7, stored)
    pixels[4:8, 4:8] = 0
    stats = answer(tmp_path, pixels, TOML % (no_data_value, scale, offset), SCRIPT % mosaicking)
    assert (stats["min"], stats["noDataCount"]) == (no_data_value, 0)
    low = stats["histogram"]["bins"][0]["count"]
    assert stats["mean"] == pytest.approx((low * no_data_value + (144 - low) * 1000) / 144), "nothing between the two"
    assert low > 16, "samples outside the polygon, and 16 inside"


def answer(folder: Path, pixels: np.ndarray, toml: str, script: str) -> dict[str, Any]:
    """Statistics and histogram of the one band over the diamond."""
    for name in ("items", "toml"):
        (folder / name).mkdir()
    (folder / "toml" / "own.toml").write_text(toml)
    write(folder / "items" / "heat.tif", pixels)
    item = {
        "type": "Feature", "id": "one", "properties": {"datetime": "2023-06-01T10:00:00Z"},
        "geometry": shapely.geometry.mapping(shapely.box(14, 45, 16, 47)), "assets": {"heat": {"href": "heat.tif"}},
    }  # fmt: skip
    (folder / "items" / "one.json").write_text(json.dumps(item))
    crs = {"crs": "http://www.opengis.net/def/crs/EPSG/0/32633"}
    body = {
        "input": {
            "bounds": {"geometry": shapely.geometry.mapping(DIAMOND), "properties": crs}, "data": [{"type": TYPE}],
        },
        "aggregation": {
            "timeRange": {"from": "2023-06-01T00:00:00Z", "to": "2023-06-02T00:00:00Z"}, "evalscript": script,
            "aggregationInterval": {"of": "P1D"}, "resx": 10, "resy": 10,
        },
        "calculations": {"default": {"histograms": {"default": {"bins": [-100.0, 500.0, 2000.0]}}}},
    }  # fmt: skip
    settings = Settings(catalog=str(folder / "items"), collections=folder / "toml", buckets=folder, script_seconds=10)
    payload, _, _ = answer_statistics(settings, SentBody(text=json.dumps(body)))
    (interval,) = json.loads(payload)["data"]
    band = interval["outputs"]["heat"]["bands"]["B0"]
    return {**band["stats"], "histogram": band["histogram"]}
