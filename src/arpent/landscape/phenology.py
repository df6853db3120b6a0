"""Phenology: crops, and their reflectance on a day of the year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BANDS = ("B02", "B03", "B04", "B08")
"""Bands of the landscape's images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """Greenness of a crop over the year: a logistic curve up and another down."""

    share: float
    """Share of the parcels."""
    least: float
    """Green cover before and after the season, 0 (bare soil) to 1."""
    most: float
    """Green cover at its maximum."""
    rise: float
    """Day of the year on which the green cover has risen by half."""
    fall: float
    """Day of the year on which the green cover has fallen by half."""
    pace: float
    """Width of the curves' slope in days."""
    green: tuple[float, float, float, float]
    """Reflectance of full cover in BANDS."""


CROPS: Mapping[str, Crop] = {
    "wheat": Crop(share=0.3, least=0.08, most=0.95, rise=95, fall=186, pace=9, green=(0.025, 0.055, 0.03, 0.44)),
    "maize": Crop(share=0.27, least=0.05, most=0.97, rise=168, fall=265, pace=8, green=(0.025, 0.06, 0.03, 0.48)),
    "rapeseed": Crop(share=0.12, least=0.1, most=0.95, rise=80, fall=172, pace=8, green=(0.03, 0.08, 0.04, 0.46)),
    "grass": Crop(share=0.21, least=0.6, most=0.9, rise=100, fall=290, pace=14, green=(0.03, 0.07, 0.04, 0.42)),
    "forest": Crop(share=0.1, least=0.55, most=0.98, rise=115, fall=295, pace=10, green=(0.018, 0.035, 0.02, 0.33)),
}
_SOIL = np.array((0.075, 0.1, 0.13, 0.2))
ROAD = np.array((0.12, 0.13, 0.14, 0.17))
"""Reflectance of asphalt in BANDS."""
WATER = np.array((0.05, 0.045, 0.03, 0.015))
"""Reflectance of a river in BANDS."""


def green_cover(crop: Crop, day: NDArray[np.float64]) -> NDArray[np.float64]:
    """Green cover, 0 to 1, on days of the year."""
    up = 1 / (1 + np.exp(-(day - crop.rise) / crop.pace))
    down = 1 / (1 + np.exp(-(day - crop.fall) / crop.pace))
    return crop.least + (crop.most - crop.least) * (up - down)


def reflectance(
    crops: NDArray[np.str_], day: float, lateness: NDArray[np.float64], vigour: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n, 4): reflectance in BANDS of parcels, each `lateness` days behind the others and as green as its `vigour`."""
    seen = np.empty((len(crops), len(BANDS)))
    for name, crop in CROPS.items():
        rows = np.flatnonzero(crops == name)
        green = np.clip(green_cover(crop, day - lateness[rows]) * vigour[rows], 0, 1)[:, np.newaxis]
        seen[rows] = green * np.array(crop.green) + (1 - green) * _SOIL
    return seen
