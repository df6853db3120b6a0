"""The CRS of a file that GDAL has opened."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pyproj import CRS

from arpent.adapters.images.beside.georeference import crs_of_dataset
from arpent.domain.errors import AssetUnreadable
from tests.unit.domain.test_crs_text import with_file


def dataset(text: str) -> SimpleNamespace:
    return SimpleNamespace(crs=SimpleNamespace(to_wkt=lambda: text))


def test_it_is_that_of_the_file() -> None:
    assert crs_of_dataset("a.tif", dataset(CRS.from_epsg(32633).to_wkt("WKT1_GDAL"))) == CRS.from_epsg(32633)


@pytest.mark.parametrize("kind", ["grids", "text of PROJ", "file"])
def test_one_for_which_proj_would_open_files_is_refused(kind: str) -> None:
    with pytest.raises(AssetUnreadable, match=r"a\.tif has a coordinate reference system that PROJ does not know"):
        crs_of_dataset("/data/a.tif", dataset(with_file("/dev/zero")[kind]))
