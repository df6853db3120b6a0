"""Processing units."""

from __future__ import annotations

import numpy as np
import pytest

from arpent.engine.processing_units import area, band_samples, processing_units


def test_the_floor_sits_on_the_area_not_on_the_product():
    assert area(np.array([400, 262_144])).tolist() == [0.01, 1.0]
    assert processing_units(np.array([400]), np.array([band_samples([(("B04", "B08"), 1)])])) == pytest.approx(0.02 / 3)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([(("B02", "B03", "B04", "dataMask"), 1)], 1.0),
        ([(("dataMask",), 3)], 1.0),
        ([(("B04",), 9)], 3.0),
        ([(("B04",), 2), (("B08", "dataMask"), 1)], 1.0),
    ],
)
def test_mask_counts_only_alone_and_samples_multiply(inputs: list[tuple[tuple[str, ...], int]], expected: float):
    assert band_samples(inputs) == pytest.approx(expected)
