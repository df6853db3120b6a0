"""Which reference systems are taken."""

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
