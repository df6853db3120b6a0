"""Zonal statistics and writing, compared in one run with straightforward numpy and Python code: times, and ratios."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from pyproj import CRS

from arpent.adapters.formats.parquet_table import table
from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.evalscript import SampleType
from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Resolution, Samples
from arpent.domain.interval import Interval
from arpent.domain.result import IntervalResult, PartitionResult
from arpent.wire.result.render import render_results
from arpent.zonal.pixel_coverage import pixel_coverage
from arpent.zonal.statistics import summarise

COUNT = 20_000
"""Number of features, with 17 vertices and about 200 samples each."""
NAIVE = 400
"""Number of features on which the straightforward code is measured."""
DATES = 6
K = (5.0, 25.0, 50.0, 75.0, 95.0)
WISHES = {
    "statistics": Calculation(),
    "+ 5 percentiles": Calculation(percentiles=K),
    "+ histogram": Calculation(histogram=Histogram(bin_count=20, low_edge=-1.0, high_edge=1.0)),
    "+ own edges": Calculation(histogram=Histogram(bin_count=20)),
}


def best(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the fastest round, after a first one that compiles."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def parcels() -> Features:
    generator = np.random.default_rng(1)
    angles = np.sort(generator.uniform(0, 2 * math.pi, (COUNT, 16)), axis=1)
    reach = generator.uniform(60, 100, (COUNT, 16))
    centres = generator.uniform(0, 1e5, (COUNT, 1, 2)) + np.array([400_000, 5_000_000])
    polygons = shapely.polygons(centres + np.stack((reach * np.cos(angles), reach * np.sin(angles)), axis=-1))
    return Features(
        crs=CRS(32633),
        ids=np.arange(COUNT),
        identifiers=tuple(f"parcel-{k}" for k in range(COUNT)),
        geometries=np.asarray(polygons, object),
    )


def naive_cover(features: Features, grids: Grids) -> None:
    """Find the sample centres inside each feature, one by one; this is less than Sentinel Hub's rule requires."""
    for k in range(NAIVE):
        x0, y0, x1, y1 = grids.bounds[k]
        width, height = grids.width[k], grids.height[k]
        x = x0 + (np.arange(width) + 0.5) * (x1 - x0) / width
        y = y1 - (np.arange(height) + 0.5) * (y1 - y0) / height
        shapely.contains_xy(features.geometries[k], *np.meshgrid(x, y))


def naive_statistics(values: np.ndarray, valid: np.ndarray, samples: Samples, wish: Calculation) -> None:
    for k in range(NAIVE):
        mine = slice(samples.offsets[k], samples.offsets[k + 1])
        kept = values[mine][valid[mine]].astype(np.float32).astype(np.float64)
        if not len(kept):
            continue
        kept.min(), kept.max(), kept.mean(), kept.std()
        if wish.percentiles:
            np.percentile(kept, wish.percentiles, method="higher")
        if wish.histogram:
            np.histogram(kept, bins=20, range=(-1, 1) if wish.histogram.low_edge is not None else None)


def naive_files(files: list[bytes]) -> float:
    """Seconds per feature for json.dumps of dicts, without building them."""
    dicts = [json.loads(payload) for payload in files[:NAIVE]]
    return best(lambda: [json.dumps(one) for one in dicts]) / NAIVE


def naive_table(result: PartitionResult) -> None:
    """Write the Parquet table from one dict per row."""
    rows = []
    for one in result.intervals:
        band = one.outputs["ndvi"]["B0"]
        rows.extend(

                {"id": int(result.features.ids[k]), "identifier": result.features.identifiers[k],
                 "from": one.interval.start, "to": one.interval.end, "min": float(band.minimum[k]),
                 "max": float(band.maximum[k]), "mean": float(band.mean[k]),
                 "stDev": float(band.standard_deviation[k]), "sample_count": int(band.sample_count[k]),
                 "no_data_count": int(band.no_data_count[k]),
                 "geometry": shapely.to_wkb(result.features.geometries[k])}
                for k in range(NAIVE)

        )  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), pa.BufferOutputStream(), compression="zstd")


def line(name: str, ours: float, naive: float, unit: str) -> None:
    print(f"{name:<26}{ours:10.2f} {unit:<18}{naive:10.2f} {naive / ours:8.1f} x")


def main() -> None:
    features = parcels()
    grids = Grids.over(features.bounds, Resolution(x=10, y=10))
    samples = pixel_coverage(features, grids)
    generator = np.random.default_rng(2)
    values = generator.normal(0.4, 0.1, len(samples))
    valid = generator.random(len(samples)) < 0.8
    print(f"{COUNT} features, {len(samples) / COUNT:.0f} samples each of {grids.sample_count.mean():.0f} in the grid")
    print(f"{'':<26}{'arpent':>10} {'':<18}{'naive':>10}")
    ours = best(lambda: pixel_coverage(features, grids)) / COUNT
    naive = best(lambda: naive_cover(features, grids)) / NAIVE
    line("cover", ours * 1e6, naive * 1e6, "us / feature")
    for name, wish in WISHES.items():
        ours = best(
            lambda wish=wish: summarise(
                values, valid, samples.offsets, sample_count=grids.sample_count, calculation=wish,
                sample_type=SampleType.FLOAT32,
            )
        )  # fmt: skip
        naive = best(lambda wish=wish: naive_statistics(values, valid, samples, wish))
        line(name, ours / len(samples) * 1e9, naive / samples.offsets[NAIVE] * 1e9, "ns / sample")
    for name, wish in WISHES.items():
        written(name, features, samples, grids, wish)


def written(name: str, features: Features, samples: Samples, grids: Grids, wish: Calculation) -> None:
    values = np.random.default_rng(3).normal(0.4, 0.1, len(samples))
    band = summarise(
        values, np.ones(len(values), bool), samples.offsets, sample_count=grids.sample_count, calculation=wish,
        sample_type=SampleType.FLOAT32,
    )  # fmt: skip
    months = [datetime(2020, month, 1, tzinfo=UTC) for month in range(1, DATES + 2)]
    result = PartitionResult(
        features=features,
        intervals=tuple(
            IntervalResult(
                interval=Interval(start=start, end=end), present=np.ones(COUNT, bool), outputs={"ndvi": {"B0": band}}
            )
            for start, end in pairwise(months)
        ),
        geometry_pixel_count=samples.counts,
    )
    files = [payload for _, payload in render_results(result)]
    ours = best(lambda: list(render_results(result)), 3) / COUNT / DATES
    line(f"JSON, {name}", ours * 1e6, naive_files(files) / DATES * 1e6, "us / feature-date")
    ours = best(lambda: table(result), 3) / COUNT / DATES
    naive = best(lambda: naive_table(result), 3) / NAIVE / DATES
    line(f"Parquet, {name}", ours * 1e6, naive * 1e6, "us / feature-date")


if __name__ == "__main__":
    main()
