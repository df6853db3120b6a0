"""Which reference systems are taken."""

import re

import pytest
from pyproj import CRS

from arpent.domain.crs import SUPPORTED_CODES, code


@pytest.mark.parametrize("text", ["EPSG:4326", "OGC:CRS84", "EPSG:3857", "EPSG:32633", "EPSG:32760", "EPSG:3794"])
def test_taken(text: str) -> None:
    assert code(CRS.from_user_input(text)) is not None


@pytest.mark.parametrize("text", ["EPSG:4258", "EPSG:31468", "EPSG:32661", "OGC:CRS83", "EPSG:5514+5705"])
def test_refused(text: str) -> None:
    assert code(CRS.from_user_input(text)) is None


def test_count() -> None:
    assert len(SUPPORTED_CODES) == 2 + 120 + 24
    assert not SUPPORTED_CODES & {32600, 32661, 32700, 32761}


def test_code_of_crs84_is_4326() -> None:
    assert code(CRS.from_user_input("OGC:CRS84")) == 4326


def test_plain_wkt_is_recognised() -> None:
    assert code(CRS.from_wkt(CRS.from_epsg(32633).to_wkt("WKT1_ESRI"))) == 32633


WRITINGS = {
    "WKT without authority": lambda crs: re.sub(r',AUTHORITY\["[^"]*","[^"]*"\]', "", crs.to_wkt("WKT1_GDAL")),
    "ESRI's WKT": lambda crs: crs.to_wkt("WKT1_ESRI"),
}


@pytest.mark.filterwarnings("ignore:You will likely lose important projection information")
@pytest.mark.parametrize("number", [25832, 31468, 32661, 2056, 26917, 3067, 27700, 2177])
@pytest.mark.parametrize("writing", ["WKT without authority", "ESRI's WKT"])
def test_another_one_without_its_code_is_not_taken_for_its_like(number: int, writing: str) -> None:
    assert code(CRS.from_wkt(WRITINGS[writing](CRS.from_epsg(number)))) is None


@pytest.mark.parametrize("number", [4326, 4269, 4258])
def test_degrees_with_longitude_first(number: int) -> None:
    """As some writers of GeoParquet say it: the axes are swapped, and PROJ then knows no code."""
    told = CRS.from_epsg(number).to_json_dict()
    told["coordinate_system"]["axis"].reverse()
    swapped = CRS.from_json_dict(told)
    assert swapped.to_epsg() is None
    assert code(swapped) == (number if number in SUPPORTED_CODES else None)


def test_a_name_alone_is_not_enough() -> None:
    wkt = WRITINGS["WKT without authority"](CRS.from_epsg(3035)).replace("4321000", "4321001")
    assert code(CRS.from_wkt(wkt)) is None
