"""Jobs, partitions and a clock for tests of a job's life."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import shapely
from pyproj import CRS

from arpent.domain.calculation import Calculations
from arpent.domain.feature import Features
from arpent.domain.finding import Finding, Verdict
from arpent.domain.grid import Resolution
from arpent.domain.interval import Interval, LastInterval, Period
from arpent.domain.job import Job, Status
from arpent.domain.location import Location
from arpent.domain.partition import Outcome, Partition
from arpent.domain.ports.jobs import JobStore, Lease, WorkStore
from arpent.domain.request import Request, Source

START = datetime(2026, 4, 1, 12, tzinfo=UTC)
UTM = CRS.from_epsg(32633)


@dataclass
class Clock:
    """Time that passes when told to."""

    time: datetime = START

    def __call__(self) -> datetime:
        return self.time

    def tick(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def make_job(**changes: object) -> Job:
    fields: dict[str, object] = {"id": str(uuid4()), "owner": "anna", "body": "{}", "created": START, **changes}
    return Job(**fields)  # type: ignore[arg-type]


def make_request(script: str = "") -> Request:
    """A request with a script of its own; it is never computed."""
    return Request(
        features=Location(scheme="s3", bucket="fields", key="a.gpkg"), sources=(Source(id="0", collection="any"),),
        time_range=Interval(start=START, end=START + timedelta(days=1)), period=Period(span=timedelta(days=1)),
        last_interval=LastInterval.SKIP, sampling=Resolution(x=10, y=10), script=script, calculations=Calculations(),
        output=Location(scheme="s3", bucket="results", key="out"),
    )  # fmt: skip


def make_partition(number: int, ids: range) -> Partition:
    lower = np.arange(len(ids), dtype=float)
    return Partition(
        number=number,
        features=Features(
            crs=UTM,
            ids=np.array(ids, np.int64),
            identifiers=tuple(f"parcel {each}" if each % 2 else None for each in ids),
            geometries=shapely.box(lower, lower, lower + 1, lower + 1),
        ),
    )


def cut(features: int, size: int) -> list[Partition]:
    """Features 1 to n in partitions of a size."""
    starts = range(1, features + 1, size)
    return [make_partition(k, range(start, min(start + size, features + 1))) for k, start in enumerate(starts)]


def failure(feature: int, kind: str = "asset-unreadable") -> Finding:
    return Finding(feature=feature, identifier=None, verdict=Verdict.FAILED, kind=kind, message="The image is broken.")


def all_done(lease: Lease) -> Outcome:
    assert lease.partition is not None
    return Outcome(done=len(lease.partition.features), failed=0)


def processing_job(
    jobs: JobStore, work: WorkStore, clock: Clock, partitions: list[Partition], **changes: object
) -> Job:
    """A stored job that has been analysed and begun, by the stores alone."""
    job = make_job(status=Status.ANALYSING, created=clock(), **changes)
    jobs.add(job)
    lease = work.claim(clock(), 60, partitions=False)
    assert lease is not None
    assert lease.job_id == job.id
    work.add(lease, partitions, ())
    saved = jobs.save(replace(jobs.get(job.id), status=Status.PROCESSING))
    work.finish(lease, None)
    return saved
