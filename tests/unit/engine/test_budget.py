"""What a request will take is known before it takes it, and the refusal names what would do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.domain.calculation import Calculations, Histogram, OutputCalculations
from arpent.domain.errors import LimitExceeded, ScriptExecutionError
from arpent.domain.evalscript import Evalscript, Input, Mosaicking, Output, SampleType
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Size
from arpent.engine.band_bindings import BandBinding
from arpent.engine.budget import (
    MOST_ANSWER_NUMBERS,
    answer_numbers,
    check_grid,
    check_numbers,
    check_scenes,
    check_updated,
    numbers_as_samples,
    samples_at_once,
)
from arpent.engine.geometry_checks import MOST_CROSSINGS, check_geometries, crossings
from arpent.engine.services import Services, SynchronousLimits

DEFAULT = SynchronousLimits(samples=6_250_000, memory_mib=2048)


def script(outputs: int, bands: int = 1) -> Evalscript:
    return Evalscript(
        source="",
        inputs=(Input(datasource=None, bands=("B04",), units=(None,), mosaicking=Mosaicking.SIMPLE),),
        outputs=tuple(
            Output(id=f"o{n}", bands=tuple(f"B{k}" for k in range(bands)), sample_type=SampleType.FLOAT32, mask=0)
            for n in range(outputs)
        ),
        mask_bands=1,
        functions=frozenset(),
    )


def grid(width: int, height: int) -> Grids:
    return Grids(
        bounds=np.array([[0.0, 0.0, width * 10.0, height * 10.0]]), width=np.array([width]), height=np.array([height])
    )


@pytest.mark.parametrize("bands", [1, 3, 12])
def test_the_real_services_largest_grid_is_served(bands: int) -> None:
    check_grid(grid(2500, 2500), script(1, 2), [bands], DEFAULT)


@pytest.mark.parametrize(
    ("sides", "outputs", "bands", "scenes"),
    [
        ((2500, 2500), 64, [1], [1]),
        ((2500, 2500), 1, [64], [1]),
        ((2500, 2500), 1, [1], [2]),
        ((400, 400), 1, [12], [400]),
        ((1, 2500), 4096, [1], [1]),
        ((1000, 1000), 1, [12] * 20, [1] * 20),
    ],
)
def test_what_would_do_does(sides: tuple[int, int], outputs: int, bands: Sequence[int], scenes: Sequence[int]) -> None:
    evalscript = script(1, outputs)
    small = SynchronousLimits(samples=6_250_000, memory_mib=450) if sides == (1, 2500) else DEFAULT
    with pytest.raises(LimitExceeded, match="would fit") as caught:
        check_scenes(grid(*sides), evalscript, bands, scenes, small)
    width, height = (int(each) for each in re.search(r"width (\d+), height (\d+)", str(caught.value)).groups())  # type: ignore[union-attr]
    assert width * height < sides[0] * sides[1]
    check_scenes(grid(width, height), evalscript, bands, scenes, small)
    resx, resy = (float(each) for each in re.search(r"resx ([\d.]+), resy ([\d.]+)", str(caught.value)).groups())  # type: ignore[union-attr]
    assert round(sides[0] * 10 / resx) <= width
    assert round(sides[1] * 10 / resy) <= height


def test_what_is_kept_to_be_explained_counts() -> None:
    check_grid(grid(2500, 2500), script(1), [10], DEFAULT)
    with pytest.raises(LimitExceeded):
        check_grid(grid(2500, 2500), script(1), [10], SynchronousLimits(samples=6_250_000, memory_mib=2048, kept=True))


class TestNumbers:
    def wish(self, percentiles: int = 0, bins: int = 0) -> Calculations:
        return Calculations(
            outputs={
                "default": OutputCalculations(
                    percentiles={"default": tuple(k / 100 for k in range(percentiles))},
                    histograms={"default": Histogram(bin_count=bins)} if bins else {},
                )
            }
        )

    @pytest.mark.parametrize(
        ("bands", "percentiles", "bins", "intervals"),
        [(4096, 1000, 0, 1), (10, 0, 65_536, 1), (1, 1000, 0, 1000), (1, 0, 1000, 365)],
    )
    def test_too_many(self, bands: int, percentiles: int, bins: int, intervals: int) -> None:
        with pytest.raises(LimitExceeded, match=f"{MOST_ANSWER_NUMBERS:,}"):
            check_numbers(script(1, bands), self.wish(percentiles, bins), intervals)

    def test_enough(self) -> None:
        check_numbers(script(10, 13), self.wish(9, 100), 12)
        check_numbers(script(1, 4096), self.wish(200), 1)


def comb(teeth: int) -> shapely.Polygon:
    x = np.linspace(0, 100, 2 * teeth + 1)
    y = np.where(np.arange(len(x)) % 2, 99.0, 1.0)
    return shapely.Polygon([*zip(x, y, strict=True), (100, 0), (0, 0)])


def test_a_comb_costs_itself_only() -> None:
    square = shapely.box(0, 0, 100, 100)
    features = Features(
        crs=CRS.from_epsg(32633), ids=np.arange(4), identifiers=(None,) * 4,
        geometries=np.array([square, comb(60_000), comb(500), None], object),
    )  # fmt: skip
    found = check_geometries(features, Grids.over(features.bounds, Size(width=2500, height=2500)))
    assert {row: kind for row, (kind, _) in found.items()} == {1: "too-complex", 3: "empty"}
    assert f"{MOST_CROSSINGS:,}" in found[1][1]
    assert set(check_geometries(features, Grids.over(features.bounds, Size(width=10, height=10)))) == {3}


def test_crossings_are_those_of_the_edges_with_the_lines() -> None:
    grids = Grids.over(np.array([[0.0, 0.0, 100.0, 100.0]]), Size(width=1000, height=1000))
    (count,) = crossings(np.array([comb(20_000)], object), grids)
    assert count == pytest.approx(2 * 20_000 * 98 / 100 * 8000, rel=1e-3)


def batch(samples: int = 4_000_000) -> Services:
    return cast(Services, SimpleNamespace(samples_at_once=samples, synchronous=None))


@pytest.mark.parametrize("scenes", [1, 12, 60, 400])
def test_a_band_or_two_for_each_scene_fit(scenes: int) -> None:
    declared = replace(script(1), functions=frozenset({"updateOutput"}))
    bindings = cast("Sequence[BandBinding]", [SimpleNamespace(requests=("B04",))])
    count = samples_at_once(declared, bindings, scenes, batch())
    assert count < samples_at_once(script(1), bindings, scenes, batch())
    check_updated(script(1, 2 * scenes), declared, count, batch())


def test_bands_that_nobody_declared_do_not_fill_the_memory() -> None:
    with pytest.raises(ScriptExecutionError, match=r"makes 4,097 bands of 2: .* let setup\(\) declare as many"):
        check_updated(script(1, 4096), script(1), 1_000_000, batch())
    check_updated(script(1, 4096), script(1), 1_000, batch())
    check_updated(script(1, 4096), script(1, 4096), 1_000_000, batch())


def test_very_many_numbers_of_a_feature_count_as_samples_do() -> None:
    """So that fewer features, whose numbers fit into memory, make a partition."""
    ranks = OutputCalculations(percentiles={"default": tuple(k / 10 for k in range(1000))})
    wish = Calculations(outputs={"default": ranks})
    assert numbers_as_samples(answer_numbers(script(1, 2), Calculations(outputs={})) * 365, 1) == 204
    assert numbers_as_samples(answer_numbers(script(1, 64), wish) * 30, 1) > 150_000
