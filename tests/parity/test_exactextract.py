"""Against exactextract, over the same samples: our mask as its weights, so that only the reductions differ."""

from __future__ import annotations

import exactextract
import numpy as np
import pytest
import shapely
from exactextract.raster import NumPyRasterSource
from pyproj import CRS

from arpent.domain.calculation import Calculation
from arpent.domain.evalscript import SampleType
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Resolution
from arpent.zonal.pixel_coverage import pixel_coverage
from arpent.zonal.statistics import summarise

CASES = [(32633, 5e5, 5e6, 10.0), (3035, 4.3e6, 2.9e6, 10.0), (4326, 14.0, 45.0, 1e-4)]


@pytest.mark.parametrize(("code", "x", "y", "step"), CASES)
def test_reductions_agree_over_the_same_samples(code: int, x: float, y: float, step: float):
    generator = np.random.default_rng(code)
    count = 800
    angles = np.sort(generator.uniform(0, 2 * np.pi, (count, 12)), axis=1)
    reach = step * generator.uniform(2, 15, (count, 12))
    centres = np.array([x, y]) + step * 1000 * generator.uniform(0, 1, (count, 1, 2))
    polygons = shapely.polygons(centres + np.stack((reach * np.cos(angles), reach * np.sin(angles)), axis=-1))
    features = Features(
        crs=CRS(code), ids=np.arange(count), identifiers=(None,) * count, geometries=np.asarray(polygons, object)
    )
    grids = Grids.over(features.bounds, Resolution(x=step, y=step))
    samples = pixel_coverage(features, grids)
    values = generator.normal(0.5, 0.2, len(samples)).astype(np.float32).astype(np.float64)
    ours = summarise(
        values,
        generator.random(len(samples)) < 2,
        samples.offsets,
        sample_count=grids.sample_count,
        calculation=Calculation(),
        sample_type=SampleType.FLOAT32,
    )
    for k in range(count):
        mine = slice(samples.offsets[k], samples.offsets[k + 1])
        image = np.full((grids.height[k], grids.width[k]), np.nan)
        image[samples.rows[mine], samples.columns[mine]] = values[mine]
        left, bottom, right, top = grids.bounds[k].tolist()
        raster = NumPyRasterSource(image, xmin=left, ymin=bottom, xmax=right, ymax=top)
        whole = {
            "type": "Feature",
            "properties": {},
            "geometry": shapely.box(left, bottom, right, top).__geo_interface__,
        }
        wanted = ["count", "min", "max", "mean", "stdev"]
        (found,) = exactextract.exact_extract(raster, [whole], [f"{name}(coverage_weight=none)" for name in wanted])
        theirs = found["properties"]
        assert theirs["count"] == ours.sample_count[k] - ours.no_data_count[k]
        assert (theirs["min"], theirs["max"]) == (ours.minimum[k], ours.maximum[k])
        assert theirs["mean"] == pytest.approx(ours.mean[k], rel=1e-12)
        assert theirs["stdev"] == pytest.approx(ours.standard_deviation[k], rel=1e-9, abs=1e-12)


def test_our_samples_are_those_that_it_touches_but_for_slivers():
    """A sample that exactextract does not touch is never ours. One that it touches may be missed only as a sliver: flat
    enough to lie between two scan lines (under an eighth of a sample), or below 7 of 2048 sub-samples."""
    generator = np.random.default_rng(3)
    for _ in range(200):
        angles = np.sort(generator.uniform(0, 2 * np.pi, 9))
        polygon = shapely.Polygon(np.column_stack((np.cos(angles), np.sin(angles))) * generator.uniform(4, 12, (9, 1)))
        features = Features(crs=CRS(32633), ids=np.array([1]), identifiers=(None,), geometries=np.array([polygon]))
        grids = Grids.over(features.bounds, Resolution(x=1.0, y=1.0))
        samples = pixel_coverage(features, grids)
        width, height = int(grids.width[0]), int(grids.height[0])
        left, bottom, right, top = grids.bounds[0].tolist()
        raster = NumPyRasterSource(np.zeros((height, width)), xmin=left, ymin=bottom, xmax=right, ymax=top)
        feature = {"type": "Feature", "properties": {}, "geometry": polygon.__geo_interface__}
        (found,) = exactextract.exact_extract(raster, [feature], ["cell_id", "coverage"])
        coverage = np.zeros(width * height)
        coverage[np.asarray(found["properties"]["cell_id"], int)] = found["properties"]["coverage"]
        ours = np.zeros(width * height, bool)
        ours[samples.rows * width + samples.columns] = True
        assert not ours[coverage == 0].any()
        assert ours[coverage > 1 / 8 + 7 / 2048].all()
