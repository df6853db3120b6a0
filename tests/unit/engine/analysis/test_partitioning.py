"""Cutting features into partitions that follow the imagery."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from arpent.domain.feature import Features
from arpent.domain.imagery.raster import Level, Raster
from arpent.engine.analysis import partitioning
from arpent.engine.analysis.partitioning import (
    FEW_NUMBERS,
    MOST_BUDGETS,
    PLAIN_BUDGETS,
    SCENE_BUDGETS,
    BlockAssignment,
    PartitionSize,
    assign_blocks,
    cut_into_partitions,
    partition_size,
    runs,
)
from arpent.engine.budget import NUMBER_BYTES, PLAIN_BYTES, USUAL_NUMBERS

UTM = CRS.from_epsg(32633)

ANY, FORTY, TEN = (PartitionSize(samples=samples) for samples in (10**9, 40, 10))


def features_at(points: np.ndarray) -> Features:
    return Features(
        crs=UTM,
        ids=np.arange(len(points), dtype=np.int64),
        identifiers=(None,) * len(points),
        geometries=np.asarray(shapely.box(points[:, 0], points[:, 1], points[:, 0] + 1, points[:, 1] + 1), object),
    )


def image(west: float = 0.0) -> Raster:
    return Raster(
        href="image",
        crs=UTM,
        transform=Affine(10, 0, west, 0, -10, 1000),
        dtype=np.dtype(np.uint16),
        band_count=1,
        no_data=0,
        levels=(Level(width=100, height=100, block_width=50, block_height=50),),
    )


def test_neighbours_in_a_block_stay_together_in_reading_order():
    points = np.array([[900.0, 100.0], [100.0, 900.0], [900.0, 900.0], [110.0, 890.0]])
    layout = assign_blocks(points, UTM, [image()])
    assert layout.order.tolist() == [1, 3, 2, 0]
    assert len(set(layout.block.tolist())) == 3


@pytest.mark.parametrize("blocks", [3, 1 << 16, (1 << 16) + 1])
def test_however_many_blocks_there_are_each_is_read_from_north_to_south(blocks: int):
    block, north = np.array([blocks - 1, 0, 1, blocks - 1, 0, 1]), np.array([3.0, 1.0, 2.0, 9.0, 1.0, 8.0])
    centres = np.column_stack([np.zeros(6), north])
    layout = BlockAssignment(block=block, centres=centres, pixels=np.ones(6, np.int64), inside=np.ones(6, np.bool_))
    assert layout.order.tolist() == [1, 4, 5, 2, 3, 0]


def test_blocks_are_numbered_without_gaps():
    small = np.array([5, 1 << 19, 5, 0])
    assert partitioning._ranks(small).tolist() == [1, 2, 1, 0]
    assert partitioning._ranks(small << 20).tolist() == [1, 2, 1, 0]
    assert partitioning._ranks(np.zeros(0, np.int64)).tolist() == []


def test_features_beyond_every_image_come_last():
    points = np.array([[5000.0, 0.0], [100.0, 900.0]])
    assert assign_blocks(points, UTM, [image()]).order.tolist() == [1, 0]


def test_the_first_image_that_holds_a_feature_is_its_home():
    points = np.array([[600.0, 500.0], [1200.0, 500.0]])
    layout = assign_blocks(points, UTM, [image(), image(west=500.0)])
    assert layout.order.tolist() == [0, 1]


def test_a_cut_falls_between_two_blocks_where_the_budget_allows():
    points = np.array([[100.0, 900.0]] * 3 + [[900.0, 900.0]] * 3)
    layout = assign_blocks(points, UTM, [image()])
    partitions = list(cut_into_partitions(features_at(points), runs(np.full(6, 10), layout, FORTY, parallelism=1)))
    assert [len(partition.features) for partition in partitions] == [3, 3]


def test_a_feature_larger_than_the_budget_is_a_partition_of_its_own():
    points = np.array([[100.0, 900.0], [110.0, 900.0], [120.0, 900.0]])
    layout = assign_blocks(points, UTM, [image()])
    partitions = list(cut_into_partitions(features_at(points), runs(np.array([1, 100, 1]), layout, TEN, parallelism=1)))
    assert [partition.features.ids.tolist() for partition in partitions] == [[0], [1], [2]]


@pytest.mark.parametrize("parallelism", [1, 4])
def test_a_small_job_keeps_every_worker_busy(parallelism: int):
    points = np.column_stack((np.linspace(0, 990, 100), np.full(100, 500.0)))
    layout = assign_blocks(points, UTM, [image()])
    partitions = list(
        cut_into_partitions(features_at(points), runs(np.full(100, 10), layout, ANY, parallelism=parallelism))
    )
    assert len(partitions) >= parallelism


@given(
    st.lists(st.tuples(st.floats(-500, 1500), st.floats(-500, 1500), st.integers(1, 50)), min_size=1, max_size=60),
    st.integers(1, 200),
    st.integers(1, 8),
)
def test_every_feature_is_in_exactly_one_partition(
    entries: list[tuple[float, float, int]], budget: int, parallelism: int
):
    points = np.array([entry[:2] for entry in entries])
    weight = np.array([entry[2] for entry in entries])
    layout = assign_blocks(points, UTM, [image()])
    size = PartitionSize(samples=budget)
    partitions = list(cut_into_partitions(features_at(points), runs(weight, layout, size, parallelism=parallelism)))
    ids = [int(feature) for partition in partitions for feature in partition.features.ids]
    assert sorted(ids) == list(range(len(entries)))
    assert [partition.number for partition in partitions] == list(range(len(partitions)))
    for partition in partitions:
        assert weight[partition.features.ids].sum() <= budget or len(partition.features) == 1


def test_what_reaches_into_the_next_blocks_stays_with_the_first_one():
    """Its last lines would cost the block above a second, whole decoding; the first lines of the one below are few."""
    centres = np.array([[250.0, 510.0], [250.0, 490.0], [510.0, 900.0], [20.0, 980.0]])
    corners = np.array([[200.0, 600.0], [200.0, 580.0], [490.0, 950.0], [-30.0, 1030.0]])
    assert len(set(assign_blocks(centres, UTM, [image()]).block.tolist())) == 3
    layout = assign_blocks(centres, UTM, [image()], corners)
    assert len(set(layout.block.tolist())) == 1
    assert layout.inside.all()


def test_features_that_no_known_image_contains_are_not_large():
    layout = assign_blocks(np.array([[100.0, 900.0], [900.0, 100.0]]), UTM, [])
    size = partition_size(np.full(2, 10**6), layout, pixel_budget=1000, kept=0)
    assert size.samples == PLAIN_BUDGETS * 1000


def test_partitions_of_features_with_many_numbers_hold_one_pixel_budget():
    layout = assign_blocks(np.array([[100.0, 900.0], [900.0, 100.0]]), UTM, [image()])
    few, many = (
        partition_size(np.full(2, 20), layout, pixel_budget=1000, kept=0, numbers=numbers)
        for numbers in (FEW_NUMBERS, FEW_NUMBERS + 1)
    )
    assert (few.samples, many.samples) == (PLAIN_BUDGETS * 1000, 1000)


@pytest.mark.parametrize(("kept", "samples"), [(1, 4000), (32, 2000), (64, 1000), (730, 1000)])
def test_partitions_whose_samples_are_kept_hold_fewer_but_one_pixel_budget(kept: int, samples: int):
    """Those of one pixel budget are worked on at once, interval by interval: nothing of them is kept."""
    layout = assign_blocks(np.array([[100.0, 900.0], [900.0, 100.0]]), UTM, [image()])
    assert partition_size(np.full(2, 20), layout, pixel_budget=1000, kept=kept).samples == samples


def test_partitions_of_features_as_large_as_blocks_hold_several_pixel_budgets():
    layout = assign_blocks(np.array([[100.0, 900.0], [900.0, 100.0]]), UTM, [image()])
    size = partition_size(np.full(2, 2000), layout, pixel_budget=1000, kept=0)
    assert (size.samples, size.per_worker) == (MOST_BUDGETS * 1000, 1)


def test_partitions_of_many_scenes_hold_several_pixel_budgets():
    layout = assign_blocks(np.array([[100.0, 900.0], [900.0, 100.0]]), UTM, [image()])
    size = partition_size(np.full(2, 20), layout, pixel_budget=1000, kept=0, scenes=True)
    assert size.samples == SCENE_BUDGETS * 1000
    kept = partition_size(np.full(2, 20), layout, pixel_budget=1000, kept=64, scenes=True)
    assert kept.samples == 1000, "its samples fit into memory, whatever is read at once"


@pytest.mark.parametrize(("samples", "scenes"), [(20, False), (20, True), (2000, False)])
def test_results_of_a_partition_fit_into_one_pixel_budget(samples: int, scenes: bool):
    """Chunks of a partition take turns in memory; the results of its features stay there until all are done."""
    layout = assign_blocks(np.tile([[100.0, 900.0]], (50, 1)), UTM, [image()])
    weight = np.full(50, samples)
    alone, size = (
        partition_size(weight, layout, pixel_budget=10_000, kept=0, scenes=scenes, numbers=numbers)
        for numbers in (FEW_NUMBERS + 1, USUAL_NUMBERS + 1000 * PLAIN_BYTES // NUMBER_BYTES)
    )
    assert size.samples == alone.samples, "features are not large by what is reported of them"
    assert max(map(len, runs(weight, layout, size, parallelism=1))) <= 10


@pytest.mark.parametrize("samples", [1, 20, 250])
@pytest.mark.parametrize("numbers", [6, FEW_NUMBERS])
@pytest.mark.parametrize("scenes", [False, True])
def test_small_features_are_not_too_many_for_their_numbers(samples: int, numbers: int, scenes: bool):
    """Four pixel budgets of parcels of 20 samples were 800,000 features: gigabytes of numbers and outlines."""
    budget, feature = 100_000, 1000
    count = 20 * budget
    layout = assign_blocks(np.tile([[100.0, 900.0]], (count, 1)), UTM, [image()])
    weight = np.full(count, samples)
    size = partition_size(weight, layout, budget, kept=0, scenes=scenes, numbers=numbers)
    most = max(map(len, runs(weight, layout, size, parallelism=1)))
    assert most * (numbers * NUMBER_BYTES + feature) <= 1.1 * budget * PLAIN_BYTES


def test_no_partition_is_left_over():
    """Two fifths of the blocks would leave more than two partitions can hold, and so a fourth."""
    wide = replace(image(), levels=(Level(width=1000, height=100, block_width=50, block_height=50),))
    layout = assign_blocks(np.array([[100.0 + 500 * block, 900.0] for block in range(5)]), UTM, [wide])
    weight = np.array([20, 10, 10, 40, 40])
    parts = runs(weight, layout, FORTY, parallelism=1)
    assert [int(weight[rows].sum()) for rows in parts] == [40, 40, 40]


def test_a_worker_that_is_alone_gets_a_small_job_as_a_whole():
    layout = assign_blocks(np.array([[100.0, 900.0], [900.0, 100.0]]), UTM, [image()])
    assert len(runs(np.full(2, 10), layout, ANY, parallelism=1)) == 1
