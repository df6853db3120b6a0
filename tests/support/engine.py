"""The engine without a server: a request body and some parcels in, the bytes of their result files out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS

from arpent.domain.feature import Features
from arpent.domain.partition import Partition
from arpent.engine.processing.process import process
from arpent.engine.services import Services
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch
from arpent.worker import services_of
from tests.support.client import seed_body
from tests.support.parcels import Parcel, reproject


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Images of a folder, buckets in another."""

    buckets: Path
    world: Services
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def over(cls, catalog: Path, folder: Path) -> Engine:
        buckets = folder / "buckets"
        (buckets / "results").mkdir(parents=True)
        settings = Settings(catalog=str(catalog), buckets=buckets, parquet=False, script_seconds=10)
        return cls(buckets=buckets, world=services_of(settings))

    def run(
        self, body: Mapping[str, Any], parcels: Sequence[Parcel], epsg: int = 32633, cuts: Sequence[int] = ()
    ) -> tuple[dict[int, bytes], float]:
        """(feature id → content of its file, processing units). `cuts`: where the parcels are cut into partitions."""
        job = f"job-{next(self.numbers)}"
        request = parse_batch(json.dumps(body))
        units = 0.0
        for number, (low, high) in enumerate(itertools.pairwise([0, *sorted(cuts), len(parcels)])):
            if low < high:
                partition = Partition(number=number, features=features(parcels[low:high], epsg))
                units += process(job, request, partition, self.world).processing_units
        folder = self.buckets / "results" / "out" / job
        return {int(path.stem): path.read_bytes() for path in folder.glob("*.json")}, units

    def files(
        self, body: Mapping[str, Any], parcels: Sequence[Parcel], epsg: int = 32633, cuts: Sequence[int] = ()
    ) -> dict[int, bytes]:
        """Feature id → content of its file."""
        return self.run(body, parcels, epsg, cuts)[0]

    def answers(self, body: Mapping[str, Any], parcels: Sequence[Parcel], epsg: int = 32633) -> dict[int, Any]:
        """The same, read."""
        return {feature: json.loads(content) for feature, content in self.files(body, parcels, epsg).items()}


def features(parcels: Sequence[Parcel], epsg: int) -> Features:
    """Parcels as the GeoPackage reader gives them."""
    shapes = np.empty(len(parcels), object)
    shapes[:] = [None if parcel.geometry is None else reproject(parcel.geometry, epsg) for parcel in parcels]
    return Features(
        crs=CRS.from_epsg(epsg),
        ids=np.array([parcel.id for parcel in parcels], np.int64),
        identifiers=tuple(parcel.identifier for parcel in parcels),
        geometries=shapes,
    )


def wish(
    script: str,
    *sources: Mapping[str, Any],
    calculations: Mapping[str, Any] | None = None,
    **aggregation: Any,
) -> dict[str, Any]:
    """The body of a batch request over the made-up country; `sources` replace `input.data`."""
    body = seed_body("s3://fields/any.gpkg", script, **aggregation)
    body["input"]["data"] = [dict(source) for source in sources] or [{"type": "sentinel-2-l2a"}]
    return body | ({"calculations": dict(calculations)} if calculations else {})
