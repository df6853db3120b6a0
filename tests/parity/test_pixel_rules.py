"""The pixel rules centre, touched and weighted, and the further statistics, with exactextract as the referee."""

from __future__ import annotations

import exactextract
import numpy as np
import pytest
import shapely
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from pyproj import CRS
from shapely import affinity

from arpent.domain.calculation import MORE, Calculation
from arpent.domain.errors import InvalidRequest
from arpent.domain.evalscript import SampleType
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, PixelRule, Resolution, Rule, Samples
from arpent.zonal import pixel_rules
from arpent.zonal.pixel_coverage import pixel_coverage
from arpent.zonal.pixel_rules import SEAM, _without_seams, covered_shares, samples_inside
from arpent.zonal.reductions import OutsideSample
from arpent.zonal.statistics import Reduction, summarise

STEP = 10.0


def features_of(polygons: list[shapely.Geometry], epsg: int = 32633) -> Features:
    count = len(polygons)
    shapes = np.empty(count, object)
    shapes[:] = polygons
    return Features(crs=CRS(epsg), ids=np.arange(count), identifiers=(None,) * count, geometries=shapes)


def world() -> tuple[Features, Grids]:
    """Stars, some with holes, some of two parts, slivers and tiny ones."""
    generator = np.random.default_rng(5)
    polygons: list[shapely.Geometry] = []
    for number in range(150):
        angles = np.sort(generator.uniform(0, 2 * np.pi, 12))
        reach = generator.uniform(1, 90 if number % 5 else 9, (12, 1))
        centre = np.array([5e5, 5e6]) + generator.uniform(0, 1e4, 2)
        polygon = shapely.Polygon(centre + reach * np.column_stack((np.cos(angles), np.sin(angles))))
        if number % 3 == 1:
            polygon = polygon.difference(shapely.Point(centre).buffer(15))
        if number % 4 == 1:
            polygon = shapely.union(polygon, shapely.box(*(centre + 100), *(centre + generator.uniform(101, 130, 2))))
        if polygon.area > 0 and polygon.is_valid:
            polygons.append(polygon)
    polygons.append(shapely.box(5e5, 5e6, 5e5 + 40, 5e6 + 30))  # its edges are those of samples
    features = features_of(polygons)
    return features, Grids.over(features.bounds, Resolution(x=STEP, y=STEP))


FEATURES, GRIDS = world()


def exact(row: int, image: NDArray[np.float64] | None, wanted: list[str]) -> dict[str, object]:
    """What exactextract says of a feature over its own grid."""
    height, width = int(GRIDS.height[row]), int(GRIDS.width[row])
    left, bottom, right, top = GRIDS.bounds[row].tolist()
    raster = NumPyRasterSource(
        np.zeros((height, width)) if image is None else image, xmin=left, ymin=bottom, xmax=right, ymax=top
    )
    feature = {"type": "Feature", "properties": {}, "geometry": FEATURES.geometries[row].__geo_interface__}
    (found,) = exactextract.exact_extract(raster, [feature], wanted)
    properties: dict[str, object] = found["properties"]
    return properties


def dense(samples: Samples, row: int, values: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """The samples of a feature as an image: their values, or 1."""
    mine = slice(samples.offsets[row], samples.offsets[row + 1])
    image = np.zeros((GRIDS.height[row], GRIDS.width[row]))
    image[samples.rows[mine], samples.columns[mine]] = 1.0 if values is None else values[mine]
    return image


def test_touched_and_weighted_are_those_of_exactextract() -> None:
    samples = samples_inside(FEATURES, GRIDS, PixelRule(kind=Rule.TOUCHED))
    shares = covered_shares(FEATURES, GRIDS, samples, PixelRule(kind=Rule.WEIGHTED))
    for row in range(len(FEATURES)):
        found = exact(row, None, ["cell_id", "coverage"])
        coverage = np.zeros(GRIDS.sample_count[row])
        coverage[np.asarray(found["cell_id"], int)] = found["coverage"]
        coverage = coverage.reshape(GRIDS.height[row], GRIDS.width[row])
        sliver = (coverage > 0) & (coverage < 1e-6)  # exactextract's own coverage is in float32
        assert ((dense(samples, row) > 0) == (coverage > 0))[~sliver].all()
        np.testing.assert_allclose(dense(samples, row, shares), coverage, atol=1e-6)
    areas = np.add.reduceat(shares, samples.offsets[:-1]) * np.prod(GRIDS.pixel_size, axis=1)
    np.testing.assert_allclose(areas, shapely.area(FEATURES.geometries), rtol=1e-7)


def test_centres_are_those_inside() -> None:
    samples = samples_inside(FEATURES, GRIDS, PixelRule(kind=Rule.CENTRE))
    assert samples.counts.sum() > 1000
    for row in range(len(FEATURES)):
        found = exact(row, None, ["cell_id", "center_x", "center_y"])
        inside = np.zeros(GRIDS.sample_count[row], bool)
        x, y = np.asarray(found["center_x"], float), np.asarray(found["center_y"], float)
        inside[np.asarray(found["cell_id"], int)] = shapely.contains_xy(FEATURES.geometries[row], x, y)
        np.testing.assert_array_equal(dense(samples, row).ravel() > 0, inside)


def test_windows_give_the_same_samples() -> None:
    """A feature may be worked on in parts."""
    for rule in (Rule.CENTRE, Rule.TOUCHED, Rule.SERVICE):
        for asked in (PixelRule(kind=rule), PixelRule(kind=rule, inner=4.0, nearest=True)):
            whole = samples_inside(FEATURES, GRIDS, asked)
            half = GRIDS.height // 2
            parts = [
                samples_inside(FEATURES, GRIDS, asked, np.column_stack(window))
                for window in ((np.zeros_like(half), half), (half, GRIDS.height))
            ]
            assert (parts[0].counts + parts[1].counts == whole.counts).all()
            for row in range(0, len(FEATURES), 7):
                np.testing.assert_array_equal(dense(parts[0], row) + dense(parts[1], row), dense(whole, row))
                np.testing.assert_allclose(
                    dense(parts[1], row, covered_shares(FEATURES, GRIDS, parts[1], asked))[half[row] :],
                    dense(whole, row, covered_shares(FEATURES, GRIDS, whole, asked))[half[row] :],
                    atol=1e-9,
                )


def test_windows_share_one_nearest_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """A diagonal sliver with no inner part has one sample, in one of its windows; a feature with samples is rasterised
    by its windows only, even where one of them is empty."""
    sliver = shapely.Polygon([(0, 2), (2, 0), (402, 400), (400, 402)])
    hollow = shapely.union_all([shapely.box(0, 0, 300, 3), shapely.box(0, 240, 400, 400)])
    features = features_of([shapely.transform(one, lambda xy: xy + np.array((5e5, 5e6))) for one in (sliver, hollow)])
    grids = Grids.over(features.bounds, Resolution(x=STEP, y=STEP))
    asked = PixelRule(kind=Rule.CENTRE, inner=2.0, nearest=True)
    whole = samples_inside(features, grids, asked)
    assert whole.counts[0] == 1
    assert whole.counts[1] > 100
    true, wholes = pixel_rules._found, []

    def found(those: Features, over: Grids, rule: PixelRule, windows: NDArray[np.int64] | None) -> Samples:
        wholes.extend(those.ids.tolist() if windows is None else [])
        return true(those, over, rule, windows)

    monkeypatch.setattr(pixel_rules, "_found", found)
    parts = [
        samples_inside(features, grids, asked, np.repeat([[first, first + 10]], 2, axis=0))
        for first in range(0, int(grids.height.max()), 10)
    ]
    assert wholes == [0]
    assert (sum(part.counts for part in parts) == whole.counts).all()
    for row in range(2):
        shape = (grids.height[row], grids.width[row])
        image = np.zeros(shape)
        for part in parts:
            mine = slice(part.offsets[row], part.offsets[row + 1])
            image[part.rows[mine], part.columns[mine]] += 1
        expected = np.zeros(shape)
        mine = slice(whole.offsets[row], whole.offsets[row + 1])
        expected[whole.rows[mine], whole.columns[mine]] = 1
        np.testing.assert_array_equal(image, expected)


def test_an_inner_part_has_the_samples_of_the_smaller_polygon() -> None:
    rule = PixelRule(inner=10.0)
    samples = samples_inside(FEATURES, GRIDS, rule)
    smaller = features_of(list(shapely.buffer(FEATURES.geometries, -10.0)))
    assert (samples.counts == pixel_coverage(smaller, GRIDS).counts).all()
    assert samples.counts.sum() < pixel_coverage(FEATURES, GRIDS).counts.sum() / 2
    by_hand = features_of([shapely.box(5e5, 5e6, 5e5 + 60, 5e6 + 50)])
    grid = Grids.over(by_hand.bounds, Resolution(x=STEP, y=STEP))
    assert samples_inside(by_hand, grid, PixelRule(kind=Rule.CENTRE, inner=10.0)).counts.tolist() == [4 * 3]
    with pytest.raises(InvalidRequest, match="degrees"):
        samples_inside(features_of([shapely.box(14, 45, 15, 46)], 4326), grid, rule)


@pytest.mark.parametrize("gap", [0.0, 1e-9, -1e-9, 1e-4])
@pytest.mark.parametrize("rule", [rule for rule in Rule if rule is not Rule.SERVICE])
def test_where_parts_meet_nothing_is_taken_away(rule: Rule, gap: float) -> None:
    """A field that is cut in three, as at 180 degrees or by an overlay, and one part in the hole of another."""
    left, bottom = 5e5, 5e6
    middle = left + 50 + gap

    def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
        return shapely.box(west, bottom + south, east, bottom + north)

    whole, west = box(left, 0, left + 130, 90), box(left, 0, left + 50, 90)
    cut = [west, box(middle, 0, left + 130, 40), box(middle, 40 + gap, left + 130, 90)]
    ring = whole.difference(box(left + 40, 30, left + 90, 60))
    island = box(left + 40 + gap, 30 + gap, left + 90 - gap, 60 - gap)
    apart = [box(left, 0, left + 60, 90), box(left + 70, 0, left + 130, 90)]
    features = features_of([*map(shapely.MultiPolygon, (cut, [ring, island], [whole], apart))])
    grids = Grids.over(features.bounds, Resolution(x=STEP, y=STEP))
    asked = PixelRule(kind=rule, inner=10.0)
    samples = samples_inside(features, grids, asked)
    assert samples.counts.tolist() == [77, 77, 77, 2 * 28]
    sums = np.add.reduceat(covered_shares(features, grids, samples, asked), samples.offsets[:-1])
    np.testing.assert_allclose(sums, [77, 77, 77, 56], atol=1e-3)


def test_a_polygon_without_samples_has_the_nearest() -> None:
    polygons = [shapely.box(5e5 + 1, 5e6 + 1, 5e5 + 3, 5e6 + 39), shapely.box(5e5, 5e6, 5e5 + 40, 5e6 + 40)]
    features = features_of(polygons)
    grids = Grids(
        bounds=np.array([[5e5, 5e6, 5e5 + 40, 5e6 + 40]] * 2), width=np.array([4, 4]), height=np.array([4, 4])
    )
    bare, filled = (
        samples_inside(features, grids, PixelRule(kind=Rule.CENTRE, nearest=nearest)) for nearest in (False, True)
    )
    assert bare.counts.tolist() == [0, 16]
    assert filled.counts.tolist() == [1, 16]
    assert (filled.columns[0], filled.rows[0] in (1, 2)) == (0, True)
    shares = covered_shares(features, grids, filled, PixelRule(kind=Rule.CENTRE, nearest=True))
    assert shares[0] == pytest.approx(0.2)
    # Nothing is left of it, and it still has one sample, which counts as a whole.
    gone = PixelRule(kind=Rule.WEIGHTED, inner=30.0, nearest=True)
    filled = samples_inside(features, grids, gone)
    assert filled.counts.tolist() == [1, 1]
    assert covered_shares(features, grids, filled, gone).tolist() == [1.0, 1.0]


def values_of(samples: Samples, kind: SampleType) -> NDArray[np.float64]:
    generator = np.random.default_rng(9)
    if kind.integer:
        return generator.integers(2, 9, len(samples)).astype(float)
    return generator.normal(0.5, 0.2, len(samples)).astype(np.float32).astype(float)


@pytest.mark.parametrize("kind", [SampleType.FLOAT32, SampleType.UINT8])
def test_weighted_statistics_are_those_of_exactextract(kind: SampleType) -> None:
    rule = PixelRule(kind=Rule.WEIGHTED)
    samples = samples_inside(FEATURES, GRIDS, rule)
    shares, values = covered_shares(FEATURES, GRIDS, samples, rule), values_of(samples, kind)
    valid = np.random.default_rng(1).random(len(samples)) < 0.9
    calculation = Calculation(weighted=True, more=("sum", "count", "variance", "weightedMean"))
    reduction = Reduction(len(FEATURES), calculation, kind)
    reduction.add(reduction.part(values, valid, samples.offsets, shares), np.arange(len(FEATURES)))
    ours = reduction.finish(GRIDS.sample_count)
    assert list(ours.more) == ["sum", "count", "variance", "weightedMean"]
    for row in range(len(FEATURES)):
        image = np.where(dense(samples, row, valid.astype(float)) > 0, dense(samples, row, values), np.nan)
        theirs = exact(row, image, ["sum", "count", "variance", "mean", "stdev"])
        wanted = {"sum": ours.more["sum"], "count": ours.more["count"], "variance": ours.more["variance"]}
        wanted |= {"mean": ours.mean, "stdev": ours.standard_deviation}
        for name, numbers in wanted.items():
            assert numbers[row] == pytest.approx(theirs[name], rel=2e-5, abs=2e-6, nan_ok=True), name


@pytest.mark.parametrize("kind", [SampleType.FLOAT32, SampleType.UINT8])
def test_statistics_without_weights(kind: SampleType) -> None:
    samples = samples_inside(FEATURES, GRIDS, PixelRule(kind=Rule.CENTRE))
    values = values_of(samples, kind)
    shares = covered_shares(FEATURES, GRIDS, samples, PixelRule())
    classes = (("a", 4), ("b", 5), ("none", 77)) if kind.integer else ()
    calculation = Calculation(more=MORE, shares=classes, percentiles=(10,))
    reduction = Reduction(len(FEATURES), calculation, kind)
    # In two parts, as chunks come.
    rows = np.arange(len(FEATURES))
    for low, high in ((0, 70), (70, len(rows))):
        begin, end = samples.offsets[low], samples.offsets[high]
        offsets = samples.offsets[low : high + 1] - begin
        part = reduction.part(values[begin:end], np.ones(end - begin, np.uint8), offsets, shares[begin:end])
        reduction.add(part, rows[low:high])
    ours = reduction.finish(GRIDS.sample_count)
    assert list(ours.more) == [*MORE, *(f"share_{name}" for name, _ in classes)]
    for row in rows:
        mine = values[samples.offsets[row] : samples.offsets[row + 1]]
        covered = shares[samples.offsets[row] : samples.offsets[row + 1]]
        found = {name: numbers[row] for name, numbers in ours.more.items()}
        assert found["count"] == len(mine)
        assert found["sum"] == pytest.approx(mine.sum(), rel=1e-14, abs=1e-300)
        if not len(mine):
            assert all(np.isnan(number) for name, number in found.items() if name not in ("sum", "count"))
            continue
        assert found["median"] == np.median(mine)
        assert found["variance"] == pytest.approx(mine.var(), rel=1e-9, abs=1e-15)
        assert found["weightedMean"] == pytest.approx(np.average(mine, weights=covered), rel=1e-12)
        image = np.full(GRIDS.sample_count[row], np.nan).reshape(GRIDS.height[row], GRIDS.width[row])
        image[dense(samples, row) > 0] = dense(samples, row, values)[dense(samples, row) > 0]
        assert found["mode"] == exact(row, image, ["mode(coverage_weight=none)"])["mode"]
        for name, value in classes:
            assert found[f"share_{name}"] == np.mean(mine == value)


def test_samples_outside_the_polygons_count_as_the_service_counts_them() -> None:
    """A script without a mask: what it returns outside the polygon counts in the further statistics, too."""
    calculation = Calculation(more=("sum", "count", "median", "mode"), shares=(("three", 3), ("seven", 7)))
    values, offsets = np.array([7.0, 7.0, 5.0, 1.0, 1.0]), np.array([0, 3, 5])
    ours = summarise(
        values, np.ones(5, np.uint8), offsets, sample_count=np.array([5, 6]), calculation=calculation,
        sample_type=SampleType.UINT8, outside=OutsideSample(value=np.array([3.0, 3.0]), valid=np.ones(2, bool)),
    )  # fmt: skip
    found = {name: numbers.tolist() for name, numbers in ours.more.items()}
    assert found["sum"] == [25.0, 14.0]
    assert found["count"] == [5, 6]
    assert found["median"] == [5.0, 3.0]
    assert found["mode"] == [7.0, 3.0]
    assert found["share_three"] == [0.4, 4 / 6]
    assert found["share_seven"] == [0.4, 0.0]


def test_all_seams_of_a_ring_that_is_cut_in_two_are_found() -> None:
    """GEOS leaves some of 300 apart where it widens both halves as one geometry."""
    random = np.random.default_rng(5)
    for _ in range(300):
        x, y = 5e5 + random.uniform(0, 1e5), 5e6 + random.uniform(0, 1e5)
        disc = shapely.Point(x, y).buffer(random.uniform(20, 400), quad_segs=int(random.integers(1, 12)))
        ring = disc.difference(affinity.scale(disc, 0.3, 0.3))
        west, south, east, north = ring.bounds
        middle = x + random.uniform(-10, 10)
        boxes = (shapely.box(west, south, middle, north), shapely.box(middle, south, east, north))
        halves = [ring.intersection(box) for box in boxes]
        angle = random.uniform(0, 90)
        cut, whole = (affinity.rotate(one, angle, (5e5, 5e6)) for one in (shapely.MultiPolygon(halves), ring))
        found = _without_seams(np.array([cut], object), SEAM)[0]
        lost = shapely.area(shapely.symmetric_difference(shapely.buffer(found, -5), shapely.buffer(whole, -5)))
        assert lost < 1.0
