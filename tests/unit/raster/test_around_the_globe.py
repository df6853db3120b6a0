"""Pixels on both sides of 180 degrees: a feature that crosses it gets every one of them, from images of either side."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Transformer

from arpent.domain.grid import Grids, Resolution
from arpent.domain.imagery.raster import Level, Raster
from arpent.domain.request import Resampling
from arpent.raster.footprints.antimeridian import period
from arpent.raster.sampling_plan import SamplingPlan
from tests.support.cogs import all_inside

STEP = 0.001


def image(west: float, width: int, crs: str = "EPSG:4326", factor: float = 1.0) -> Raster:
    transform = Affine(STEP * factor, 0, west * factor, 0, -STEP * factor, -16.0 * factor)
    level = Level(width=width, height=2000, block_width=256, block_height=256)
    return Raster(href="x", crs=CRS.from_user_input(crs), transform=transform, dtype=np.dtype("u1"), band_count=1,
                  no_data=None, levels=(level, level))  # fmt: skip


def sampling(bounds: tuple[float, float, float, float], epsg: int, resolution: float) -> SamplingPlan:
    grids = Grids.over(np.array([bounds]), Resolution(x=resolution, y=resolution))
    return SamplingPlan(crs=CRS.from_epsg(epsg), grids=grids, samples=all_inside(grids))


def found(sampling: SamplingPlan, raster: Raster, way: Resampling = Resampling.NEAREST) -> int:
    """How many samples the image feeds."""
    return sum(
        len(index.order if way is Resampling.NEAREST else index.samples) for index in sampling.indices(raster, way, way)
    )


def utm(west: float, east: float) -> SamplingPlan:
    """In UTM 60 S, across 180 degrees."""
    there = Transformer.from_crs(4326, 32760, always_xy=True)
    (left, right), (bottom, top) = there.transform([west, east], [-17.01, -17.0])
    return sampling((left, bottom, right, top), 32760, 100.0)


@pytest.mark.parametrize("way", [Resampling.NEAREST, Resampling.BILINEAR])
def test_a_feature_across_180_gets_its_pixels_from_both_sides(way: Resampling) -> None:
    across = utm(179.95, 180.05)
    count = len(across.samples)
    sides = found(across, image(179.0, 1000), way), found(across, image(-180.0, 1000), way)
    assert min(sides) > 0.45 * count
    assert sum(sides) == count
    for west in (179.5, -180.5, 539.5):
        assert found(across, image(west, 1000), way) == count, "an image that itself passes 180"


@pytest.mark.parametrize("way", [Resampling.NEAREST, Resampling.BILINEAR])
@pytest.mark.parametrize("shift", [0.0, 360.0, -360.0])
def test_degrees_beyond_180_are_those_of_the_other_side(way: Resampling, shift: float) -> None:
    told = sampling((179.95 + shift, -17.01, 180.05 + shift, -17.0), 4326, 0.001)
    assert found(told, image(179.0, 1000), way) == found(told, image(-180.0, 1000), way) == 500
    assert found(told, image(0.0, 1000), way) == 0


def test_the_resampling_of_a_feature_across_180_is_that_of_its_own_size() -> None:
    """Samples of 100 m on pixels of 111 m: not the coarsest overview, as for a feature 360 degrees wide."""
    for index in utm(179.95, 180.05).indices(image(179.0, 1000), Resampling.BILINEAR, Resampling.NEAREST):
        assert hasattr(index, "cubic"), "upsampling"


def test_the_mask_is_not_asked_for_the_other_side_of_the_globe() -> None:
    reached = utm(179.95, 180.05).reach.of(shapely.box(14.9, -17.1, 15.1, -16.9))
    assert reached.tolist() == [False]


@pytest.mark.parametrize(("epsg", "turn"), [(4326, 360.0), (4807, 400.0), (3857, 40_075_016.68557849), (32633, None)])
def test_a_turn_is_in_units_of_the_crs(epsg: int, turn: float | None) -> None:
    assert period(CRS.from_epsg(epsg)) == pytest.approx(turn)
