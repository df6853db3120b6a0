"""Reference systems of GeoPackages that store a text instead of a code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import CRS

from arpent.domain.crs import SUPPORTED_CODES, code

WRITINGS = {
    "WKT without authority": lambda crs: re.sub(r',AUTHORITY\["[^"]*","[^"]*"\]', "", crs.to_wkt("WKT1_GDAL")),
    "WKT 2 without id": lambda crs: re.sub(r',ID\["[^"]*",[0-9]+\]', "", crs.to_wkt("WKT2_2019")),
    "ESRI's WKT": lambda crs: crs.to_wkt("WKT1_ESRI"),
    "proj4": lambda crs: crs.to_proj4(),
}
CODES = sorted(SUPPORTED_CODES - set(range(32602, 32660)) - set(range(32702, 32760)))


@pytest.mark.filterwarnings("ignore:You will likely lose important projection information")
@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("number", CODES)
def test_without_its_code(number: int, writing: str, tmp_path: Path) -> None:
    """As GDAL hands over what such a GeoPackage says: with easting first, whatever the EPSG entry says."""
    path = tmp_path / "a.gpkg"
    shapes = shapely.to_wkb(np.array([shapely.box(0, 0, 1, 1)], object))
    text = WRITINGS[writing](CRS.from_epsg(number))
    pyogrio.raw.write(path, shapes, [], [], layer="a", driver="GPKG", geometry_type="Polygon", crs=text)
    assert code(CRS.from_user_input(pyogrio.read_info(path)["crs"])) == number
