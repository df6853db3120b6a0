"""Features that another process reads: the same as read here, and a crash of that process ends nothing else."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import CRS

from arpent.adapters.database.work.payload import pack, unpack
from arpent.adapters.executors.processes.bulkhead import ProcessBulkhead
from arpent.adapters.executors.processes.limits import CallLimits
from arpent.adapters.features.direct import DirectFeatures
from arpent.adapters.features.isolated import DEATHS, IsolatedFeatures
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.errors import EnvironmentFault, FeaturesUnreadable, LimitExceeded, NoLongerWanted, StorageNotFound
from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile

HANG = 60.0
FILE = FeatureFile(scheme="s3", bucket="fields", key="parcels.gpkg")
BATCH = 3


def made(ids: range) -> Features:
    corners = np.array(ids, np.float64)
    geometries = shapely.box(corners, 50, corners + 1, 51)
    geometries[0] = None
    return Features(
        crs=CRS.from_epsg(4326),
        ids=np.array(ids, np.int64),
        identifiers=tuple(None if each % 2 else f"parcel {each}" for each in ids),
        geometries=geometries,
        flaws={ids[0]: "The geometry is nested too deep."},
    )


def read(path: Path, file: FeatureFile) -> Iterator[Features]:
    """As many features as the file has bytes."""
    count = path.stat().st_size
    for start in range(1, count + 1, BATCH):
        yield made(range(start, min(start + BATCH, count + 1)))


def read_one(path: Path, file: FeatureFile, feature: int) -> Features | None:
    return made(range(feature, feature + 1)) if 0 < feature <= path.stat().st_size else None


def write_copy(path: Path, file: FeatureFile, target: Path, about: str) -> None:
    target.write_text(f"{path.suffix} {path.stat().st_size} {about}")


def crash(path: Path, file: FeatureFile) -> Iterator[Features]:
    yield from read(path, file)
    os.kill(os.getpid(), signal.SIGSEGV)


def be_killed_twice(path: Path, file: FeatureFile, tries: Path) -> Iterator[Features]:
    """After the first batch has been taken."""
    yield from read(path, file)
    tries.write_bytes(tries.read_bytes() + b"x" if tries.exists() else b"x")
    if tries.stat().st_size < DEATHS:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)


def never_end(path: Path, file: FeatureFile) -> Iterator[Features]:
    yield from read(path, file)
    time.sleep(10 * HANG)


def without_end(path: Path, file: FeatureFile) -> Iterator[Features]:
    while True:
        yield from read(path, file)


def take_memory(path: Path, file: FeatureFile) -> Iterator[Features]:
    yield made(range(1, int(np.ones(1 << 30).sum())))


def refuse(path: Path, file: FeatureFile) -> Iterator[Features]:
    raise FeaturesUnreadable("The file is not a GeoPackage.")
    yield from read(path, file)


def fill_the_disk(path: Path, file: FeatureFile) -> Iterator[Features]:
    """As readers wrap whatever they meet."""
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError as error:
        raise FeaturesUnreadable("The GeoPackage is damaged.") from error
    yield from read(path, file)


@pytest.fixture
def direct(tmp_path: Path) -> DirectFeatures:
    (tmp_path / "fields").mkdir()
    (tmp_path / "fields" / FILE.key).write_bytes(bytes(10))
    return DirectFeatures(
        objects=FolderObjects(tmp_path), read=read, read_one=read_one, write_copy=write_copy, most_bytes=100,
        most_rows=1000,
    )  # fmt: skip


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessBulkhead]:
    limits = CallLimits(seconds=HANG, memory_mib=600)
    processes = ProcessBulkhead(1, limits, queue=9, kept_ready=False)
    yield processes
    processes.close()


Open = Callable[..., IsolatedFeatures]


@pytest.fixture
def opened(direct: DirectFeatures, processes: ProcessBulkhead) -> Open:
    def opened(reader: Callable[[Path], Iterator[Features]] = read, **options: object) -> IsolatedFeatures:
        submit = partial(processes.submit, "me", seconds=3.0 if reader is never_end else None)
        return IsolatedFeatures(replace(direct, read=reader), submit, pack=pack, unpack=unpack, **options)  # type: ignore[arg-type]

    return opened


def same(one: Features, other: Features) -> bool:
    return (
        one.ids.tolist() == other.ids.tolist()
        and one.identifiers == other.identifiers
        and one.flaws == other.flaws
        and one.crs == other.crs
        and [str(each) for each in one.geometries] == [str(each) for each in other.geometries]
    )


def test_they_are_the_same(direct: DirectFeatures, opened: Open) -> None:
    here, there = direct.features(FILE), opened().features(FILE)
    assert here.ids.tolist() == list(range(1, 11))
    assert sorted(here.flaws) == [1, 4, 7, 10]
    assert same(here, there)
    one = opened().feature(FILE, 5)
    assert one is not None
    assert same(made(range(5, 6)), one)
    assert opened().feature(FILE, 11) is None


def bow_ties(path: Path, file: FeatureFile) -> Iterator[Features]:
    tie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    for batch in read(path, file):
        yield replace(batch, geometries=np.where(batch.ids == 4, tie, batch.geometries), flaws={})


def test_outlines_are_checked_where_the_file_is_read(opened: Open) -> None:
    """The check may take as long as the file's owner likes: only the process that reads it has a limit."""
    source = opened(bow_ties)
    found = source.features(FILE)
    assert found.valid is not None
    assert found.flaws.keys() == {4}
    assert "Self-intersection" in found.flaws[4]
    assert found.ids[found.valid].tolist() == [each for each in found.ids if each % BATCH != 1]


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (crash, "crashes the process that reads it.*SIGSEGV"),
        (never_end, "longer than the allowed 3 s"),
        (without_end, "more than the 1000 features"),
        (take_memory, "more than the allowed 600 MiB"),
        (refuse, "not a GeoPackage"),
    ],
)
def test_a_file_that_ends_its_reader_ends_nobody_else(opened: Open, reader: object, words: str) -> None:
    with pytest.raises(FeaturesUnreadable, match=words):
        opened(reader).features(FILE)
    assert len(opened().features(FILE)) == 10


def test_a_reader_that_others_kill_begins_anew(opened: Open, tmp_path: Path) -> None:
    found = opened(partial(be_killed_twice, tries=tmp_path / "tries")).features(FILE)
    assert found.ids.tolist() == opened().features(FILE).ids.tolist()
    assert (tmp_path / "tries").stat().st_size == DEATHS


def break_down(path: Path, file: FeatureFile) -> Iterator[Features]:
    yield from read(path, file)
    raise KeyError("secret")


def test_what_nobody_foresaw_is_the_files_fault(opened: Open) -> None:
    with pytest.raises(FeaturesUnreadable, match=r"parcels.gpkg makes its reader fail \(KeyError\)") as caught:
        opened(break_down).features(FILE)
    assert "secret" not in str(caught.value)


def test_what_nobody_wants_is_not_read_to_its_end(opened: Open) -> None:
    wanted = iter([True, False])
    with pytest.raises(NoLongerWanted):
        opened(never_end, wanted=lambda: next(wanted)).features(FILE)
    assert len(opened().features(FILE)) == 10


def test_limits_of_bytes_and_rows(direct: DirectFeatures, opened: Open) -> None:
    with pytest.raises(FeaturesUnreadable, match="more than the 9 features"):
        opened().features(FILE, 9)
    with pytest.raises(FeaturesUnreadable, match="more than the 9 features"):
        replace(direct, most_rows=9).features(FILE, 50)
    with pytest.raises(LimitExceeded, match="10 bytes, more than the 9"):
        replace(direct, most_bytes=9).features(FILE)


def test_an_empty_file_and_none(direct: DirectFeatures, opened: Open, tmp_path: Path) -> None:
    (tmp_path / "fields" / FILE.key).write_bytes(b"")
    for source in (direct, opened()):
        with pytest.raises(FeaturesUnreadable, match="holds no features"):
            source.features(FILE)
        with pytest.raises(StorageNotFound):
            source.features(FILE.at("other.gpkg"))


def test_nothing_is_left_behind(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(tmp_path.iterdir())
    opened().features(FILE)
    with pytest.raises(FeaturesUnreadable):
        opened(refuse).features(FILE)
    assert sorted(tmp_path.iterdir()) == before


def test_a_batch_is_not_taken_before_it_is_whole(direct: DirectFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer may be slow: half of the batch is there while the reader checks."""
    looked = threading.Event()
    true = Path.write_bytes

    def slowly(path: Path, content: bytes) -> int:
        true(path, content[: len(content) // 2])
        looked.clear()
        assert looked.wait(HANG)
        return true(path, content)

    def submit(function: Callable[[Any], Any], argument: object) -> SimpleNamespace:
        return SimpleNamespace(future=pool.submit(function, argument), cancel=lambda: None)

    def wanted() -> bool:
        looked.set()
        return True

    monkeypatch.setattr("arpent.domain.boundary.wanted.LOOK_SECONDS", 0.01)
    monkeypatch.setattr(Path, "write_bytes", slowly)
    with ThreadPoolExecutor(1) as pool:
        source = IsolatedFeatures(direct, submit, pack=pack, unpack=unpack, wanted=wanted)  # type: ignore[arg-type]
        assert source.features(FILE).ids.tolist() == list(range(1, 11))


def test_a_reading_that_ends_as_its_wait_does(direct: DirectFeatures) -> None:
    class JustNow(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            if not self.done():
                self.set_result(pack(made(range(3, 4))))
                raise TimeoutError
            return super().result(timeout)

    call = SimpleNamespace(future=JustNow(), begun=lambda: True, cancel=lambda: None)
    found = IsolatedFeatures(direct, lambda *_: call, pack=pack, unpack=unpack).feature(FILE, 3)
    assert found is not None
    assert found.ids.tolist() == [3]


def test_a_full_disk_is_no_damaged_file(opened: Open) -> None:
    with pytest.raises(EnvironmentFault, match="No space left on device"):
        opened(fill_the_disk).features(FILE)
