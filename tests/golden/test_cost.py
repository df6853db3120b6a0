"""Published prices of the real service (sentinelhub.md 7)."""

from __future__ import annotations

import numpy as np
import pytest

from arpent.engine.processing_units import band_samples, processing_units
from tests.support.published import Case, one_test_each

SAMPLES = ("samples", "acquisitionsPerFeature", "intervalsWithData")
"""Names under which a case says how many samples a pixel has."""
FACTORS = {"format": 2, "orthorectify": 2}
"""Factors of the process API (32-bit float) and of Sentinel-1 processing, neither of which is served."""


@one_test_each("processing_units")
def test_the_price(case: Case):
    wish, expected = case["input"], case["expected"]
    sizes = wish["grids"] if "grids" in wish else [[wish["width"], wish["height"]]]
    bands = wish["inputBands"] if "inputBands" in wish else [f"B{number}" for number in range(wish["bands"])]
    (samples,) = (wish[name] for name in SAMPLES if name in wish)
    weights = np.full(len(sizes), band_samples([(bands, samples)]))
    found = processing_units(np.prod(sizes, axis=1), weights)
    for name, factor in FACTORS.items():
        found *= factor if name in wish else 1
    (price,) = (expected[name] for name in ("pu", "costPU", "x-processingunits-spent") if name in expected)
    assert found == pytest.approx(price, rel=expected.get("relTol", 1e-15))
