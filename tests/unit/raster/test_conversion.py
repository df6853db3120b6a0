"""harmonizeValues, by the table of sentinelhub.md 6, and what stands for no data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from arpent.domain.imagery.collection import NoData, Unit
from arpent.domain.request import Resampling
from arpent.raster.conversion import hole, wide_enough
from arpent.raster.mosaic import simple
from tests.support.cogs import DN, REFLECTANCE, MemoryReader, band, boxes_site, collection, item, source, wants

STORED = np.array([[0, 1, 500, 1500]], np.uint16)
"""No data, below the offset twice, above it."""


@pytest.mark.parametrize(
    ("harmonize", "unit", "expected", "dtype"),
    [
        (True, REFLECTANCE, [0, 0, 0, 500], np.uint16),
        (True, DN, [0, 0, 0, 500], np.uint16),
        (False, REFLECTANCE, [0, -999, -500, 500], np.int32),
        (False, DN, [0, 1, 500, 1500], np.uint16),
    ],
)
def test_the_baseline_offset(harmonize: bool, unit: Unit, expected: list[int], dtype: type) -> None:
    red = band("B04", harmonized=True)
    mosaic = simple(
        [item("i", {"B04": "x"}, harmonization=-1000.0)], wants(red, unit=unit),
        boxes_site([[500000, 5099990, 500040, 5100000]]), MemoryReader({"x": STORED}),
        source=source(harmonize_values=harmonize), collection=collection(red),
    )  # fmt: skip
    assert mosaic.values[0].tolist() == expected
    assert mosaic.values[0].dtype == dtype
    assert mosaic.mask.tolist() == [0, 1, 1, 1], "clamped to 0 is data; the file's 0 is none"


def test_a_band_that_is_not_harmonized_stays_as_it_is() -> None:
    aerosol = band("AOT")
    mosaic = simple(
        [item("i", {"AOT": "x"}, harmonization=-1000.0)], wants(aerosol),
        boxes_site([[500000, 5099990, 500040, 5100000]]), MemoryReader({"x": STORED}),
        source=source(), collection=collection(aerosol),
    )  # fmt: skip
    assert mosaic.values[0].tolist() == [0, 1, 500, 1500]


def test_no_data_of_landsat_is_nan_and_makes_room_for_it() -> None:
    red = band("B04", units=(Unit(name="REFLECTANCE", scale=2.75e-5, offset=-0.2),))
    mosaic = simple(
        [item("i", {"B04": "x"})], wants(red, unit=red.units[0]), boxes_site([[500000, 5099990, 500040, 5100000]]),
        MemoryReader({"x": STORED}), source=source(), collection=collection(red, no_data_value=math.nan),
    )  # fmt: skip
    np.testing.assert_array_equal(mosaic.values[0], [math.nan, 1, 500, 1500])


FILE, OWN, FALLBACK, NONE = NoData(), NoData(value=1.0, always=True), NoData(value=1.0), NoData(value=None, always=True)
"""Nothing said; `no_data = 1`; `fallback_no_data = 1`; `no_data = "none"`."""


@pytest.mark.parametrize(
    ("rule", "tag", "masked", "expected"),
    [
        (FILE, None, False, [0, 1, 1, 1]),
        (FILE, 500.0, False, [1, 1, 0, 1]),
        (FILE, None, True, [1, 1, 1, 1]),
        (FALLBACK, None, False, [1, 0, 1, 1]),
        (FALLBACK, 500.0, False, [1, 1, 0, 1]),
        (FALLBACK, None, True, [1, 1, 1, 1]),
        (OWN, None, False, [1, 0, 1, 1]),
        (OWN, 500.0, False, [1, 0, 1, 1]),
        (OWN, 500.0, True, [1, 0, 1, 1]),
        (NONE, None, False, [1, 1, 1, 1]),
        (NONE, 0.0, False, [1, 1, 1, 1]),
    ],
)
def test_four_words_for_no_data(rule: NoData, tag: float | None, masked: bool, expected: list[int]) -> None:
    red = band("B04", no_data=rule)
    mosaic = simple(
        [item("i", {"B04": "x"})], wants(red), boxes_site([[500000, 5099990, 500040, 5100000]]),
        MemoryReader({"x": STORED}, no_data=tag, masked=masked), source=source(), collection=collection(red),
    )  # fmt: skip
    assert mosaic.mask.tolist() == expected


@pytest.mark.parametrize("rule", [FILE, OWN, FALLBACK, NONE])
@pytest.mark.parametrize("resampling", list(Resampling))
def test_a_mask_always_takes_away(rule: NoData, resampling: Resampling) -> None:
    red = band("B04", no_data=rule)
    pixels = np.ma.MaskedArray(np.array([[7, 7, 9000, 7]], np.uint16), [[False, False, True, False]])
    mosaic = simple(
        [item("i", {"B04": "x"})], wants(red), boxes_site([[500000, 5099990, 500040, 5100000]], 8.0),
        MemoryReader({"x": pixels}, masked=True), source=source(upsampling=resampling), collection=collection(red),
    )  # fmt: skip
    assert mosaic.mask.tolist() == [1, 1, 0, 0, 1]
    assert mosaic.values[0].tolist() == [7, 7, 0, 0, 7], "a masked neighbour has no weight"


def test_nan_is_never_data_in_a_float_file() -> None:
    height = band("DEM", no_data=NONE, units=(DN,))
    pixels = np.array([[1.5, math.nan, -3.0, 0.0]], np.float32)
    mosaic = simple(
        [item("i", {"DEM": "x"})], wants(height, unit=DN), boxes_site([[500000, 5099990, 500040, 5100000]]),
        MemoryReader({"x": pixels}), source=source(), collection=collection(height),
    )  # fmt: skip
    assert mosaic.mask.tolist() == [1, 0, 1, 1]
    assert mosaic.values[0].tolist() == [1.5, 0.0, -3.0, 0.0]


def test_a_hole_scales_to_the_no_data_value() -> None:
    unit = Unit(name="K", scale=0.5, offset=10.0)
    assert hole(unit, 0.0) * unit.scale + unit.offset == 0.0
    assert wide_enough(np.dtype(np.uint16), 7.0) == np.uint16
    assert wide_enough(np.dtype(np.uint16), -1.0) == np.float32
    assert wide_enough(np.dtype(np.uint16), math.nan) == np.float32
    assert wide_enough(np.dtype(np.int32), 0.5) == np.float64


@pytest.mark.parametrize(("scale", "offset"), [(2.75e-5, -0.2), (0.003, 0.7), (0.00341802, 149.0), (3.0, 0.1)])
@pytest.mark.parametrize("stored", [np.uint8, np.uint16, np.float32, np.float64])
def test_what_scales_to_0_is_exactly_0(scale: float, offset: float, stored: type) -> None:
    number = hole(Unit(name="DN", scale=scale, offset=offset), 0.0)
    kept = np.full(1, number, wide_enough(np.dtype(stored), number)).astype(np.float64)
    assert kept.tolist() == [number]
    assert (kept * scale + offset).tolist() == [0.0]
