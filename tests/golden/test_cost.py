"""Published prices of the real service (FACTS 7)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import shapely
from pyproj import Transformer

from arpent.domain.grid import Grids, Resolution
from arpent.engine.processing_units import band_samples, processing_units
from tests.support.published import Case, cases, one_test_each

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


def test_the_grids_of_the_batch_are_those_of_its_parcels(shared_data: Path):
    """A hundred parcels of the documentation's own GeoPackage, in metres."""
    (case,) = (case for case in cases("processing_units") if "grids" in case["input"])
    _, _, shapes, _ = pyogrio.raw.read(shared_data / "parcels" / "geopackage-example.gpkg", max_features=100)
    change = Transformer.from_crs(4326, 32633, always_xy=True).transform
    parcels = shapely.transform(shapely.from_wkb(shapes), lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))
    grids = Grids.over(shapely.bounds(parcels), Resolution(x=10.0, y=10.0))
    assert np.column_stack((grids.width, grids.height)).tolist() == case["input"]["grids"]
