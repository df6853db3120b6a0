"""How a job over features in memory is executed: as the settings say, else by its size and its images."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import rasterio.shutil
import shapely

import arpent
from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.features import temporary_folder
from arpent.adapters.images.other_formats import IsolatedHeader
from arpent.api import local as local_answer
from arpent.domain.errors import InvalidSetting
from arpent.settings import FILE, Settings
from arpent.wiring import local
from tests.support.parcels import good_parcels
from tests.support.world import SEASON, make_imagery

WISH: dict[str, Any] = {"start": "2023-06-01", "end": "2023-06-20", "index": "ndvi", "progress": False}
FIELDS = [shapely.box(17.9, 46, 17.91, 46.01)]


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Executors that the settings made; each of them is one that works here."""
    made: list[str] = []

    def make(settings: Settings, *, ready: bool = False) -> InlineExecutor:
        made.append(settings.executor)
        return InlineExecutor()

    monkeypatch.setattr(local, "executor_of", make)
    return made


@pytest.mark.parametrize("executor", ["foo", "processes:x", "processes:0", ""])
def test_an_executor_that_is_none_is_refused(tmp_path: Path, executor: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^--executor is \S+, but must be inline, processes, processes:N"):
        arpent.statistics(FIELDS, tmp_path, executor=executor, **WISH)


def test_the_settings_file_chooses_unless_the_caller_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = make_imagery(tmp_path / "stac", SEASON[:2])
    fields = [parcel.geometry for parcel in good_parcels()[:2]]
    arpent.statistics(fields, catalog, crs="EPSG:32633", **WISH)
    assert chosen == []
    Path(FILE).write_text('executor = "processes:3"')
    arpent.statistics(fields, catalog, crs="EPSG:32633", **WISH)
    arpent.statistics(fields, catalog, crs="EPSG:32633", executor="processes:2", **WISH)
    assert chosen == ["processes:3", "processes:2"]


def test_images_that_may_end_their_reader_are_not_read_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: list[str]
) -> None:
    opened: list[str] = []

    class Watched(IsolatedHeader):
        def __init__(self, submit: Any, href: str, *more: Any) -> None:
            opened.append(href)
            super().__init__(submit, href, *more)

    monkeypatch.setattr(local, "IsolatedHeader", Watched)
    catalog = make_imagery(tmp_path / "stac", SEASON[:2])
    fields = [parcel.geometry for parcel in good_parcels()[:2]]
    plain = arpent.statistics(fields, catalog, crs="EPSG:32633", **WISH)
    assert (opened, chosen) == ([], [])
    for path in catalog.glob("*/*.tif"):
        other = path.with_suffix(".jp2")
        rasterio.shutil.copy(path, other, driver="JP2OpenJPEG", REVERSIBLE="YES", QUALITY="100")
        other.replace(path)
    found = arpent.statistics(fields, catalog, crs="EPSG:32633", **WISH)
    assert opened
    assert chosen == ["processes"]
    assert found["mean"].notna().any()
    assert found["mean"].tolist() == plain["mean"].tolist()


def test_what_a_killed_run_left_goes_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a run keeps in the temporary folder has a name by which a later one knows it."""
    left = tmp_path / "temporary" / f"{temporary_folder.PREFIX}left"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    during: set[str] = set()
    run = local_answer.run_features

    def watched(*given: Any) -> Any:
        during.update(os.listdir(tmp_path / "temporary"))
        return run(*given)

    monkeypatch.setattr(local_answer, "run_features", watched)
    fields = [parcel.geometry for parcel in good_parcels(1)]
    arpent.statistics(fields, make_imagery(tmp_path / "stac"), crs="EPSG:32633", **WISH)
    assert during, "a run needs room"
    assert left.name not in during
    assert all(name.startswith(temporary_folder.PREFIX) for name in during), during
    assert os.listdir(tmp_path / "temporary") == []
