"""Cells cut the samples of features into runs: each sample is in one of them, and runs share no block of the image."""

from __future__ import annotations

import math

import numpy as np
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from arpent.domain.feature import Features
from arpent.domain.grid import Grids
from arpent.domain.imagery.raster import Level, Raster
from arpent.raster.blocks.cells import Cells
from arpent.zonal.pixel_coverage import pixel_coverage

SEEDS = st.integers(0, 2**32 - 1)
UTM = CRS(32633)


def raster(block: tuple[int, int], transform: Affine) -> Raster:
    level = Level(width=10980, height=10980, block_width=block[0], block_height=block[1])
    return Raster(
        href="x", crs=UTM, transform=transform, dtype=np.dtype(np.uint16), band_count=1, no_data=0.0, masked=False,
        levels=(level,),
    )  # fmt: skip


def features_of(generator: np.random.Generator, crs: CRS, count: int) -> Features:
    """Polygons of 50 m to 20 km about one tile, in metres or degrees."""
    shapes = []
    for _ in range(count):
        size = 10 ** generator.uniform(1.7, 4.3)
        x, y = 5e5 + generator.uniform(-2e4, 12e4), 5e6 - generator.uniform(-2e4, 12e4)
        angles = np.sort(generator.uniform(0, 2 * math.pi, 9))
        ring = np.column_stack((x + size / 2 * np.cos(angles), y + size / 2 * np.sin(angles)))
        if crs != UTM:
            ring = np.column_stack((15 + (ring[:, 0] - 5e5) / 78_000, ring[:, 1] / 111_000))
        shapes.append(shapely.Polygon(ring))
    return Features(crs=crs, ids=np.arange(count), identifiers=(None,) * count, geometries=np.array(shapes, object))


@settings(max_examples=40, deadline=None)
@given(
    SEEDS,
    st.sampled_from([UTM, CRS(4326)]),
    st.sampled_from([(1024, 1024), (512, 512), (10980, 3), (10980, 10980)]),
    st.sampled_from([
        Affine(10, 0, 499980, 0, -10, 5000040),
        Affine(20, 0, 499980, 0, 20, 4890000),
        Affine(7, 7, 4e5, 7, -7, 5e6),
    ]),
    st.sampled_from([2_000, 50_000, 10**9]),
)  # fmt: skip
def test_every_sample_is_in_one_run(seed: int, crs: CRS, block: tuple[int, int], transform: Affine, most: int) -> None:
    generator = np.random.default_rng(seed)
    features = features_of(generator, crs, 12)
    sampling = np.array([0.002, 0.002]) if crs != UTM else np.array([100.0, 100.0])
    extent = features.bounds[:, 2:] - features.bounds[:, :2]
    width, height = np.maximum(1, np.round(extent / sampling)).astype(np.int64).T
    grids = Grids(bounds=features.bounds, width=width, height=height)
    cells = Cells(crs, grids, raster(block, transform))
    whole = pixel_coverage(features, grids)
    found: list[tuple[int, int, int]] = []
    for run in cells.runs(most):
        windows = np.zeros((len(features), 2), np.int64)
        windows[run.features] = run.windows
        samples = cells.within(run, pixel_coverage(features, grids, windows))
        owner = np.repeat(np.arange(len(features)), samples.counts)
        found += zip(owner.tolist(), samples.rows.tolist(), samples.columns.tolist(), strict=True)
    owner = np.repeat(np.arange(len(features)), whole.counts)
    assert len(found) == len(set(found)), "none twice"
    assert sorted(found) == sorted(zip(owner.tolist(), whole.rows.tolist(), whole.columns.tolist(), strict=True))


def test_runs_share_no_block_and_hold_what_they_may() -> None:
    """4,000 parcels on one tile, in degrees, so that rows of samples lie askew to rows of blocks."""
    generator = np.random.default_rng(5)
    corners = generator.uniform((15, 44.3), (16.2, 45.1), (4000, 2))
    shapes = [shapely.box(x, y, x + 0.003, y + 0.002) for x, y in corners.tolist()]
    count = len(shapes)
    features = Features(
        crs=CRS(4326), ids=np.arange(count), identifiers=(None,) * count, geometries=np.array(shapes, object)
    )
    grids = Grids(bounds=features.bounds, width=np.full(count, 24), height=np.full(count, 22))
    image = raster((1024, 1024), Affine(10, 0, 499980, 0, -10, 5000040))
    cells = Cells(features.crs, grids, image)
    seen: set[tuple[int, int]] = set()
    runs = list(cells.runs(300_000))
    assert len(runs) > 5
    for run in runs:
        windows = np.zeros((count, 2), np.int64)
        windows[run.features] = run.windows
        samples = cells.within(run, pixel_coverage(features, grids, windows))
        assert len(samples) < 330_000
        x, y = cells._reprojection.coordinates(samples)
        columns, rows = ~image.transform @ (x, y)
        mine = set(zip((rows // 1024).astype(int).tolist(), (columns // 1024).astype(int).tolist(), strict=True))
        assert not mine & seen
        seen |= mine
