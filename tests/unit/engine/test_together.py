"""Small intervals that are read and summed together give the same bytes as one by one, whatever is wrong with one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from arpent.adapters.scripts.jit.runtime import CompiledRuntime
from arpent.adapters.scripts.jit.sampling_policy import ALWAYS
from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.grid import Grids
from arpent.domain.partition import Partition
from arpent.domain.ports.scripts import ScriptRuntime
from arpent.engine.band_bindings import bind_bands
from arpent.engine.budget import MOST_AT_ONCE
from arpent.engine.processing import interval, totals
from arpent.engine.processing.inputs import prepare_together
from arpent.engine.processing.process import process
from arpent.engine.processing.sample_geometry import sample_geometry
from arpent.engine.processing.script_supervisor import ScriptSupervisor
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch
from arpent.worker import services_of, with_table
from tests.support.client import seed_body
from tests.support.engine import features
from tests.support.parcels import good_parcels
from tests.support.scripts import GREENEST_DAY, SEED, at_the_head_of_evaluate_pixel
from tests.support.world import SEASON, make_imagery

PARCELS = good_parcels(12)
DAYS = {"aggregationInterval": {"of": "P5D"}}
THROWS = at_the_head_of_evaluate_pixel("if (s.B04 > 0.12) throw new Error('too red');")
MANY_BANDS = """//VERSION=3
function setup() { return {input: ["B04", "dataMask"], output: [{id: "x", bands: 500}, {id: "dataMask", bands: 1}]}; }
function evaluatePixel(s) { return {x: new Array(500).fill(s.B04), dataMask: [s.dataMask]}; }
"""
EVERYTHING: dict[str, Any] = {
    "default": {
        "statistics": {"default": {"percentiles": {"k": [5, 33.3, 50]}}},
        "histograms": {"default": {"nBins": 8}},
    }
}


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_imagery(tmp_path_factory.mktemp("season"), SEASON)


def intact(catalog: Path) -> None:
    """Nothing is wrong."""


def damaged(catalog: Path) -> None:
    """One image of one scene ends too soon."""
    image = _scene(catalog, "20230608") / "B04.tif"
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])


def headless(catalog: Path) -> None:
    """One image of one scene is none."""
    (_scene(catalog, "20230608") / "B08.tif").write_bytes(b"not an image")


def missing(catalog: Path) -> None:
    """One image of one scene is away."""
    (_scene(catalog, "20230618") / "SCL.tif").unlink()


def another_type(catalog: Path, kind: str = "float32") -> None:
    """One image of one scene holds numbers of another type."""
    path = _scene(catalog, "20230608") / "B04.tif"
    with rasterio.open(path) as image:
        profile, numbers = image.profile, image.read(1)
    with rasterio.open(path, "w", **(profile | {"dtype": kind, "predictor": 1})) as image:
        image.write(numbers.astype(kind) + np.float32(0.25), 1)


def bandless(catalog: Path) -> None:
    """One scene has a band less."""
    for path in catalog.rglob("*20230608*.json"):
        item = json.loads(path.read_text())
        item["assets"].pop("nir", None) or item["assets"].pop("B08")
        path.write_text(json.dumps(item))


def lasting(catalog: Path) -> None:
    """One scene belongs to several intervals."""
    for path in catalog.rglob("*20230608*.json"):
        item = json.loads(path.read_text())
        item["properties"] |= {"start_datetime": "2023-06-08T00:00:00Z", "end_datetime": "2023-06-20T00:00:00Z"}
        path.write_text(json.dumps(item))


def _scene(catalog: Path, day: str) -> Path:
    (found,) = {path.parent for path in catalog.rglob("B04.tif") if day in str(path) and "33TXM" in str(path)}
    return found


def run(
    catalog: Path, buckets: Path, script: str, runtime: ScriptRuntime, calculations: dict[str, Any], **processing: str
) -> Any:
    (buckets / "results").mkdir(parents=True)
    settings = Settings(catalog=str(catalog), buckets=buckets)
    services = replace(with_table(services_of(settings), settings.results), runtime=runtime)
    body = seed_body("s3://fields/a.gpkg", script, "s3://results/out", **DAYS)
    body["input"]["data"][0]["processing"] = processing
    if calculations:
        body["calculations"] = calculations
    partition = Partition(number=0, features=features(PARCELS, 32633))
    outcome = process("job", parse_batch(json.dumps(body)), partition, services)
    folder = buckets / "results" / "out" / "job"
    return outcome.failed, {path.name: path.read_bytes() for path in sorted(folder.glob("*.json"))}


@pytest.mark.parametrize("calculations", [{}, EVERYTHING], ids=["sums", "samples"])
@pytest.mark.parametrize("script", [SEED.text, THROWS], ids=["seed", "throws"])
@pytest.mark.parametrize("spoil", [intact, damaged, headless, missing, another_type, bandless, lasting])
def test_the_bytes_are_those_of_each_interval_alone(
    season: Path,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    script: str,
    calculations: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalog = tmp_path / "stac"
    shutil.copytree(season, catalog)
    spoil(catalog)
    with V8Runtime(20, 128) as plain:
        compiled = CompiledRuntime(plain, least=0)
        monkeypatch.setattr(interval, "MOST_TOGETHER", 1)
        alone = run(catalog, tmp_path / "alone", script, compiled, calculations)
        monkeypatch.setattr(interval, "MOST_TOGETHER", 4)
        for number in range(ALWAYS + 1):  # the last one asks no interpreter
            assert run(catalog, tmp_path / f"together-{number}", script, compiled, calculations) == alone


def test_no_interval_is_rounded_to_the_type_of_another(
    season: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interpolated numbers of one scene are kept as float32, those of another as float64."""
    catalog = tmp_path / "stac"
    shutil.copytree(season, catalog)
    another_type(catalog, "float64")
    smooth = {"upsampling": "BILINEAR", "downsampling": "BILINEAR"}
    with V8Runtime(20, 128) as plain:
        compiled = CompiledRuntime(plain, least=0)
        together = run(catalog, tmp_path / "together", SEED.text, compiled, {}, **smooth)
        monkeypatch.setattr(interval, "MOST_TOGETHER", 1)
        assert run(catalog, tmp_path / "alone", SEED.text, compiled, {}, **smooth) == together


def test_intervals_are_read_and_summed_together(season: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several at once, and all of them once no interpreter checks the code any more."""
    read: list[int] = []
    summed: list[int] = []

    def reading(binding: Any, acquisitions: Any, *more: Any) -> Any:
        read.append(len(acquisitions))
        return prepare_together(binding, acquisitions, *more)

    def summing(code: Any, offsets: Any, bands: Any) -> Any:
        summed.append((len(offsets) - 1) // len(PARCELS))
        return computed_sums(code, offsets, bands)

    computed_sums = totals.computed_sums
    monkeypatch.setattr(interval, "prepare_together", reading)
    monkeypatch.setattr(totals, "computed_sums", summing)
    monkeypatch.setattr(interval, "MOST_TOGETHER", 4)
    with V8Runtime(20, 128) as plain:
        compiled = CompiledRuntime(plain, least=0)
        for number in range(ALWAYS + 1):
            read.clear()
            summed.clear()
            run(season, tmp_path / f"{number}", SEED.text, compiled, {})
    assert max(read) == 4
    assert summed[: len(read)] == read


@pytest.mark.parametrize(
    "script",
    [GREENEST_DAY.text, SEED.text + "\nfunction preProcessScenes(c) { return c; }"],
    ids=["scenes", "preProcessScenes"],
)
def test_what_is_asked_in_each_interval_is_read_alone(
    season: Path, tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interval, "prepare_together", lambda *_: pytest.fail("read together"))
    with V8Runtime(20, 128) as plain:
        run(season, tmp_path / "alone", script, CompiledRuntime(plain, least=0), {})


@pytest.mark.parametrize(("calculations", "numbers"), [({}, 2), (EVERYTHING, 502)], ids=["sums", "samples"])
def test_numbers_that_are_kept_are_counted_with_those_that_are_read(
    season: Path, tmp_path: Path, calculations: dict[str, Any], numbers: int
) -> None:
    """They wait for their percentiles until all intervals are summed; a synchronous request is counted for one."""
    services = services_of(Settings(catalog=str(season), buckets=tmp_path))
    body = seed_body("s3://fields/a.gpkg", MANY_BANDS, "s3://results/out", **DAYS)
    request = parse_batch(json.dumps(body | ({"calculations": calculations} if calculations else {})))
    parcels = features(PARCELS, 32633)
    geometry = sample_geometry(parcels, Grids.over(parcels.bounds, request.sampling), request.pixels)
    with ScriptSupervisor(services.runtime, MANY_BANDS) as session:
        computation = interval.Computation(
            bindings=bind_bands(session.evalscript, request, services.collections), geometry=geometry, session=session,
            calculations=request.calculations, services=services,
        )  # fmt: skip
        fit = interval.NUMBERS_TOGETHER // (numbers * len(geometry.samples))
        assert computation.together(MOST_AT_ONCE) == max(1, min(interval.MOST_TOGETHER, fit))
