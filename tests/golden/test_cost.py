"""Published prices of the real service (FACTS 7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely
from pyproj import Transformer

from arpent.domain.grid import Grids, Resolution
from arpent.engine.processing_units import band_samples, processing_units
from tests.support.published import cases

CASES = ("shpy-sync-pu", "shpy-batch-pu", "doc-parcel-pu", "doc-s1-pu")
FLOAT_PICTURE, ORTHORECTIFIED = 2, 2
"""Factors of the process API and of Sentinel-1 processing, neither of which is served; the rest must agree."""


@pytest.fixture(scope="module")
def published(shared_reference: Path) -> dict[str, dict[str, Any]]:
    return {case["id"]: case for case in cases(shared_reference, "processing_units")}


def test_none_is_missing(published: dict[str, dict[str, Any]]):
    assert set(published) == set(CASES)


def test_a_synchronous_request(published: dict[str, dict[str, Any]]):
    wish, expected = published["shpy-sync-pu"]["input"], published["shpy-sync-pu"]["expected"]
    weight = wish["intervalsWithData"] * band_samples([(wish["inputBands"], 1)])
    found = processing_units(np.array([wish["width"] * wish["height"]]), np.array([weight]))
    assert found == pytest.approx(expected["x-processingunits-spent"], rel=1e-15)


def test_a_parcel(published: dict[str, dict[str, Any]]):
    wish, expected = published["doc-parcel-pu"]["input"], published["doc-parcel-pu"]["expected"]
    weight = band_samples([([f"B{band}" for band in range(wish["bands"])], wish["samples"])])
    assert processing_units(np.array([wish["width"] * wish["height"]]), np.array([weight])) == pytest.approx(
        expected["pu"], rel=1e-15
    )


def test_radar(published: dict[str, dict[str, Any]]):
    wish, expected = published["doc-s1-pu"]["input"], published["doc-s1-pu"]["expected"]
    weight = band_samples([([f"B{band}" for band in range(wish["bands"])], wish["samples"])])
    found = processing_units(np.array([wish["width"] * wish["height"]]), np.array([weight]))
    assert found * FLOAT_PICTURE * ORTHORECTIFIED == pytest.approx(expected["pu"], rel=1e-15)


def test_a_batch(published: dict[str, dict[str, Any]], shared_data: Path):
    """A hundred parcels of the documentation's own GeoPackage, in metres."""
    wish, expected = published["shpy-batch-pu"]["input"], published["shpy-batch-pu"]["expected"]
    _, _, shapes, _ = pyogrio.raw.read(shared_data / "parcels" / "geopackage-example.gpkg", max_features=100)
    change = Transformer.from_crs(4326, 32633, always_xy=True).transform
    parcels = shapely.transform(shapely.from_wkb(shapes), lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))
    grids = Grids.over(shapely.bounds(parcels), Resolution(x=10.0, y=10.0))
    weights = np.full(len(parcels), band_samples([(wish["inputBands"], wish["acquisitionsPerFeature"])]))
    assert processing_units(grids.sample_count, weights) == pytest.approx(expected["costPU"], rel=expected["relTol"])


def test_every_kind_of_case_has_its_test(shared_reference: Path):
    """golden.json may grow: a kind that nobody reads here must not pass unnoticed."""
    kinds = {case["kind"] for case in json.loads((shared_reference / "golden.json").read_text("utf-8"))}
    sources = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [kind for kind in sorted(kinds) if f'"{kind}"' not in sources] == []
