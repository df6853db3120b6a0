"""Segments equal a loop; coverage equals the slow rule; a feature's numbers do not depend on its neighbours."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import CRS

from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.evalscript import SampleType
from arpent.domain.feature import Features
from arpent.domain.grid import Grids
from arpent.zonal.pixel_coverage import pixel_coverage
from arpent.zonal.statistics import summarise
from tests.support.mask import inside

SEEDS = st.integers(0, 2**32 - 1)


def star(generator: np.random.Generator, x: float, y: float, size: float, corners: int) -> NDArray[np.float64]:
    angles = np.sort(generator.uniform(0, 2 * math.pi, corners))
    reach = size * generator.uniform(0.2, 1.0, corners)
    return np.column_stack((x + reach * np.cos(angles), y + reach * np.sin(angles)))


def geometry(generator: np.random.Generator, snap: bool, scale: float) -> shapely.Geometry:
    """A polygon with holes, or several; perhaps with its corners exactly on borders of samples and sub-samples."""
    parts = []
    for _ in range(int(generator.integers(1, 4))):
        x, y = generator.uniform(0, 8 * scale, 2)
        outer = star(generator, x, y, 5 * scale, int(generator.integers(3, 25)))
        inner = [star(generator, x, y, scale, 5) for _ in range(int(generator.integers(0, 3)))]
        if snap:
            outer, inner = np.round(outer * 4) / 4, [np.round(ring * 8) / 8 for ring in inner]
        parts.append(shapely.Polygon(outer, inner))
    return shapely.MultiPolygon(parts) if len(parts) > 1 else parts[0]


@settings(max_examples=120, deadline=None)
@given(SEEDS, st.booleans(), st.sampled_from([1e-4, 0.03, 1.0, 4.0]), st.sampled_from([(0.0, 0.0), (5e5, 5e6)]))
def test_coverage_equals_the_slow_rule(seed: int, snap: bool, scale: float, origin: tuple[float, float]):
    generator = np.random.default_rng(seed)
    shapes = [shapely.transform(geometry(generator, snap, scale), lambda xy: xy + origin) for _ in range(4)]
    bounds = shapely.bounds(shapes)
    degenerate = (bounds[:, 2] <= bounds[:, 0]) | (bounds[:, 3] <= bounds[:, 1])
    width, height = generator.integers(1, 14, (2, 4))
    features = Features(
        crs=CRS(4326), ids=np.arange(4), identifiers=(None,) * 4, geometries=np.array(shapes, dtype=object)
    )
    samples = pixel_coverage(features, Grids(bounds=bounds, width=width, height=height))
    for k in np.flatnonzero(~degenerate):
        mine = slice(samples.offsets[k], samples.offsets[k + 1])
        rows, columns = np.nonzero(inside(shapes[k], tuple(bounds[k]), int(width[k]), int(height[k])))
        assert samples.rows[mine].tolist() == rows.tolist()
        assert samples.columns[mine].tolist() == columns.tolist()


def test_many_crossings_on_one_line():
    """A comb of 200 teeth: more crossings than are sorted by insertion."""
    teeth = [shapely.box(k, 0, k + 0.5, 10) for k in range(200)]
    comb = shapely.MultiPolygon(teeth[::-1])
    features = Features(crs=CRS(32633), ids=np.array([1]), identifiers=(None,), geometries=np.array([comb]))
    grids = Grids(bounds=np.array([[0.0, 0.0, 200.0, 10.0]]), width=np.array([400]), height=np.array([3]))
    assert pixel_coverage(features, grids).columns.tolist() == list(range(0, 400, 2)) * 3


WISH = Calculation(percentiles=(0, 12.5, 50, 50, 99.9, 100), histogram=Histogram(bin_count=5))


def ragged(seed: int) -> tuple[list[NDArray[np.float64]], list[NDArray[np.bool_]]]:
    generator = np.random.default_rng(seed)
    values, valid = [], []
    for _ in range(int(generator.integers(1, 7))):
        count = int(generator.choice([0, 1, 2, 3, 23, 25, 130, 700]))
        kind = generator.integers(3)
        row = generator.normal(size=count) * 10.0 ** generator.integers(-3, 6)
        if kind == 1:
            row = generator.integers(-3, 3, count).astype(np.float64)
        if kind == 2 and count:
            row[generator.random(count) < 0.2] = np.nan
        values.append(row)
        valid.append(generator.random(count) < generator.choice([0.0, 0.5, 1.0]))
    return values, valid


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.sampled_from([SampleType.FLOAT32, SampleType.INT16]))
def test_segments_equal_a_loop(seed: int, sample_type: SampleType):
    values, valid = ragged(seed)
    lengths = np.array([len(row) for row in values])
    got = summarise(
        np.concatenate(values), np.concatenate(valid), np.concatenate(([0], np.cumsum(lengths))),
        sample_count=lengths + 1, calculation=WISH, sample_type=sample_type,
    )  # fmt: skip
    assert got.percentiles is not None
    for k, (row, mask) in enumerate(zip(values, valid, strict=True)):
        if sample_type is SampleType.INT16:
            kept = [min(32767.0, max(-32768.0, math.floor(x + 0.5))) for x in row[mask].tolist() if not math.isnan(x)]
        else:
            kept = [float(np.float32(x)) for x in row[mask].tolist() if not math.isnan(x)]
        assert got.no_data_count[k] == lengths[k] + 1 - len(kept)
        if not kept:
            assert math.isnan(got.mean[k])
            continue
        ordered = sorted(kept)
        mean = math.fsum(kept) / len(kept)
        spread = math.sqrt(math.fsum((x - mean) ** 2 for x in kept) / len(kept))
        size = max(map(abs, kept))
        assert (got.minimum[k], got.maximum[k]) == (ordered[0], ordered[-1])
        assert got.mean[k] == pytest.approx(mean, rel=1e-13, abs=1e-14 * size)
        assert got.standard_deviation[k] == pytest.approx(spread, rel=1e-13, abs=1e-14 * size)
        # k as thousandths, so that the rank is whole-number arithmetic.
        places = [min(len(kept) - 1, len(kept) * round(x * 1000) // 100_000) for x in WISH.percentiles]
        assert got.percentiles[k].tolist() == [ordered[place] for place in places]


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_neighbours_and_order_do_not_matter(seed: int):
    values, valid = ragged(seed)
    order = np.random.default_rng(seed).permutation(len(values))

    def of(rows: list[int]) -> list[bytes]:
        lengths = np.array([len(values[row]) for row in rows])
        got = summarise(
            np.concatenate([values[row] for row in rows]), np.concatenate([valid[row] for row in rows]),
            np.concatenate(([0], np.cumsum(lengths))), sample_count=lengths, calculation=WISH,
            sample_type=SampleType.FLOAT32,
        )  # fmt: skip
        assert got.percentiles is not None
        numbers = np.column_stack((got.minimum, got.maximum, got.mean, got.standard_deviation, got.percentiles))
        return [row.tobytes() for row in numbers]

    together = of(list(range(len(values))))
    assert [together[row] for row in order] == of(order.tolist())
    assert together == [of([row])[0] for row in range(len(values))]


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_windows_of_rows_make_up_the_whole(seed: int):
    generator = np.random.default_rng(seed)
    shapes = [geometry(generator, False, 1.0) for _ in range(4)]
    bounds = shapely.bounds(shapes)
    width, height = generator.integers(1, 30, (2, 4))
    features = Features(
        crs=CRS(32633), ids=np.arange(4), identifiers=(None,) * 4, geometries=np.array(shapes, dtype=object)
    )
    grids = Grids(bounds=bounds, width=width, height=height)
    whole = pixel_coverage(features, grids)
    cuts = np.sort(generator.integers(0, 31, (3, 4)), axis=0).clip(max=height)
    edges = np.vstack((np.zeros(4, np.int64), cuts, height))
    parts = [pixel_coverage(features, grids, np.column_stack(pair)) for pair in pairwise(edges)]
    for k in range(4):
        mine = slice(whole.offsets[k], whole.offsets[k + 1])
        found = [(part, slice(part.offsets[k], part.offsets[k + 1])) for part in parts]
        assert np.concatenate([part.rows[cut] for part, cut in found]).tolist() == whole.rows[mine].tolist()
        assert np.concatenate([part.columns[cut] for part, cut in found]).tolist() == whole.columns[mine].tolist()
