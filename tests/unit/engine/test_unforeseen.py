"""An unforeseen error costs one feature, one image or one file of a partition; the rest has the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyproj import CRS

from arpent import worker
from arpent.domain.errors import (
    CatalogUnavailable,
    EnvironmentFault,
    NameRefused,
    NoLongerWanted,
    StorageDenied,
    StorageFault,
    StorageUnavailable,
    WorkLost,
)
from arpent.domain.feature import Features
from arpent.domain.grid import AS_THE_SERVICE, Grids, Resolution
from arpent.domain.imagery.item import CalibrationFile
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.interval import Interval
from arpent.domain.location import Location
from arpent.domain.partition import Outcome, Partition
from arpent.domain.ports.imagery import AssetReader, Block, Count
from arpent.domain.ports.storage import ObjectStore
from arpent.engine import isolation
from arpent.engine.analysis import analyse
from arpent.engine.guards import guarded
from arpent.engine.isolation import Isolation
from arpent.engine.processing import compute, interval, process, write_files
from arpent.engine.services import Services
from arpent.settings import Settings
from arpent.wire.request.parse import parse_batch
from tests.support.client import seed_body
from tests.support.parcels import Parcel, good_parcels
from tests.support.scripts import GREENEST_DAY, SEED, at_the_head_of_evaluate_pixel
from tests.support.world import SEASON, make_imagery

JUNE = tuple(acquisition for acquisition in SEASON if acquisition.instant < "2023-06-20")
PARCELS = tuple(parcel for parcel in good_parcels(12) if parcel.kind != "outside the imagery")
VICTIM = PARCELS[5].id


class PanicException(BaseException):
    """As pyo3's: no Exception."""


ERRORS: list[BaseException] = [KeyError("hunter2"), PanicException("hunter2"), MemoryError(), RecursionError()]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    folder = tmp_path_factory.mktemp("unforeseen")
    make_imagery(folder / "stac", JUNE)
    (folder / "buckets" / "results").mkdir(parents=True)
    settings = Settings(buckets=folder / "buckets", catalog=str(folder / "stac"), script_seconds=3)
    return worker.with_table(worker.services_of(settings), settings.results)


@dataclass
class Kept:
    """An ObjectStore that keeps what is written, and refuses some keys."""

    inner: ObjectStore
    refuses: Callable[[str], Exception | None] = lambda key: None
    files: dict[str, bytes] | None = None

    def write(self, location: Location, payload: bytes) -> None:
        if (error := self.refuses(location.key)) is not None:
            raise error
        assert self.files is not None
        self.files[location.key] = payload

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        for key, payload in list(entries):
            self.write(prefix.at(key), payload)

    def list(self, prefix: Location) -> Iterator[str]:
        assert self.files is not None
        return (key for key in self.files if key.startswith(prefix.key))


def run(
    services: Services,
    script: str = SEED.text,
    refuses: Any = lambda key: None,
    parcels: Sequence[Parcel] = PARCELS,
) -> tuple[dict[int, bytes], Outcome]:
    """Feature id → its file, and the outcome of the one partition."""
    body = seed_body("s3://fields/any.gpkg", script, aggregationInterval={"of": "P1D"})
    features = Features(
        crs=CRS.from_epsg(32633),
        ids=np.array([parcel.id for parcel in parcels]),
        identifiers=tuple(parcel.identifier for parcel in parcels),
        geometries=np.array([parcel.geometry for parcel in parcels], object),
    )
    store = Kept(services.objects, refuses, {})
    outcome = process.process(
        "job", parse_batch(json.dumps(body)), Partition(number=0, features=features), replace(services, objects=store)
    )
    assert store.files is not None
    return {int(Path(key).stem): text for key, text in store.files.items() if key.endswith(".json")}, outcome


@pytest.fixture(scope="module", params=[SEED.text, GREENEST_DAY.text], ids=["SIMPLE", "ORBIT"])
def script(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def check_only(found: dict[int, bytes], whole: dict[int, bytes], *victims: int) -> None:
    """The others are byte for byte what they are without any error, and nothing raw is told."""
    assert found.keys() == whole.keys()
    assert {feature for feature in found if found[feature] != whole[feature]} == set(victims)
    assert all(b"hunter2" not in text for text in found.values())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_feature_that_breaks_the_engine_fails_alone(
    services: Services, script: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = run(services, script)
    sound = compute.sample_geometry

    def broken(features: Features, grids: Any, rule: Any) -> Any:
        if VICTIM in features.ids:
            raise error
        return sound(features, grids, rule)

    monkeypatch.setattr(compute, "sample_geometry", broken)
    found, outcome = run(services, script)
    check_only(found, whole, VICTIM)
    failure = json.loads(found[VICTIM])["error"]
    assert failure == {
        "type": "EXECUTION_ERROR",
        "message": f"arpent failed at this feature ({type(error).__name__}); the server's log has the details",
    }
    assert (outcome.done, outcome.failed) == (len(PARCELS) - 1, 1)


def test_the_analysis_finds_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    features = Features(
        crs=CRS.from_epsg(32633),
        ids=np.array([parcel.id for parcel in PARCELS]),
        identifiers=tuple(parcel.identifier for parcel in PARCELS),
        geometries=np.array([parcel.geometry for parcel in PARCELS], object),
    )

    def broken(some: Features, *_: object) -> dict[int, tuple[str, str]]:
        if VICTIM in some.ids:
            raise KeyError("hunter2")
        return dict.fromkeys(np.flatnonzero(some.ids % 2), ("odd", "n"))

    monkeypatch.setattr(analyse, "check_geometries", broken)
    grids = Grids.over(features.bounds, Resolution(x=10, y=10))
    found = analyse._geometry_faults(features, grids, AS_THE_SERVICE)
    assert {int(features.ids[row]) for row, (kind, _) in found.items() if kind == "failed"} == {VICTIM}
    others = {int(features.ids[row]) for row, (kind, _) in found.items() if kind == "odd"}
    assert others == {each for each in features.ids.tolist() if each % 2 and each != VICTIM}


@pytest.mark.parametrize("error", ERRORS[:2], ids=lambda error: type(error).__name__)
def test_in_one_interval_it_fails_in_that_only(
    services: Services, script: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = run(services, script)
    days = [entry["interval"]["from"] for entry in json.loads(whole[VICTIM])["response"]["data"]]
    sound = interval.read_samples

    def broken(computation: Any, acquired: Any) -> Any:
        if VICTIM in computation.geometry.features.ids and f"{acquired.interval.start:%Y-%m-%d}" == days[1][:10]:
            raise error
        return sound(computation, acquired)

    def broken_together(binding: Any, acquired: Any, geometry: Any, *more: Any) -> Any:
        if VICTIM in geometry.features.ids:
            raise error
        return sound_together(binding, acquired, geometry, *more)

    sound_together = interval.prepare_together
    monkeypatch.setattr(interval, "read_samples", broken)
    monkeypatch.setattr(interval, "prepare_together", broken_together)
    found, outcome = run(services, script)
    check_only(found, whole, VICTIM)
    entries, expected = (json.loads(text[VICTIM])["response"]["data"] for text in (found, whole))
    assert [entry["interval"]["from"] for entry in entries if "error" in entry] == [days[1]]
    assert [entry for entry in entries if "error" not in entry] == [*expected[:1], *expected[2:]]
    assert (outcome.done, outcome.failed) == (len(PARCELS), 0)


@pytest.mark.parametrize("error", ERRORS[:2], ids=lambda error: type(error).__name__)
def test_a_file_that_cannot_be_rendered_costs_its_feature(
    services: Services, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = run(services)
    sound = write_files.result_keys

    def broken(pattern: str, job: str, features: list[int], identifiers: Sequence[str | None]) -> Iterator[str]:
        for feature, key in zip(features, sound(pattern, job, features, identifiers), strict=True):
            if feature == VICTIM:
                raise error
            yield key

    monkeypatch.setattr(write_files, "result_keys", broken)
    found, outcome = run(services)
    assert found == {feature: text for feature, text in whole.items() if feature != VICTIM}
    assert [(each.feature, each.kind) for each in outcome.findings] == [(VICTIM, "not-written")]


class TestStore:
    @pytest.mark.parametrize("refusals", [1, 14, 18])
    def test_a_store_that_refuses_for_a_while_costs_no_feature(self, services: Services, refusals: int) -> None:
        """A right that is withdrawn in the midst of a partition and given back: some files are written before it."""
        whole, _ = run(services)
        answers = [None] * 4 + [StorageDenied("s3://results refuses PutObject")] * refusals
        found, outcome = run(services, refuses=lambda key: answers.pop(0) if answers else None)
        assert found == whole
        assert (outcome.failed, outcome.findings) == (0, ())

    def test_a_key_that_is_refused_costs_its_feature(self, services: Services) -> None:
        whole, _ = run(services)
        refused = StorageDenied("the file system does not take such a long name")
        found, outcome = run(services, refuses=lambda key: refused if key.endswith(f"/{VICTIM}.json") else None)
        assert found == {feature: text for feature, text in whole.items() if feature != VICTIM}
        (finding,) = outcome.findings
        assert (finding.feature, finding.kind, finding.message) == (VICTIM, "not-written", str(refused))
        assert (outcome.done, outcome.failed) == (len(PARCELS) - 1, 1)

    @pytest.mark.parametrize(
        "error", [StorageDenied("no right"), StorageUnavailable("the disk is full", transient=True)]
    )
    def test_a_store_that_takes_nothing_blames_no_feature(self, services: Services, error: Exception) -> None:
        with pytest.raises(StorageFault, match=str(error)) as caught:
            run(services, refuses=lambda key: error)
        assert caught.value.transient is isinstance(error, StorageUnavailable)

    @pytest.mark.parametrize("part", [".json", ".parquet"])
    def test_work_of_somebody_else_is_no_fault_of_the_store(self, services: Services, part: str) -> None:
        """The partition is given back, and waits for nothing."""
        lost = WorkLost("the process stood still")
        with pytest.raises(WorkLost):
            run(services, refuses=lambda key: lost if key.endswith(part) else None)

    def test_one_feature_is_blamed_for_its_name_only(self, services: Services) -> None:
        """Partitions of large features have one each."""
        with pytest.raises(StorageFault, match="no right"):
            run(services, parcels=PARCELS[:1], refuses=lambda key: StorageDenied("no right"))
        refused = NameRefused("too long")
        _, outcome = run(services, parcels=PARCELS[:1], refuses=lambda key: refused if "json" in key else None)
        assert (outcome.done, outcome.failed) == (0, 1)


@dataclass
class Breaking:
    """A reader that breaks at one image."""

    inner: AssetReader
    error: BaseException
    part: str
    when: str

    def counting(self) -> AbstractContextManager[Count]:
        return self.inner.counting()

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        if self.when == "prepare":
            raise self.error
        self.inner.prepare(hrefs, files)

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        if self.when == "describe" and self.part in href:
            raise self.error
        return self.inner.describe(href, place)

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        for href, block, pixels in self.inner.read(requests, band):
            if self.when == "read" and self.part in href:
                raise self.error
            yield href, block, pixels


@pytest.mark.parametrize("when", ["describe", "read", "prepare"])
@pytest.mark.parametrize("error", ERRORS[:2], ids=lambda error: type(error).__name__)
def test_an_image_that_breaks_its_reader_costs_its_interval(
    services: Services, script: str, error: BaseException, when: str
) -> None:
    whole, _ = run(services, script)
    day = JUNE[1].instant[:10]
    part = next(each.id for each in JUNE if each.instant.startswith(day))
    found, _ = run(replace(services, reader=Breaking(services.reader, error, f"{part}/B04", when)), script)
    broken = 0
    for feature, text in found.items():
        entries, expected = (json.loads(each)["response"]["data"] for each in (text, whole[feature]))
        for entry, sound in zip(entries, expected, strict=True):
            if "error" in entry:
                broken += 1
                assert entry["interval"]["from"].startswith(day)
                assert f"item {part}, band B04: the image cannot be read ({type(error).__name__})" in text.decode()
            else:
                assert entry == sound
    assert (broken > 0) == (when != "prepare")


def test_a_catalogue_that_breaks_is_tried_again(services: Services) -> None:
    class Broken:
        def search(self, *_: object) -> tuple[()]:
            raise AttributeError("'list' object has no attribute 'get'")

    with pytest.raises(CatalogUnavailable, match=r"sentinel-2-l2a cannot be read \(AttributeError\)") as caught:
        run(replace(services, catalog=Broken()))
    assert caught.value.transient


@pytest.mark.parametrize("error", [ModuleNotFoundError("x", name="numba"), OSError(28, "x")], ids=["module", "room"])
def test_the_machine_is_not_taken_for_a_feature(
    services: Services, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def broken(*_: object) -> None:
        calls.append(1)
        raise error

    monkeypatch.setattr(compute, "sample_geometry", broken)
    with pytest.raises(EnvironmentFault):
        run(services)
    assert len(calls) == 1, "nothing is looked for"


@pytest.mark.parametrize(
    "words", ["half a pair: \\ud800", "the other: \\udfff!", "nul: a\\u0000b", "both: \\u0000\\ud800"]
)
def test_what_a_script_says_can_be_written(services: Services, words: str) -> None:
    """It throws for some pixels only; the features without them have the same bytes as ever."""
    whole, _ = run(services)
    thrown = at_the_head_of_evaluate_pixel(f'if (samples.B04 > 0.2) {{ throw new Error("{words}"); }}')
    found, outcome = run(services, thrown)
    told = [each for text in found.values() for each in json.loads(text)["response"]["data"] if "error" in each]
    assert told
    assert all(words.partition("\\")[0] in each["error"]["message"] for each in told)
    assert all("\ufffd" in each["error"]["message"] for each in told)
    check_only(found, whole, *(each for each, text in found.items() if b'"error"' in text))
    assert len([text for text in found.values() if b'"error"' in text]) < len(found)
    assert all("\0" not in each.message for each in outcome.findings)


class TestIsolation:
    def test_finds_the_ones_and_remembers_them(self) -> None:
        found, calls = Isolation(), []

        def call(rows: NDArray[np.intp]) -> int:
            calls.append(len(rows))
            if {7, 311} & set(rows.tolist()):
                raise KeyError
            return len(rows)

        answers = list(found.run(np.arange(1000), call))
        assert sorted(row for rows, _ in answers for row in rows.tolist()) == list(range(1000))
        assert {int(rows[0]) for rows, answer in answers if isinstance(answer, Exception)} == {7, 311}
        assert len(calls) < 2 * 2 * 11
        calls.clear()
        list(found.run(np.arange(1000), call))
        assert calls == [998, 1, 1]

    def test_what_is_foreseen_is_told_in_a_line(self, caplog: pytest.LogCaptureFixture) -> None:
        """A store that refuses all is asked for parts of very many."""

        def call(rows: NDArray[np.intp]) -> None:
            raise StorageDenied("Cannot write s3://results/out/1.json") if len(rows) > 1 else KeyError(1)

        list(Isolation(blamed=(StorageDenied,)).run(np.arange(100_000), call))
        assert {(record.getMessage().partition(" ")[2], record.exc_info) for record in caplog.records} == {
            ("features fail: Cannot write s3://results/out/1.json", None)
        }
        caplog.clear()
        list(Isolation().run(np.arange(1), call))
        assert caplog.records[0].exc_info is not None

    def test_gives_up_in_time(self) -> None:
        calls = []

        def call(rows: NDArray[np.intp]) -> None:
            calls.append(1)
            raise KeyError

        answers = list(Isolation().run(np.arange(100_000), call))
        assert sum(len(rows) for rows, _ in answers) == 100_000
        assert len(calls) <= 2 * isolation.MOST_FAILURES + 1


def test_what_nobody_wants_any_more_is_not_begun(services: Services) -> None:
    """STOP: no further search, no further header."""

    class Catalog:
        def search(self, *_: object) -> tuple[()]:
            return ()

    wanted = [True, False, False]
    kept = guarded(replace(services, catalog=Catalog()), lambda: wanted.pop(0))
    collection = services.collections["sentinel-2-l2a"]
    wish = (
        collection,
        Interval(start=datetime(2023, 6, 1, tzinfo=UTC), end=datetime(2023, 7, 1, tzinfo=UTC)),
        (15.0, 46.0, 15.1, 46.1),
    )
    assert kept.catalog.search(*wish) == ()
    with pytest.raises(NoLongerWanted):
        kept.catalog.search(*wish)
    with pytest.raises(NoLongerWanted):
        kept.reader.describe("a.tif")
