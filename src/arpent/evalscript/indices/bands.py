"""Bands: which band of a collection has which role in the formulas."""

from __future__ import annotations

from collections.abc import Mapping

SENTINEL_2 = {
    "A": "B01", "B": "B02", "G": "B03", "R": "B04", "RE1": "B05", "RE2": "B06", "RE3": "B07", "N": "B08",
    "N2": "B8A", "WV": "B09", "S1": "B11", "S2": "B12",
}  # fmt: skip
OLI = {"A": "B01", "B": "B02", "G": "B03", "R": "B04", "N": "B05", "S1": "B06", "S2": "B07"}
"""Landsat 8 and 9."""
TM = {"B": "B01", "G": "B02", "R": "B03", "N": "B04", "S1": "B05", "S2": "B07"}
"""Landsat 4, 5 and 7."""
HLS = {
    "A": "CoastalAerosol", "B": "Blue", "G": "Green", "R": "Red", "RE1": "RedEdge1", "RE2": "RedEdge2",
    "RE3": "RedEdge3", "N": "NIR_Narrow", "N2": "NIR_Narrow", "WV": "WaterVapor", "S1": "SWIR1", "S2": "SWIR2",
}  # fmt: skip
"""N is the narrow band, which both missions have; only Sentinel-2 has the red-edge and water-vapour bands."""

BANDS: Mapping[str, Mapping[str, str]] = {
    "sentinel-2-l2a": SENTINEL_2,
    "sentinel-2-l1c": SENTINEL_2,
    "landsat-ot-l2": OLI,
    "landsat-ot-l1": OLI,
    "landsat-tm-l2": TM,
    "landsat-tm-l1": TM,
    "landsat-etm-l2": TM,
    "landsat-etm-l1": TM,
    "hls": HLS,
}
"""Collection → role → band. A: coastal aerosol; B, G, R: blue, green, red; RE1 to RE3: red edge near 705, 740 and
783 nm; N, N2: near infrared, broad and narrow; WV: water vapour; S1, S2: short-wave infrared near 1.6 and 2.2 µm."""
