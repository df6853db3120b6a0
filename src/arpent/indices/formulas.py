"""Formulas: index → an expression in roles of bands; collection → the band of each role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralIndex:
    """One spectral index; reflectances in, from 0 to 1."""

    title: str
    """Its name in words."""
    expression: str
    """JavaScript over roles: `(N - R) / (N + R)`."""
    roles: tuple[str, ...]
    """The roles in it."""


INDICES: Mapping[str, SpectralIndex] = {
    "ndvi": SpectralIndex(
        title="normalised difference vegetation index", expression="(N - R) / (N + R)", roles=("N", "R")
    ),
    "ndwi": SpectralIndex(title="normalised difference water index", expression="(G - N) / (G + N)", roles=("G", "N")),
    "ndmi": SpectralIndex(
        title="normalised difference moisture index", expression="(N - S1) / (N + S1)", roles=("N", "S1")
    ),
    "evi": SpectralIndex(
        title="enhanced vegetation index",
        expression="2.5 * (N - R) / (N + 6 * R - 7.5 * B + 1)",
        roles=("N", "R", "B"),
    ),
    "savi": SpectralIndex(
        title="soil-adjusted vegetation index", expression="1.5 * (N - R) / (N + R + 0.5)", roles=("N", "R")
    ),
    "ndre": SpectralIndex(
        title="normalised difference red edge index", expression="(N - RE1) / (N + RE1)", roles=("N", "RE1")
    ),
    "nbr": SpectralIndex(title="normalised burn ratio", expression="(N - S2) / (N + S2)", roles=("N", "S2")),
}
"""B, G, R: blue, green, red; RE1: red edge near 705 nm; N: near infrared; S1, S2: short-wave infrared, 1.6, 2.2 µm."""

SENTINEL_2 = {"B": "B02", "G": "B03", "R": "B04", "RE1": "B05", "N": "B08", "S1": "B11", "S2": "B12"}
BANDS: Mapping[str, Mapping[str, str]] = {
    "sentinel-2-l2a": SENTINEL_2,
    "sentinel-2-l1c": SENTINEL_2,
    "landsat-ot-l2": {"B": "B02", "G": "B03", "R": "B04", "N": "B05", "S1": "B06", "S2": "B07"},
}
"""Collection → role → band."""
