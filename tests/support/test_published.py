"""The file of published cases: every case is named, has a source and a test of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import shapely
from pyproj import Transformer

from tests.support.mask import grid_of
from tests.support.published import cases, every_case

NEEDED = ("kind", "id", "source", "confidence", "input", "expected")
CONFIDENCE = ("observed", "documented")
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
KINDS = sorted({case["kind"] for case in every_case()})


def test_every_case_says_where_it_comes_from():
    assert [case.get("id") for case in every_case() if not all(case.get(name) is not None for name in NEEDED)] == []
    assert [case["id"] for case in every_case() if not case["confidence"].startswith(CONFIDENCE)] == []


def test_every_name_is_there_once():
    assert [name for name, number in Counter(case["id"] for case in every_case()).items() if number > 1] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_one_test_for_each_case(kind: str):
    """The file may grow: a kind that nobody reads here must not pass unnoticed."""
    lines = [line for path in GOLDEN.glob("test_*.py") for line in path.read_text("utf-8").splitlines()]
    calls = [line for line in lines if "@one_test_each(" in line]
    assert [line for line in calls if f'"{kind}"' in line] != []


def test_the_grids_of_the_batch_are_those_of_its_parcels(shared_data: Path):
    """The only derived numbers of the file: a hundred parcels of the documentation's own GeoPackage, in metres."""
    (case,) = (case for case in cases("processing_units") if "grids" in case["input"])
    _, _, shapes, _ = pyogrio.raw.read(shared_data / "parcels" / "geopackage-example.gpkg", max_features=100)
    change = Transformer.from_crs(4326, 32633, always_xy=True).transform
    parcels = shapely.transform(shapely.from_wkb(shapes), lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))
    grids = [list(grid_of(parcel.bounds, {"resx": 10, "resy": 10})) for parcel in parcels]
    assert grids == case["input"]["grids"]
