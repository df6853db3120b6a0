"""Small files of features are read in this process, others elsewhere, with the same answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from arpent.adapters.features.by_size import FeaturesBySize
from arpent.adapters.features.direct import DirectFeatures
from arpent.adapters.formats.vector.files import copy_file, read_file, read_one
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile, Location
from tests.support.parcels import good_parcels, write_geopackage

SMALL = FeatureFile(scheme="s3", bucket="fields", key="small.gpkg")


class Elsewhere:
    """Counts what it is asked, and passes it on."""

    def __init__(self, direct: DirectFeatures) -> None:
        self.direct = direct
        self.asked: list[str] = []

    def features(self, file: FeatureFile, most: int | None = None) -> Features:
        self.asked.append("features")
        return self.direct.features(file, most)

    def feature(self, file: FeatureFile, feature: int) -> Features | None:
        self.asked.append("feature")
        return self.direct.feature(file, feature)

    def copy(self, file: FeatureFile, target: Location, about: str) -> None:
        self.asked.append("copy")
        self.direct.copy(file, target, about)


@pytest.fixture
def direct(tmp_path: Path) -> DirectFeatures:
    write_geopackage(tmp_path / "fields" / "small.gpkg", good_parcels()[:3])
    return DirectFeatures(
        objects=FolderObjects(tmp_path),
        read=partial(read_file, most_bytes=1 << 30),
        read_one=partial(read_one, most_bytes=1 << 30),
        write_copy=partial(copy_file, most_bytes=1 << 30),
        most_bytes=1 << 30,
        most_rows=100,
    )


@pytest.mark.parametrize(("most", "asked"), [(1 << 20, []), (1_000, ["features", "feature", "copy"])])
def test_the_size_decides(direct: DirectFeatures, tmp_path: Path, most: int, asked: list[str]) -> None:
    elsewhere = Elsewhere(direct)
    source = FeaturesBySize(direct, elsewhere, most)
    found = source.features(SMALL)
    assert found.ids.tolist() == direct.features(SMALL).ids.tolist()
    one = source.feature(SMALL, int(found.ids[1]))
    assert one is not None
    assert one.geometries[0].equals(found.geometries[1])
    source.copy(SMALL, Location(scheme="s3", bucket="fields", key="copy.parquet"), "{}")
    assert (tmp_path / "fields" / "copy.parquet").stat().st_size > 0
    assert elsewhere.asked == asked


def test_a_local_file_is_measured_where_it_lies(direct: DirectFeatures, tmp_path: Path) -> None:
    here = FeatureFile(scheme="file", bucket="", key=str(tmp_path / "fields" / "small.gpkg").lstrip("/"), local=True)
    for most, asked in ((1 << 20, []), (1_000, ["features"])):
        elsewhere = Elsewhere(direct)
        assert len(FeaturesBySize(direct, elsewhere, most).features(here)) == 3
        assert elsewhere.asked == asked


def test_an_archive_is_read_elsewhere(direct: DirectFeatures, tmp_path: Path) -> None:
    (tmp_path / "fields" / "small.zip").write_bytes(b"PK")
    elsewhere = Elsewhere(direct)
    with pytest.raises(FeaturesUnreadable):
        FeaturesBySize(direct, elsewhere, 1 << 20).features(FeatureFile(scheme="s3", bucket="fields", key="small.zip"))
    assert elsewhere.asked == ["features"]


def test_too_many_rows_are_refused_without_asking_elsewhere(direct: DirectFeatures) -> None:
    elsewhere = Elsewhere(direct)
    with pytest.raises(FeaturesUnreadable, match="more than the 2 features"):
        FeaturesBySize(direct, elsewhere, 1 << 20).features(SMALL, 2)
    assert elsewhere.asked == []
