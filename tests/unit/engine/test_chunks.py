"""Results are the same bytes however few samples of a partition are worked on at once, and no block is decoded more
often for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from arpent.adapters.scripts.jit.runtime import CompiledRuntime
from arpent.adapters.scripts.jit.sampling_policy import ALWAYS
from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.feature import Features
from arpent.domain.imagery.item import CalibrationFile
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.partition import Partition
from arpent.domain.ports.imagery import AssetReader, Block, Count
from arpent.domain.ports.scripts import MachineCode, ScriptRuntime
from arpent.engine.processing import totals
from arpent.engine.processing.process import process
from arpent.engine.services import Services
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch
from arpent.worker import services_of, with_table
from arpent.zonal.computed import ComputedBand, computed_sums
from tests.support.client import seed_body
from tests.support.engine import features
from tests.support.parcels import good_parcels
from tests.support.scripts import GREENEST_DAY, SEED
from tests.support.world import SEASON, make_imagery

PARCELS = good_parcels(30)
FEW, ALL = 700, 10**9
"""Samples at once: less than the largest parcel has, and all of them."""
JUNE = tuple(acquisition for acquisition in SEASON if acquisition.instant < "2023-07-01")
EVERYTHING = {"default": {"statistics": {"default": {"percentiles": {"k": [5, 33.3, 50]}}}}}
BINS = {"default": {"histograms": {"default": {"nBins": 8}}}}


@dataclass
class CountedReader:
    """An AssetReader that counts the blocks it decodes."""

    inner: AssetReader
    blocks: Counter[tuple[str, int, Block]] = field(default_factory=Counter)

    def counting(self) -> AbstractContextManager[Count]:
        return self.inner.counting()

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        self.inner.prepare(hrefs, files)

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        return self.inner.describe(href, place)

    def read(self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0) -> Iterator[Any]:
        for href, blocks in requests:
            self.blocks.update((href, band, block) for block in blocks)
        return self.inner.read(requests, band)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chunks")
    make_imagery(folder / "stac", JUNE)
    return folder


def run(
    folder: Path, some: Features, script: str, most: int, name: str, runtime: ScriptRuntime | None = None, **more: Any
) -> tuple[dict[str, bytes], Counter[tuple[str, int, Block]], float]:
    buckets = folder / name
    (buckets / "results").mkdir(parents=True, exist_ok=True)
    settings = Settings(catalog=str(folder / "stac"), buckets=buckets, pixel_budget=most)
    services: Services = with_table(services_of(settings), settings.results)
    services = services if runtime is None else replace(services, runtime=runtime)
    reader = CountedReader(services.reader)
    body = seed_body("s3://fields/a.gpkg", script, "s3://results/out", aggregationInterval={"of": "P10D"})
    body |= more
    outcome = process(
        "job", parse_batch(json.dumps(body)), Partition(number=0, features=some), replace(services, reader=reader)
    )
    assert outcome.failed == 0
    files = {path.name: path.read_bytes() for path in sorted((buckets / "results" / "out" / "job").glob("*.json"))}
    return files, reader.blocks, outcome.processing_units


@pytest.mark.parametrize("calculations", [{}, EVERYTHING, BINS], ids=["moments", "percentiles", "bins"])
@pytest.mark.parametrize("script", [SEED.text, GREENEST_DAY.text], ids=["SIMPLE", "ORBIT"])
@pytest.mark.parametrize("epsg", [32633, 4326])
def test_the_bytes_do_not_depend_on_the_cut(folder: Path, epsg: int, script: str, calculations: dict[str, Any]) -> None:
    if script == GREENEST_DAY.text:
        calculations = {name.replace("default", "greenest"): wish for name, wish in calculations.items()}
    sampling = {"resx": 0.0001, "resy": 0.0001} if epsg == 4326 else {"resx": 10, "resy": 10}
    some = features(PARCELS, epsg)
    name = f"{epsg}-{len(script)}-{list(calculations.values())}".replace("/", "")
    more = {"calculations": calculations} if calculations else {}
    body = seed_body("s3://fields/a.gpkg", script, "s3://results/out", aggregationInterval={"of": "P10D"})
    more["aggregation"] = body["aggregation"] | sampling
    whole = run(folder, some, script, ALL, f"whole-{name}", **more)
    cut = run(folder, some, script, FEW, f"cut-{name}", **more)
    assert len(whole[0]) == len(PARCELS)
    assert cut[0] == whole[0]
    assert cut[2] == whole[2]


def test_samples_are_counted_where_there_is_no_interval(folder: Path) -> None:
    """The range is shorter than one interval."""
    some = features(PARCELS, 32633)
    body = seed_body("s3://fields/a.gpkg", SEED.text, "s3://results/out", aggregationInterval={"of": "P1Y"})
    more = {"aggregation": body["aggregation"] | {"pixels": "service,flagged"}}
    whole, cut = (run(folder, some, SEED.text, most, f"none-{most}", **more)[0] for most in (ALL, FEW))
    assert all(json.loads(file)["response"]["geometryPixelCount"] > 0 for file in whole.values())
    assert cut == whole


@pytest.mark.parametrize("calculations", [{}, EVERYTHING, BINS], ids=["moments", "percentiles", "bins"])
@pytest.mark.parametrize("script", [SEED.text, GREENEST_DAY.text], ids=["SIMPLE", "ORBIT"])
def test_sums_of_machine_code_give_the_same_bytes(
    folder: Path,
    script: str,
    calculations: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Samples that no interpreter sees any more are evaluated and summed in one step, cut or whole."""
    summed: list[int] = []

    def sums(code: MachineCode, offsets: NDArray[np.int64], bands: Sequence[ComputedBand]) -> Any:
        summed.append(code.count)
        return computed_sums(code, offsets, bands)

    some, where = features(PARCELS, 32633), f"code-{len(script)}-{len(str(calculations))}"
    if script == GREENEST_DAY.text:
        calculations = {name.replace("default", "greenest"): wish for name, wish in calculations.items()}
    more = {"calculations": calculations} if calculations else {}
    with V8Runtime(20, 128) as plain:
        interpreted = run(folder, some, script, ALL, f"{where}-plain", plain, **more)
        monkeypatch.setattr(totals, "computed_sums", sums)
        compiled = CompiledRuntime(plain, least=0)
        for number in range(ALWAYS + 1):  # the last one asks no interpreter
            summed.clear()
            for most in (ALL, FEW) if number == ALWAYS else (ALL,):
                found = run(folder, some, script, most, f"{where}-{number}-{most}", compiled, **more)
                assert found[0] == interpreted[0]
    assert len(set(summed)) > 1
    assert "disagreed" not in caplog.text


def test_blocks_are_decoded_once_however_the_samples_are_cut(folder: Path) -> None:
    """Large squares all over the imagery, of which none fits into memory as a whole."""
    x, y = shapely.bounds([parcel.geometry for parcel in PARCELS])[:, :2].min(axis=0)
    squares = [
        replace(
            PARCELS[0], id=100 + k, geometry=shapely.box(x + 700 * k, y + 400 * k, x + 700 * k + 900, y + 400 * k + 900)
        )
        for k in range(6)
    ]
    some = features(squares, 32633)
    whole = run(folder, some, SEED.text, ALL, "whole-squares")
    cut = run(folder, some, SEED.text, 5_000, "cut-squares")
    assert cut[0] == whole[0]
    followed = [times for (href, _, _), times in cut[1].items() if "33TXM" in href]
    assert max(followed) == 1, "the tile that holds most of them"
    assert np.mean(list(cut[1].values())) <= np.mean(list(whole[1].values())) + 0.3, "both tiles"
