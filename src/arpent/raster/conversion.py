"""Conversion: turns stored numbers into digital numbers of the old scale: baseline offsets, clamping, and the value for
no data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from arpent.domain.imagery.collection import Band, Unit
from arpent.domain.imagery.item import Asset
from arpent.domain.imagery.raster import Raster


@dataclass(frozen=True, slots=True, kw_only=True)
class BandRequest:
    """One band that a script asks for."""

    band: Band
    """The band to read."""
    unit: Unit
    """The unit that the script asks for; digital numbers are scaled to it when the script runs."""

    def shifted(self, harmonize: bool) -> bool:
        """Whether the baseline offset is added to the stored numbers; `harmonize`: the request's harmonizeValues."""
        return self.band.harmonized and (harmonize or self.unit.name != "DN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """How a stored number of one image becomes a digital number; the same for all samples."""

    offset: float
    """Added to every number that is data."""
    low: float
    """Smallest result; smaller ones are clamped to it."""
    high: float
    """Largest result; larger ones are clamped to it."""
    no_data: float | None
    """Stored number that means no data, in addition to NaN; None: only NaN means no data."""
    dtype: np.dtype[np.generic]
    """Type of the results, wide enough for `hole`."""

    @classmethod
    def of(
        cls, requested: BandRequest, raster: Raster, asset: Asset, harmonize: bool, interpolated: bool
    ) -> Conversion:
        """The conversion for one band of an image, by the rule of sentinelhub.md 6 (harmonizeValues).

        With `harmonize`, numbers are shifted to the old scale and negative results become 0. Without it, REFLECTANCE is
        shifted but may be negative, and DN stays as stored in the file.
        """
        band = requested.band
        shifted = requested.shifted(harmonize)
        clamped = band.harmonized and harmonize
        dtype = _result_type(raster.dtype, signed=shifted and not clamped, interpolated=interpolated)
        low, high = _limits(dtype)
        return cls(
            offset=asset.harmonization if shifted else 0.0,
            low=0.0 if clamped else low,
            high=high,
            no_data=band.no_data.of(raster.no_data_of(band.index), masked=raster.masked, declared=asset.no_data),
            dtype=dtype,
        )


def hole(unit: Unit, no_data_value: float) -> float:
    """The digital number that, scaled to the unit, gives the collection's no-data value (sentinelhub.md 6: 0, or NaN
    for Landsat)."""
    number = (no_data_value - unit.offset) / unit.scale
    # Because of rounding, the quotient may be one bit off the number that scales to exactly 0, which scripts test for.
    near = (number, math.nextafter(number, -math.inf), math.nextafter(number, math.inf))
    return next((each for each in near if each * unit.scale + unit.offset == no_data_value), number)


def wide_enough(dtype: np.dtype[np.generic], number: float) -> np.dtype[np.generic]:
    """`dtype` if it can hold the number exactly, otherwise a float type that can hold the number and all numbers of
    `dtype`."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            whole = math.isnan(number) or float(dtype.type(number)) == number
    else:
        whole = number == number // 1 and _limits(dtype)[0] <= number <= _limits(dtype)[1]
    if whole:
        return dtype
    wider = np.result_type(dtype, np.float32)
    return wide_enough(wider, number) if wider != dtype else np.result_type(dtype, np.float64)


def _result_type(stored: np.dtype[np.generic], *, signed: bool, interpolated: bool) -> np.dtype[np.generic]:
    if stored.kind == "f":
        return np.result_type(stored, np.float32)
    if interpolated:
        return np.result_type(stored, np.float32)
    if signed:
        return np.result_type(stored, np.int32)
    return stored


@cache  # needed for each band of each image; numpy would create the limits each time
def _limits(dtype: np.dtype[np.generic]) -> tuple[float, float]:
    if dtype.kind == "f":
        return -math.inf, math.inf
    limits = np.iinfo(dtype)  # type: ignore[type-var]
    return float(limits.min), float(limits.max)
