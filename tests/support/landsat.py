"""MTL files of Landsat Level 1 as USGS lays them out, with made-up numbers: JSON, text or XML."""

from __future__ import annotations

import json
from collections.abc import Mapping

Groups = Mapping[str, Mapping[str, str]]
PRODUCT = "LT05_L1TP_190028_20100601_20200823_02_T1"
REFLECTIVE = ("1", "2", "3", "4", "5", "7")


def level_1(product: str = PRODUCT, bands: tuple[str, ...] = REFLECTIVE, thermal: tuple[str, ...] = ("6",)) -> Groups:
    """Band n: reflectance n / 1000 DN - n / 500; radiance DN / 20 + 1. The sun is 30 degrees high. A group of Level 2
    has fields of the same names."""
    files = {f"FILE_NAME_BAND_{band}": f"{product}_B{band}.TIF" for band in (*bands, *thermal)}
    numbers: dict[str, str] = {}
    for band in (*bands, *thermal):
        numbers |= {f"RADIANCE_MULT_BAND_{band}": "5.0000E-02", f"RADIANCE_ADD_BAND_{band}": "1.00000"}
    for band in bands:
        step = float(band.split("_")[0])
        numbers |= {
            f"REFLECTANCE_MULT_BAND_{band}": f"{step / 1000:.4E}",
            f"REFLECTANCE_ADD_BAND_{band}": f"{-step / 500:.6f}",
        }
    planck = {f"K{n}_CONSTANT_BAND_{band}": value for band in thermal for n, value in ((1, "607.76"), (2, "1260.56"))}
    return {
        "PRODUCT_CONTENTS": {"ORIGIN": "made up", "PROCESSING_LEVEL": "L1TP", **files},
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {f"REFLECTANCE_MULT_BAND_{band}": "2.75e-05" for band in bands},
        "IMAGE_ATTRIBUTES": {"SPACECRAFT_ID": "LANDSAT_5", "SUN_ELEVATION": "30.00000000", "NOTE": ""},
        "LEVEL1_RADIOMETRIC_RESCALING": numbers,
        "LEVEL1_THERMAL_CONSTANTS": planck,
    }


def as_json(groups: Groups) -> str:
    return json.dumps({"LANDSAT_METADATA_FILE": groups}, indent=2)


def as_text(groups: Groups) -> str:
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for name, fields in groups.items():
        lines += [f"  GROUP = {name}"]
        lines += [f"    {field} = {_quoted(value)}" for field, value in fields.items()]
        lines += [f"  END_GROUP = {name}"]
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])


def as_xml(groups: Groups) -> str:
    inner = "".join(
        f"  <{name}>\n" + "".join(f"    <{field}>{value}</{field}>\n" for field, value in fields.items())
        + f"  </{name}>\n" for name, fields in groups.items()
    )  # fmt: skip
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<LANDSAT_METADATA_FILE>\n{inner}</LANDSAT_METADATA_FILE>\n'


def _quoted(value: str) -> str:
    return value if value and value[0] in "-0123456789" else f'"{value}"'


FORMS = {"json": as_json, "txt": as_text, "xml": as_xml}
"""End of the file's name → how it is written."""
