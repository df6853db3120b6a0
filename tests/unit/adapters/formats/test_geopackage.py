"""Reading features from GeoPackages."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from arpent.adapters.formats.geopackage import read_feature, read_features
from arpent.domain.errors import FeaturesUnreadable
from arpent.domain.feature import Features

SQUARE = shapely.box(10.0, 50.0, 10.1, 50.2)


def write(
    path: Path,
    geometries: Sequence[object],
    *,
    layer: str = "parcels",
    crs: str | None = "EPSG:4326",
    **columns: list[object],
) -> Path:
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.array(geometries, object), output_dimension=3, flavor="iso"),
        field_data=[np.array(column, object if isinstance(column[0], str) else None) for column in columns.values()],
        fields=list(columns),
        layer=layer,
        crs=crs,
        geometry_type="Unknown",
        driver="GPKG",
        append=path.exists(),
    )  # fmt: skip
    return path


def whole(path: Path) -> Features:
    (features,) = read_features(path)
    return features


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "parcels.gpkg"


def test_ids_are_the_primary_key(path: Path) -> None:
    write(path, [SQUARE] * 3, identifier=["a", None, "c"])
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM parcels WHERE fid = 2")
    database.close()
    features = whole(path)
    assert features.ids.tolist() == [1, 3]
    assert features.identifiers == ("a", "c")
    assert features.crs.to_epsg() == 4326


def test_longitude_comes_first(path: Path) -> None:
    write(path, [SQUARE], identifier=["a"])
    assert whole(path).bounds.tolist() == [[10.0, 50.0, 10.1, 50.2]]


def test_without_the_column_identifiers_are_none(path: Path) -> None:
    write(path, [SQUARE], name=["a"])
    assert whole(path).identifiers == (None,)


def test_numbers_become_text(path: Path) -> None:
    write(path, [SQUARE, SQUARE], identifier=[12, 7])
    assert whole(path).identifiers == ("12", "7")


def test_other_geometries_are_kept_and_flattened(path: Path) -> None:
    point = shapely.Point(1, 2, 3)
    write(path, [point, None, shapely.Polygon(), SQUARE], identifier=["p", "n", "e", "s"])
    geometries = whole(path).geometries
    assert [None if geometry is None else geometry.geom_type for geometry in geometries] == [
        "Point", None, "Polygon", "Polygon",
    ]  # fmt: skip
    assert not shapely.has_z(geometries).any()
    assert geometries[3].equals(SQUARE)


def test_batches(path: Path) -> None:
    write(path, [SQUARE] * 25, identifier=[str(number) for number in range(25)])
    batches = list(read_features(path, batch=10))
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert [number for batch in batches for number in batch.ids] == list(range(1, 26))


def test_nothing_is_written_beside_it(path: Path) -> None:
    write(path, [SQUARE], identifier=["a"])
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.close()
    before = path.read_bytes()
    seen = [sorted(file.name for file in path.parent.iterdir()) for _ in read_features(path)]
    assert seen == [["parcels.gpkg"]]
    assert [file.name for file in path.parent.iterdir()] == ["parcels.gpkg"]
    assert path.read_bytes() == before


def test_changes_that_are_not_in_the_file_yet(path: Path) -> None:
    """A program that has it open keeps them beside it: old features would be read without a word."""
    write(path, [SQUARE], identifier=["a"])
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        list(read_features(path))
        database.execute("CREATE TABLE more (x INTEGER)")
        with pytest.raises(FeaturesUnreadable, match="close it there"):
            list(read_features(path))
    list(read_features(path))


def test_tables_without_geometry_do_not_count(path: Path) -> None:
    write(path, [SQUARE], identifier=["a"])
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
        database.execute("INSERT INTO gpkg_contents (table_name, data_type) VALUES ('notes', 'attributes')")
    database.close()
    assert len(whole(path)) == 1


def test_several_tables_are_named(path: Path) -> None:
    write(path, [SQUARE], identifier=["a"])
    write(path, [SQUARE], layer="trees", identifier=["a"])
    with pytest.raises(FeaturesUnreadable, match=r"2 feature tables \(parcels, trees\)"):
        whole(path)


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
@pytest.mark.parametrize("crs", ["EPSG:4258", None])
def test_an_unsupported_crs_is_named(path: Path, crs: str | None) -> None:
    write(path, [SQUARE], crs=crs, identifier=["a"])
    with pytest.raises(FeaturesUnreadable, match="EPSG:4258" if crs else "is not given"):
        whole(path)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "no bytes"),
        (b"PK\3\4 a zip", "not a GeoPackage"),
        (b"SQLite format 3\0" + bytes(500), "not a GeoPackage"),
    ],
)
def test_what_is_no_geopackage(path: Path, payload: bytes, message: str) -> None:
    path.write_bytes(payload)
    with pytest.raises(FeaturesUnreadable, match=message):
        whole(path)


def test_a_plain_sqlite_file(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    database.commit()
    database.close()
    with pytest.raises(FeaturesUnreadable):
        whole(path)


def test_no_features(path: Path) -> None:
    write(path, [SQUARE], identifier=["a"])
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM parcels")
    database.close()
    with pytest.raises(FeaturesUnreadable, match="no features"):
        whole(path)


def test_a_truncated_file(path: Path) -> None:
    write(path, [SQUARE.buffer(1, 64)] * 2000, identifier=["a"] * 2000)
    payload = path.read_bytes()
    path.write_bytes(payload[: len(payload) // 2 // 4096 * 4096])
    with pytest.raises(FeaturesUnreadable):
        list(read_features(path))


def test_multipolygons_in_a_national_grid(path: Path) -> None:
    parts = shapely.MultiPolygon(
        [shapely.box(500_000, 100_000, 500_050, 100_040), shapely.box(9e5, 2e5, 9e5 + 5, 2e5 + 5)]
    )
    features = whole(write(path, [parts, parts], crs="EPSG:3794", identifier=["a", "b"]))
    assert features.crs.to_epsg() == 3794
    assert features.geometries.tolist() == [parts, parts]


def test_the_services_own_example(shared_data: Path) -> None:
    features = whole(shared_data / "parcels" / "geopackage-example.gpkg")
    assert len(features) == 364
    assert set(shapely.get_type_id(features.geometries)) == {shapely.GeometryType.MULTIPOLYGON}


def test_a_national_grid(shared_data: Path) -> None:
    features = whole(shared_data / "parcels" / "si_fiboa_100_3794.gpkg")
    assert features.crs.to_epsg() == 3794
    assert len(features) == 100


def test_one_feature_by_its_key(tmp_path: Path) -> None:
    path = write(tmp_path / "few.gpkg", [SQUARE, shapely.Point(1, 2), None], identifier=["a", "b", "c"])
    every = next(read_features(path))
    for row, feature in enumerate(every.ids.tolist()):
        found = read_feature(path, feature)
        assert found is not None
        assert (found.ids.tolist(), found.identifiers) == ([feature], (every.identifiers[row],))
        assert found.geometries[0] == every.geometries[row]
        assert found.crs == every.crs
    assert read_feature(path, 4711) is None
    assert read_feature(path, -1) is None


def test_one_feature_whose_key_has_an_odd_name(tmp_path: Path) -> None:
    path = tmp_path / "odd.gpkg"
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb(np.array([SQUARE], object)), field_data=[], fields=[], geometry_type="Polygon",
        crs="EPSG:4326", layer="parcels", driver="GPKG", layer_options={"FID": 'my "key'},
    )  # fmt: skip
    found = read_feature(path, 1)
    assert found is not None
    assert found.ids.tolist() == [1]


def test_one_feature_of_no_geopackage(tmp_path: Path) -> None:
    (tmp_path / "not.gpkg").write_text("hello")
    with pytest.raises(FeaturesUnreadable, match="not a GeoPackage"):
        read_feature(tmp_path / "not.gpkg", 1)
