"""Texts from outside that name a CRS, and those that PROJ would take for the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyproj import CRS

from arpent.domain.boundary.crs_text import LONGEST, crs_of_text

UTM = CRS.from_epsg(32633)


@pytest.mark.parametrize(
    "text",
    [
        32633, 32633.0, "EPSG:32633", "epsg:32633", " EPSG:32633 ",
        "urn:ogc:def:crs:EPSG::32633", "urn:ogc:def:crs:EPSG:9.8:32633",
        UTM.to_wkt(), UTM.to_json(), UTM.to_json_dict(),
    ],
)  # fmt: skip
def test_what_names_a_crs(text: object) -> None:
    assert crs_of_text(text) == UTM


def test_longitude_before_latitude() -> None:
    for text in ("OGC:CRS84", "urn:ogc:def:crs:OGC:1.3:CRS84"):
        found = crs_of_text(text)
        assert found is not None
        assert found.axis_info[0].direction == "east"


@pytest.mark.parametrize(
    "text",
    [
        None, "", True, 1.5, -1, 10**30, "EPSG:", "EPSG:999999", "EPSG:٣٢٦٣٣", "nowhere",
        "[[", "[" * 50_000, "{" * 50_000,
        '{"type": "Sphere"}', "GEOGCS[", "x" * (LONGEST + 1), "+proj=utm +zone=33 +nadgrids=/etc/passwd",
    ],
)  # fmt: skip
def test_what_names_none(text: object) -> None:
    assert crs_of_text(text) is None


@pytest.mark.filterwarnings("ignore:.*init=:FutureWarning")
def test_no_file_is_opened(tmp_path: Path) -> None:
    """PROJ itself reads this one."""
    (tmp_path / "own").write_text("<metadata>\n<foo> +proj=longlat +datum=WGS84 <>\n")
    text = f"+init={tmp_path / 'own'}:foo"
    assert CRS.from_user_input(text).is_geographic
    assert crs_of_text(text) is None
