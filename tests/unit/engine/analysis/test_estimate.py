"""What a job will take: units from a sample, bytes from blocks, time from both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from arpent.domain.feature import Features
from arpent.domain.imagery.raster import Level, Raster
from arpent.engine.analysis.estimate import (
    BYTES_PER_SECOND,
    NOTHING,
    SECONDS_PER_PARTITION,
    BandReads,
    bytes_to_read,
    estimate,
    seconds_of,
)

UTM = CRS.from_epsg(32633)


def raster(west: float = 0.0, block_bytes: float | None = 1_000.0) -> Raster:
    """400 x 200 pixels of 10 m in blocks of 100."""
    level = Level(width=400, height=200, block_width=100, block_height=100)
    return Raster(
        href="x", crs=UTM, transform=Affine(10.0, 0.0, west, 0.0, -10.0, 2_000.0), dtype=np.dtype(np.uint16),
        band_count=1, no_data=0.0, levels=(level,), block_bytes=block_bytes,
    )  # fmt: skip


def features(*boxes: tuple[float, float, float, float]) -> Features:
    shapes = np.array([shapely.box(*box) for box in boxes], object)
    return Features(crs=UTM, ids=np.arange(len(boxes)), identifiers=(None,) * len(boxes), geometries=shapes)


ONE_BLOCK, TWO_BLOCKS, NOWHERE = (100, 100, 200, 200), (900, 100, 1_100, 200), (-900, 100, -800, 200)


@pytest.mark.parametrize(
    ("boxes", "partition", "blocks"),
    [
        ([ONE_BLOCK], [0], 1),
        ([ONE_BLOCK, (300, 300, 400, 400)], [0, 0], 1),
        ([ONE_BLOCK, (300, 300, 400, 400)], [0, 1], 2),
        ([TWO_BLOCKS], [0], 2),
        ([NOWHERE], [0], 0),
        ([NOWHERE, ONE_BLOCK], [0, 0], 1),
    ],
)
def test_a_block_is_read_once_a_scene_and_partition(
    boxes: list[tuple[float, ...]], partition: list[int], blocks: int
) -> None:
    reading = BandReads(passes=2.5, rasters=(raster(),))
    found = replace(NOTHING, readings=(reading, reading))
    size = bytes_to_read(found, features(*boxes), np.array(partition))  # type: ignore[arg-type]
    assert size == 2 * blocks * 2.5 * 1_000.0


def test_a_header_that_does_not_tell_is_guessed() -> None:
    found = replace(NOTHING, readings=(BandReads(passes=1.0, rasters=(raster(block_bytes=None),)),))
    assert bytes_to_read(found, features(ONE_BLOCK), np.array([0])) == 100 * 100 * 2 * 0.6


def test_no_imagery_is_nothing_to_read() -> None:
    found = replace(NOTHING, readings=(BandReads(passes=0.0, rasters=()),))
    assert bytes_to_read(found, features(ONE_BLOCK), np.array([0])) == 0.0


def test_units_of_all_features_seen_are_exact_and_of_a_sample_go_by_area() -> None:
    counts = np.array([512 * 512, 10, 2 * 512 * 512])
    found = replace(NOTHING, band_samples=np.array([1.0, 2.0, 3.0]), acquisitions=4.0)
    exact = estimate(found, intervals=2, sample=np.arange(3), sample_count=counts, size=1.4, seconds=90.0)
    assert exact["processingUnits"] == pytest.approx(1.0 * 1 + 0.01 * 2 + 2.0 * 3, rel=1e-15)
    assert (exact["features"], exact["acquisitions"], exact["bytes"], exact["minutes"]) == (3, 12, 1, 1.5)
    part = replace(found, band_samples=np.array([1.0, 2.0]))
    sampled = estimate(part, intervals=2, sample=np.array([0, 1]), sample_count=counts, size=0.0, seconds=0.0)
    assert sampled["processingUnits"] == pytest.approx(1.02 * 3.01 / 1.01)


def test_nothing_costs_nothing() -> None:
    none = estimate(
        NOTHING, intervals=0, sample=np.zeros(0, np.intp), sample_count=np.zeros(0, np.int64), size=0.0, seconds=0.0
    )
    assert set(none.values()) == {0}


def test_no_more_workers_than_partitions() -> None:
    assert seconds_of(0.0, 0, partitions=2, parallelism=8) == SECONDS_PER_PARTITION
    assert seconds_of(2 * BYTES_PER_SECOND, 0, partitions=8, parallelism=4) == pytest.approx(
        0.5 + 2 * SECONDS_PER_PARTITION
    )
