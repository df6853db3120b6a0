"""Texts from outside that name a CRS, and those that PROJ would take for the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyproj import CRS

from arpent.domain.boundary.crs_text import LONGEST, crs_of_text

UTM = CRS.from_epsg(32633)
DEGREES = 'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]'
FIRST = f"""GEOGCS["x",DATUM["d",SPHEROID["GRS80",6378137,298.257222101]{{grids}}],{DEGREES}{{text}}]"""
"""WKT of version 1, with room for what GDAL adds to it."""
WORLD = """GEOGCRS["{name}",DATUM["{name}",ELLIPSOID["GRS80",6378137,298.257222101]],CS[ellipsoidal,2],
    AXIS["lat",north],AXIS["lon",east],UNIT["degree",0.0174532925199433]{id}]"""
BOUND = f"""BOUNDCRS[SOURCECRS[{WORLD.format(name="x", id="")}],TARGETCRS[{WORLD.format(name="WGS 84", id="")}],
    ABRIDGEDTRANSFORMATION["t",METHOD["NTv2",ID["EPSG",9615]],
    PARAMETERFILE["Latitude and longitude difference file","{{file}}",ID["EPSG",8656]]]]"""
METHOD = """PROJCRS["x",BASEGEOGCRS["WGS 84",
    DATUM["World Geodetic System 1984",ELLIPSOID["WGS 84",6378137,298.257223563]],
    ANGLEUNIT["degree",0.0174532925199433]],
    CONVERSION["u",METHOD["PROJ utm nadgrids={file}"],PARAMETER["zone",31]],
    CS[Cartesian,2],AXIS["e",east],AXIS["n",north],LENGTHUNIT["metre",1]]"""


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


def with_file(file: str) -> dict[str, str]:
    """Kind → a text by which PROJ is told to open a file."""
    text = f"+proj=longlat +ellps=GRS80 +nadgrids={file} +no_defs"
    texts = {
        "grids": FIRST.format(grids=f',EXTENSION["PROJ4_GRIDS","{file}"]', text=""),
        "text of PROJ": FIRST.format(grids="", text=f',EXTENSION["PROJ4","{text}"]'),
        "spaces": FIRST.format(grids="", text=f',EXTENSION["PROJ4","{text.replace("=", " = ")}"]'),
        "file": BOUND.replace("{file}", file),
        "method": METHOD.format(file=file),
    }
    return texts | {f"{kind}, as PROJJSON": CRS.from_wkt(text).to_json() for kind, text in texts.items()}


@pytest.mark.parametrize(
    "file",
    [
        "/dev/zero",
        "@/dev/zero",
        "../../fifo",
        "a.gsb,/dev/zero",
        "https://host/a.tif",
        "~/x",
        "@a+,/dev/zero",
        "@a , /x",
        "@a;,;/x",
    ],
)
@pytest.mark.parametrize("kind", with_file(""))
def test_a_crs_that_would_have_files_opened(kind: str, file: str) -> None:
    assert crs_of_text(with_file(file)[kind]) is None


@pytest.mark.parametrize("file", ["us_noaa_conus.tif", "@BETA2007.gsb", "a.gsb,@b-1.gsb,@null"])
def test_grids_of_proj_itself(file: str) -> None:
    for text in with_file(file).values():
        assert crs_of_text(text) is not None
    assert crs_of_text(CRS.from_epsg(3857).to_wkt("WKT1_GDAL")) == CRS.from_epsg(3857)
