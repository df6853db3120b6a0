"""Catalogue, images, scripts and geometry are asked once per request, partition or interval."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from arpent.domain.grid import Grids
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.partition import Partition
from arpent.domain.ports.imagery import Catalog
from arpent.domain.ports.scripts import ScriptRuntime, ScriptSession
from arpent.engine.analysis.analyse import analyse
from arpent.engine.explain import explain
from arpent.engine.processing import sample_geometry
from arpent.engine.processing.process import process
from arpent.engine.services import Limits, Services
from arpent.engine.statistics import statistics
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch, parse_statistical
from arpent.worker import services_of
from tests.support.client import seed_body
from tests.support.engine import features
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import GREENEST_DAY, SEED
from tests.support.world import SEASON, make_imagery

JUNE = tuple(acquisition for acquisition in SEASON if acquisition.instant < "2023-07-01")
PARCELS = [parcel for parcel in good_parcels(12) if parcel.kind != "outside the imagery"]
SCRIPTS = {"SIMPLE": SEED.text, "ORBIT": GREENEST_DAY.text}


@dataclass
class CountedRuntime:
    """A ScriptRuntime that counts its sessions."""

    inner: ScriptRuntime
    opened: int = 0

    @property
    def seconds(self) -> float:
        return self.inner.seconds

    @contextmanager
    def open(self, script: str) -> Iterator[ScriptSession]:
        self.opened += 1
        with self.inner.open(script) as session:
            yield session


@dataclass
class CountedCatalog:
    """A Catalog that keeps what it is asked."""

    inner: Catalog
    asked: list[Interval] = field(default_factory=list)

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        self.asked.append(interval)
        return self.inner.search(collection, interval, box)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    folder = tmp_path_factory.mktemp("once")
    make_imagery(folder / "stac", JUNE)
    (folder / "buckets" / "results").mkdir(parents=True)
    write_geopackage(folder / "buckets" / "fields" / "a.gpkg", PARCELS)
    return services_of(Settings(catalog=str(folder / "stac"), buckets=folder / "buckets", parquet=False))


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many features grids and samples are worked out for."""
    found: Counter[str] = Counter()
    over, coverage = Grids.over, sample_geometry.samples_inside

    def grids(bounds: Any, sampling: Any) -> Grids:
        found["grids"] += len(bounds)
        return over(bounds, sampling)

    def samples(some: Any, grids: Grids, rule: Any) -> Any:
        found["samples"] += len(grids)
        return coverage(some, grids, rule)

    monkeypatch.setattr(Grids, "over", grids)
    monkeypatch.setattr(sample_geometry, "samples_inside", samples)
    return found


def batch(script: str, **source: Any) -> str:
    body = seed_body("s3://fields/a.gpkg", script, "s3://results/out", aggregationInterval={"of": "P1D"})
    body["input"]["data"] = [{"type": "sentinel-2-l2a", **source}]
    return json.dumps(body)


def synchronous(script: str, **source: Any) -> str:
    body = json.loads(batch(script, **source))
    crs = {"crs": "http://www.opengis.net/def/crs/EPSG/0/32633"}
    body["input"]["bounds"] = {"bbox": list(PARCELS[0].geometry.bounds), "properties": crs}
    del body["output"], body["input"]["features"]
    return json.dumps(body)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_synchronous_request_has_one_script_session(services: Services, script: str) -> None:
    runtime = CountedRuntime(services.runtime)
    payload, _, _ = statistics(parse_statistical(synchronous(script)), replace(services, runtime=runtime), Limits())
    assert json.loads(payload)["data"]
    assert runtime.opened == 1


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_partition_has_one_script_session_and_each_grid_once(
    services: Services, script: str, counts: Counter[str]
) -> None:
    """Though features that see different scenes are evaluated group by group, in every interval."""
    runtime = CountedRuntime(services.runtime)
    partition = Partition(number=0, features=features(PARCELS, 32633))
    outcome = process("job", parse_batch(batch(script)), partition, replace(services, runtime=runtime))
    assert outcome.done == len(PARCELS)
    assert runtime.opened == 1
    assert counts == {"grids": len(PARCELS), "samples": len(PARCELS)}


def test_an_analysis_has_each_grid_once(services: Services, counts: Counter[str]) -> None:
    analysis = analyse("job", parse_batch(batch(SEED.text)), services, Limits())
    assert analysis.estimate["features"] == len(PARCELS)
    assert counts == {"grids": len(PARCELS)}, "what reaches a feature is told without its samples"


def test_an_explanation_asks_the_catalogue_once(services: Services) -> None:
    request = parse_batch(batch(SEED.text))
    start = next(interval for interval in request.intervals if f"{interval.start:%Y-%m-%d}" == JUNE[0].instant[:10])
    catalog = CountedCatalog(services.catalog)
    told = explain(request, features(PARCELS[:1], 32633), start.start, replace(services, catalog=catalog))
    assert [seen.item.id for seen in told.inputs[0].items]
    assert catalog.asked == [start]


@pytest.mark.parametrize("wanted", ["process", "analyse", "explain"])
def test_all_look_at_a_season_in_one_search(services: Services, wanted: str) -> None:
    """They share one loop: many intervals take one search."""
    request = parse_batch(batch(SEED.text, dataFilter={"maxCloudCoverage": 0}))  # nothing is found: all are looked at
    catalog = CountedCatalog(services.catalog)
    counted = replace(services, catalog=catalog)
    if wanted == "process":
        process("job", request, Partition(number=0, features=features(PARCELS, 32633)), counted)
    elif wanted == "analyse":
        analyse("job", request, counted, Limits())
    else:
        explain(request, features(PARCELS[:1], 32633), None, counted)
    assert len(request.intervals) > 20
    assert len(catalog.asked) == 1
    assert np.all([catalog.asked[0].start <= interval.start for interval in request.intervals])
