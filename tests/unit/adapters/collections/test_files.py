"""Collections from TOML files."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from arpent.adapters.collections.files import CollectionFileError, load_collections
from arpent.domain.imagery.collection import NoData

MINIMAL = """
id = "byoc-1"
[units]
n = [{ name = "DN" }]
[bands]
B1 = { assets = ["one"], units = "n" }
"""


def test_the_built_in_collections_are_known_by_id_and_alias() -> None:
    collections = load_collections()
    assert set(collections) >= {"sentinel-2-l2a", "sentinel-2-l1c", "sentinel-1-grd", "landsat-ot-l2", "dem"}
    assert collections["S2L2A"] is collections["sentinel-2-l2a"]


def test_sentinel_2_units_are_those_of_the_service() -> None:
    bands = load_collections()["sentinel-2-l2a"].bands
    units = {name: bands[name].units[0] for name in ("B04", "AOT", "SNW", "CLD", "SCL", "sunZenithAngles")}
    assert [unit.name for unit in units.values()] == [
        "REFLECTANCE", "OPTICAL_DEPTH", "PERCENT", "PERCENT", "DN", "DEGREES",
    ]  # fmt: skip
    assert 5000 * units["B04"].scale == 0.5
    assert 150 * units["AOT"].scale == 0.15
    assert bands["B04"].unit("DN") is not None
    assert bands["SCL"].unit("REFLECTANCE") is None
    assert [name for name in bands if bands[name].harmonized] == [
        "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12",
    ]  # fmt: skip
    assert bands["CLD"].no_data == NoData(value=None, always=True)
    assert bands["SCL"].no_data == NoData()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", NoData()),
        (", no_data = -9999", NoData(value=-9999.0, always=True)),
        (', no_data = "none"', NoData(value=None, always=True)),
        (", fallback_no_data = -9999", NoData(value=-9999.0)),
        (', fallback_no_data = "none"', NoData(value=None)),
    ],
)
def test_four_words_for_no_data(words: str, expected: NoData, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(MINIMAL.replace('units = "n" }', f'units = "n"{words} }}'))
    collection = load_collections(tmp_path)["byoc-1"]
    assert collection.bands["B1"].no_data == expected


def test_landsat_shows_missing_pixels_as_nan() -> None:
    assert math.isnan(load_collections()["landsat-ot-l2"].no_data_value)


def test_the_operators_file_replaces_a_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINIMAL.replace("byoc-1", "dem"))
    (tmp_path / "other.toml").write_text(MINIMAL)
    collections = load_collections(tmp_path)
    assert list(collections["dem"].bands) == ["B1"]
    assert "byoc-1" in collections
    assert "DEM" not in collections


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(CollectionFileError, match="not a folder"):
        load_collections(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[units]", "[units"), "x.toml is not TOML"),
        (('id = "byoc-1"', ""), "`id`: Field required"),
        (('assets = ["one"]', 'asets = ["one"]'), "`bands.B1.asets`: Extra inputs"),
        (('units = "n" }', 'units = "m" }'), "`bands.B1.units` is 'm'; .units. has: n"),
        (
            ('units = "n" }', 'units = "n", no_data = 1, fallback_no_data = 2 }'),
            "no_data and fallback_no_data",
        ),
        (('units = "n" }', 'units = "n", no_data = "None" }'), "`bands.B1.no_data"),
        (('units = "n" }', 'units = "n", harmonized = true }'), "no .harmonize. table"),
        (("[units]", 'mask_band = "B2"\n[units]'), "`mask_band` is 'B2'"),
        (("B1 =", "dataMask ="), "`bands.dataMask`"),
        (("[units]", '[harmonize]\nrules = ["guess"]\noffset = -1000\n[units]'), "`harmonize.rules.0`"),
        (("[units]", '[harmonize]\nrules = []\noffset = -1000\nsince = "०4.00"\n[units]'), "`harmonize.since`"),
        (("[units]", f'[harmonize]\nrules = []\noffset = 0\nsince = "{"9" * 30}"\n[units]'), "`harmonize.since`"),
    ],
)
def test_a_wrong_file_names_the_field(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(MINIMAL.replace(*change))
    with pytest.raises(CollectionFileError, match=message):
        load_collections(tmp_path)


def test_an_own_collection_says_what_its_pixels_are(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f'offers = {{ backCoeff = "SIGMA0_ELLIPSOID", orthorectify = false }}\n{MINIMAL}')
    own = load_collections(tmp_path)["byoc-1"]
    assert own.offers == {"backCoeff": "SIGMA0_ELLIPSOID", "orthorectify": "false"}
    for wrong in ('{ backcoeff = "BETA0" }', '{ backCoeff = "GAMMA" }', '{ orthorectify = "perhaps" }'):
        file.write_text(f"offers = {wrong}\n{MINIMAL}")
        with pytest.raises(CollectionFileError, match="offers"):
            load_collections(tmp_path)


def test_the_examples_of_the_documentation_load(tmp_path: Path) -> None:
    text = (Path(__file__).parents[4] / "docs" / "collections.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert examples
    for number, example in enumerate(examples):
        (tmp_path / f"{number}.toml").write_text(example)
    assert load_collections(tmp_path).keys() > load_collections().keys()
