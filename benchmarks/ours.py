"""Ours: arpent as the benchmarks run it: a worker's engine, in this process, on an ordinary batch request."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from arpent import worker
from arpent.adapters.executors.processes.limits import keep_memory
from arpent.adapters.images import geotiff
from arpent.domain.partition import Partition
from arpent.domain.request import Request
from arpent.engine.analysis.analyse import analyse
from arpent.engine.processing.compute import compute
from arpent.engine.processing.process import process, script_of
from arpent.engine.services import Services
from arpent.settings import Settings, load
from arpent.wire.request.parse import parse_batch
from arpent.wiring import local
from benchmarks.country import REVISIT, START
from benchmarks.parcels import Numbers

SCRIPT = """//VERSION=3
function setup() {
  return {
    input: [{ bands: ["B04", "B08", "SCL", "dataMask"] }],
    output: [{ id: "ndvi", bands: 1, sampleType: "FLOAT32" }, { id: "dataMask", bands: 1 }]
  };
}
function evaluatePixel(s) {
  const clear = s.dataMask === 1 && (s.SCL === 4 || s.SCL === 5 || s.SCL === 6 || s.SCL === 7 || s.SCL === 11);
  return { ndvi: [(s.B08 - s.B04) / (s.B08 + s.B04)], dataMask: [clear ? 1 : 0] };
}
"""
SEASON = """//VERSION=3
function setup() {
  return {
    input: [{ bands: ["B04", "B08", "SCL", "dataMask"] }],
    output: [{ id: "ndvi", bands: 1, sampleType: "FLOAT32" }, { id: "dataMask", bands: 1 }],
    mosaicking: "ORBIT"
  };
}
function evaluatePixel(samples) {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < samples.length; i++) {
    const s = samples[i];
    if (s.dataMask === 1 && (s.SCL === 4 || s.SCL === 5 || s.SCL === 6 || s.SCL === 7 || s.SCL === 11)) {
      sum += (s.B08 - s.B04) / (s.B08 + s.B04);
      count += 1;
    }
  }
  return { ndvi: [count > 0 ? sum / count : 0], dataMask: [count > 0 ? 1 : 0] };
}
"""
"""Evalscript for the mean NDVI of all clear scenes of an interval."""
RUN = "arpent-bench"
"""Name of the folder of results, unless ARPENT_BENCH_RUN gives another: each run has its own, so that concurrent runs
do not remove each other's files."""
K = (5, 25, 50, 75, 95)
RICH = {
    "ndvi": {
        "histograms": {"default": {"nBins": 20, "lowEdge": -1.0, "highEdge": 1.0}},
        "statistics": {"default": {"percentiles": {"k": list(K)}}},
    }
}


def root(folder: Path) -> Path:
    """Folder for results: in ARPENT_BENCH_RESULTS, otherwise in memory, so that the disk's speed does not matter."""
    memory = Path("/dev/shm")
    chosen = os.environ.get("ARPENT_BENCH_RESULTS") or (memory if os.access(memory, os.W_OK) else folder / "buckets")
    return Path(chosen) / os.environ.get("ARPENT_BENCH_RUN", RUN)


def settings(folder: Path, **more: object) -> Settings:
    """Settings with the buckets and the catalogue in `folder`, the folder of a size."""
    return load(**{"buckets": root(folder), "catalog": str(folder / "catalog"), "executor": "inline", **more})


def bring(folder: Path, features: Path) -> None:
    """Copy a GeoPackage into the bucket of results."""
    place = root(folder) / "results" / features.name
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        shutil.copy(features, place)


def body(features: Path, dates: int, *, first: int = 0, calculations: object = None, season: bool = False) -> str:
    """Body of a batch request with one interval per date; for a `season`, one interval with all dates, by ORBIT."""
    start, end = START + REVISIT * first, START + REVISIT * (first + dates)
    degrees = "4326" in features.stem
    aggregation = {
        "timeRange": {"from": f"{start:%Y-%m-%d}T00:00:00Z", "to": f"{end:%Y-%m-%d}T00:00:00Z"},
        "aggregationInterval": {"of": f"P{REVISIT.days * (dates if season else 1)}D"},
        "evalscript": SEASON if season else SCRIPT,
        "resx": 0.00013 if degrees else 10,
        "resy": 0.00009 if degrees else 10,
    }
    keys = {"accessKey": "not-needed", "secretAccessKey": "not-needed"}
    request = {
        "input": {
            "features": {"s3": {"url": f"s3://results/{features.name}", **keys}},
            "data": [{"type": "sentinel-2-l2a"}],
        },
        "aggregation": aggregation,
        "output": {"s3": {"url": "s3://results/out", **keys}},
    }
    return json.dumps(request if calculations is None else {**request, "calculations": calculations})


@dataclass(frozen=True, kw_only=True)
class Job:
    """A batch request that has been analysed, ready to be processed."""

    request: Request
    """The parsed request."""
    partitions: tuple[Partition, ...]
    """The partitions that the analysis made."""
    world: Services
    """The services that this process uses."""
    folder: Path
    """The folder of the size, as for `root`."""

    def numbers(self) -> None:
        """Compute all numbers, but write nothing."""
        script = script_of(self.request, self.world)
        for partition in self.partitions:
            for result in compute(self.request, partition.features, script, self.world):
                for failures in (result.failures, *(one.failures for one in result.intervals)):
                    if failures:  # it would make the time too short
                        raise SystemExit(f"a feature failed: {next(iter(failures.values())).message}")

    def decoded(self) -> int:
        """Number of blocks that are decoded to compute all numbers, without those that were never written."""
        with patch.object(geotiff, "decode", wraps=geotiff.decode) as decode:
            self.numbers()
        return decode.call_count

    def files(self) -> None:
        """Compute all numbers, and write a JSON file per feature and the Parquet table."""
        for partition in self.partitions:
            process("bench", self.request, partition, self.world)

    def summary(self, rows: NDArray[np.intp], dates: int) -> Numbers:
        """Numbers of the parcels in these rows of the file, to compare those of the peers with."""
        found = Numbers(count=np.zeros((dates, len(rows))), mean=np.full((dates, len(rows)), np.nan))
        places = {f"parcel-{row}": place for place, row in enumerate(rows.tolist())}
        script = script_of(self.request, self.world)
        for partition in self.partitions:
            mine = [place for place, name in enumerate(partition.features.identifiers) if name in places]
            for result in compute(self.request, partition.features.take(np.array(mine, np.intp)), script, self.world):
                columns = [places[name] for name in result.features.identifiers]
                for interval in result.intervals:
                    date = (interval.interval.start.date() - START.date()) // REVISIT
                    band = interval.outputs["ndvi"]["B0"]
                    found.count[date, columns] = band.sample_count - band.no_data_count
                    found.mean[date, columns] = band.mean
        return found

    def set_aside(self) -> None:
        """Rename the folder of results, so that the next run writes into an empty one. Nothing is removed between runs:
        on some file systems (ext4), creating files is very slow for a while after many were removed."""
        results = root(self.folder) / "results"
        if (results / "out").exists():
            (results / "out").rename(results / f"old-{time.time_ns()}")

    def clear(self) -> None:
        """Remove all results that were written or set aside."""
        for path in (root(self.folder) / "results").glob("o[ul][td]*"):
            shutil.rmtree(path)


def prepare(folder: Path, text: str, *, parallelism: int = 1, **more: object) -> Job:
    """Parse and analyse a request; sets up this process to keep freed memory, as a worker does."""
    keep_memory(None)
    chosen = settings(folder, **more)
    request = parse_batch(text)
    world = worker.with_table(worker.services_of(chosen), worker.result_form(request, chosen))
    allowed = replace(local.operator_limits(chosen), parallelism=parallelism)
    analysis = analyse("bench", request, world, allowed)
    return Job(request=request, partitions=tuple(analysis.partitions), world=world, folder=folder)
