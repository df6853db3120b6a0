"""A broken image, an endless script or a server that does not answer costs only its own features or intervals."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyproj import CRS

from arpent import worker
from arpent.domain.errors import AssetUnreadable, CatalogUnavailable, StorageFault, WorldError
from arpent.domain.feature import Features
from arpent.domain.finding import INCOMPLETE
from arpent.domain.imagery.item import CalibrationFile
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.job import RowCounts
from arpent.domain.partition import Outcome, Partition
from arpent.domain.ports.imagery import AssetReader, Block, Count
from arpent.engine.processing.process import process
from arpent.engine.services import Services
from arpent.jobs.work_functions import is_away
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch
from tests.support.client import seed_body
from tests.support.parcels import good_parcels
from tests.support.scripts import GREENEST_DAY, GREENEST_TILE, SEED, at_the_head_of_evaluate_pixel
from tests.support.world import SEASON, make_imagery

JUNE = tuple(acquisition for acquisition in SEASON if acquisition.instant < "2023-06-20")
VICTIM = next(acquisition for acquisition in JUNE if acquisition.instant.startswith("2023-06-08"))
PARCELS = tuple(parcel for parcel in good_parcels(12) if parcel.kind != "outside the imagery")
Answers = dict[int, Any]


@dataclass
class FaultyReader:
    """Asks another one, but fails for some images."""

    inner: AssetReader
    broken: str
    """Part of the hrefs that fail."""
    transient: bool
    asked: list[str] = field(default_factory=list)

    def counting(self) -> AbstractContextManager[Count]:
        return self.inner.counting()

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        self.inner.prepare([href for href in hrefs if self.broken not in href], files)

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        self._check(href)
        return self.inner.describe(href, place)

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        return self.inner.read(requests, band)

    def _check(self, href: str) -> None:
        if self.broken in href:
            self.asked.append(href)
            raise AssetUnreadable("its server answered 503", transient=self.transient, href=href)


@dataclass(frozen=True)
class Place:
    """A country of its own."""

    folder: Path
    world: Services

    def image(self, band: str) -> Path:
        return self.folder / "stac" / VICTIM.id / f"{band}.tif"

    def run(
        self, script: str, *, world: Services | None = None, parcels: Sequence[int] | None = None, final: bool = False,
        turn: int = 0, again: bool = False, **aggregation: Any,
    ) -> tuple[Answers, Outcome]:  # fmt: skip
        """Feature id → content of its file, and the outcome of the one partition."""
        body = seed_body("s3://fields/any.gpkg", script, **{"aggregationInterval": {"of": "P1D"}, **aggregation})
        body["input"]["data"][0]["dataFilter"] = {"mosaickingOrder": "mostRecent"}
        chosen = [PARCELS[row] for row in (range(len(PARCELS)) if parcels is None else parcels)]
        features = Features(
            crs=CRS.from_epsg(32633),
            ids=np.array([parcel.id for parcel in chosen]),
            identifiers=tuple(parcel.identifier for parcel in chosen),
            geometries=np.array([parcel.geometry for parcel in chosen], object),
        )
        partition = Partition(number=0, features=features, round=turn, again=again)
        outcome = process("job", parse_batch(json.dumps(body)), partition, world or self.world, final=final)
        results = self.folder / "buckets" / "results" / "out" / "job"
        return {int(path.stem): json.loads(path.read_text()) for path in results.glob("*.json")}, outcome


@pytest.fixture
def place(tmp_path: Path) -> Place:
    make_imagery(tmp_path / "stac", JUNE)
    (tmp_path / "buckets" / "results").mkdir(parents=True)
    settings = Settings(
        buckets=tmp_path / "buckets", catalog=str(tmp_path / "stac"), script_seconds=3, script_memory=64
    )
    return Place(tmp_path, worker.with_table(worker.services_of(settings), settings.results))


def failed(answers: Answers) -> dict[tuple[int, str], dict[str, str]]:
    """(feature, day) → error."""
    return {
        (feature, entry["interval"]["from"][:10]): entry["error"]
        for feature, answer in answers.items()
        for entry in answer["response"]["data"]
        if "error" in entry
    }


def counted(answers: Answers, days: int = 60) -> RowCounts:
    """What the files say of the rows."""
    found = Counter[str]()
    reasons = Counter[str]()
    for answer in answers.values():
        entries = answer["response"]["data"]
        found["absent"] += days - len(entries)
        for entry in entries:
            bands = [band["stats"] for each in entry.get("outputs", {}).values() for band in each["bands"].values()]
            if "error" in entry:
                reasons[entry["error"]["message"][:200]] += 1
            elif any(each["sampleCount"] > each["noDataCount"] for each in bands):
                found["numbers"] += 1
            else:
                found["masked"] += 1
    return RowCounts(
        numbers=found["numbers"], masked=found["masked"], absent=found["absent"], failed=reasons.total(),
        reasons=tuple(reasons.most_common()),
    )  # fmt: skip


def check_the_rest(answers: Answers, intact: Answers) -> None:
    """All numbers without an error are those of an undisturbed run."""
    assert answers.keys() == intact.keys()
    for feature, answer in answers.items():
        for entry, expected in zip(answer["response"]["data"], intact[feature]["response"]["data"], strict=True):
            assert "error" in entry or entry == expected


@pytest.mark.parametrize("script", [SEED, GREENEST_DAY, GREENEST_TILE], ids=["SIMPLE", "ORBIT", "TILE"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "corrupt"])
def test_a_broken_image_costs_its_features_in_its_intervals(place: Place, script: Any, damage: str) -> None:
    intact, _ = place.run(script.text)
    assert failed(intact) == {}
    image = place.image("B04")
    content = image.read_bytes()
    if damage == "missing":
        image.unlink()
    else:
        middle = len(content) * 2 // 3
        image.write_bytes(content[:middle] + (b"" if damage == "truncated" else bytes(len(content) - middle)))
    fresh = replace(place.world, reader=type(place.world.reader)())
    answers, outcome = place.run(script.text, world=fresh)
    errors = failed(answers)
    reached = {
        feature
        for feature, answer in intact.items()
        if any(entry["interval"]["from"].startswith("2023-06-08") for entry in answer["response"]["data"])
    }
    assert {day for _, day in errors} == {"2023-06-08"}
    assert {feature for feature, _ in errors} == reached if damage == "missing" else len(errors) < len(reached)
    for error in errors.values():
        assert error["type"] == "EXECUTION_ERROR"
        assert VICTIM.id in error["message"]
        assert "B04" in error["message"]
    check_the_rest(answers, intact)
    assert outcome.failed == 0, "who has numbers in other intervals has not failed"
    assert (outcome.settled, outcome.unsettled) == (counted(answers), RowCounts())
    assert {(finding.kind, finding.feature) for finding in outcome.findings} == {
        ("intervals-failed", feature) for feature, _ in errors
    }


def test_what_may_pass_fails_the_attempt_and_at_last_only_those_who_need_it(place: Place) -> None:
    intact, _ = place.run(SEED.text)
    world = replace(place.world, reader=FaultyReader(place.world.reader, VICTIM.id, transient=True))
    with pytest.raises(AssetUnreadable) as caught:
        place.run(SEED.text, world=world)
    assert caught.value.transient
    answers, outcome = place.run(SEED.text, world=world, final=True)
    errors = failed(answers)
    assert {day for _, day in errors} == {"2023-06-08"}
    check_the_rest(answers, intact)
    assert {(finding.kind, finding.feature) for finding in outcome.findings} == {
        (INCOMPLETE, feature) for feature, _ in errors
    }, "START takes them up again"
    assert (outcome.failed, outcome.incomplete) == (0, len(errors))
    lacking = {feature for feature, _ in errors}
    assert outcome.settled == counted({one: answer for one, answer in answers.items() if one not in lacking})
    assert outcome.unsettled == counted({one: answer for one, answer in answers.items() if one in lacking})


def test_rows_of_the_table_are_replaced_and_never_doubled(place: Place) -> None:
    """A partition of which START takes up some features: their rows are those of the last time, in one file only."""

    def rows() -> pd.DataFrame:
        found = pd.read_parquet(place.folder / "buckets" / "results" / "out" / "job" / "parquet")
        return found.sort_values(["id", "from"]).reset_index(drop=True)

    files = place.folder / "buckets" / "results" / "out" / "job" / "parquet"
    for again in (False, True):
        place.run(SEED.text, again=again)
        assert [path.name for path in files.iterdir()] == ["part-000000-0.parquet"]
    intact = rows()
    world = replace(place.world, reader=FaultyReader(place.world.reader, VICTIM.id, transient=True))
    _, outcome = place.run(SEED.text, world=world, final=True, again=True)
    partly = rows()
    assert not partly.duplicated(["id", "from"]).any()
    incomplete = {finding.feature for finding in outcome.findings}
    assert set(partly[partly["status"] == "FAILED"]["id"]) == incomplete
    assert 0 < len(incomplete) < len(PARCELS)
    chosen = [row for row, parcel in enumerate(PARCELS) if parcel.id in incomplete]
    place.run(SEED.text, parcels=chosen, turn=1, again=True)
    pd.testing.assert_frame_equal(rows(), intact)
    place.run(SEED.text, parcels=chosen, turn=1, again=True)
    pd.testing.assert_frame_equal(rows(), intact)


def test_at_last_a_server_that_fails_is_not_asked_for_ever(place: Place) -> None:
    reader = FaultyReader(place.world.reader, ".tif", transient=True)
    answers, outcome = place.run(GREENEST_DAY.text, world=replace(place.world, reader=reader), final=True)
    assert len(reader.asked) == 3
    assert outcome.failed == len(PARCELS)
    assert all(answer["response"]["status"] == "FAILED" for answer in answers.values())


def test_what_the_analysis_could_reach_may_come_back(place: Place) -> None:
    class NoCatalog:
        def search(self, *_: object) -> tuple[()]:
            raise CatalogUnavailable("The catalogue is not there")

    with pytest.raises(CatalogUnavailable) as gone:
        place.run(SEED.text, world=replace(place.world, catalog=NoCatalog()))
    (place.folder / "buckets" / "results").rmdir()
    with pytest.raises(StorageFault, match="there is no bucket 'results'") as away:
        place.run(SEED.text)
    assert is_away(gone.value)
    assert is_away(away.value)
    assert not (place.folder / "buckets" / "results").exists(), "a bucket that was taken away must not be made"


@pytest.mark.parametrize(
    ("evil", "kind"),
    [
        ("while (true) {}", "TIMEOUT"),
        ("const all = []; while (true) all.push(new Array(1e5).fill(7));", "EXECUTION_ERROR"),
    ],
    ids=["time", "memory"],
)
def test_a_feature_that_kills_the_script_dies_alone(place: Place, evil: str, kind: str) -> None:
    rows = [0, 1, 2, 6, 7]
    interval = {"of": "P30D"}
    intact, _ = place.run(SEED.text, parcels=rows, aggregationInterval=interval)
    bands = {feature: _stats(answer) for feature, answer in intact.items()}
    culprit = max(bands, key=lambda feature: float(bands[feature]["max"]))
    others = max(float(stats["max"]) for feature, stats in bands.items() if feature != culprit)
    assert float(bands[culprit]["max"]) > others
    script = at_the_head_of_evaluate_pixel(f"if (samples.B04 > {others + 1e-6}) {{ {evil} }}")
    answers, _ = place.run(script, parcels=rows, aggregationInterval=interval)
    errors = failed(answers)
    assert {feature for feature, _ in errors} == {culprit}
    assert {error["type"] for error in errors.values()} == {kind}
    check_the_rest(answers, intact)


def test_a_script_that_throws_before_the_pixels_costs_that_interval(place: Place) -> None:
    intact, _ = place.run(GREENEST_DAY.text)
    throwing = """
function preProcessScenes(collections) {
  if (collections.scenes.orbits[0].dateFrom.startsWith("2023-06-08")) throw new Error("not this day");
  return collections;
}
"""
    answers, _ = place.run(GREENEST_DAY.text + throwing)
    errors = failed(answers)
    assert {day for _, day in errors} == {"2023-06-08"}
    assert all("not this day" in error["message"] for error in errors.values())
    check_the_rest(answers, intact)


def test_an_error_travels_between_processes_whole() -> None:
    error = AssetUnreadable(
        "image x is broken", transient=True, href="https://x/y?signed=z", block=(0, 1, 2), passing=True, away=True
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.transient, copy.passing, copy.away) == (str(error), True, True, True)
    assert (copy.href, copy.block) == (error.href, (0, 1, 2))
    assert isinstance(copy, WorldError)
    assert "signed" not in str(copy)


def _stats(answer: Any) -> Any:
    (entry,) = answer["response"]["data"][:1]
    return entry["outputs"]["output_B04"]["bands"]["B0"]["stats"]
