"""MTL files: each form tells the same, of the right band and group; what is missing is named."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from arpent.adapters.catalogs.item import read_item
from arpent.adapters.collections.files import load_collections
from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.item import Calibration, CalibrationFile
from tests.support.http_server import QuietHandler, served
from tests.support.landsat import FORMS, PRODUCT, Groups, level_1

REFLECTANCE, TEMPERATURE = "toa-reflectance", "brightness-temperature"


def told(href: str, image: str, rule: str = REFLECTANCE) -> Calibration:
    reader = CogReader()
    try:
        return reader.calibration(CalibrationFile(rule=rule, href=href, image=image))
    finally:
        reader.close()


def written(folder: Path, groups: Groups, form: str = "json") -> str:
    path = folder / f"{PRODUCT}_MTL.{form}"
    path.write_text(FORMS[form](groups))
    return str(path)


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path: Path, form: str) -> None:
    href = written(tmp_path, level_1(), form)
    for band in (1, 4, 7):
        found = told(href, f"{PRODUCT}_B{band}.TIF")
        assert (found.scale, found.offset) == (pytest.approx(band / 500), pytest.approx(-band / 250))
    found = told(href, f"{PRODUCT}_B6.TIF", TEMPERATURE)
    assert (found.scale, found.offset, found.planck) == (0.05, 1.0, (607.76, 1260.56))


def test_bands_with_two_gains(tmp_path: Path) -> None:
    groups = level_1("LE07_X", thermal=("6_VCID_1", "6_VCID_2"))
    changed = {**groups["LEVEL1_RADIOMETRIC_RESCALING"], "RADIANCE_MULT_BAND_6_VCID_2": "3.7E-2"}
    href = written(tmp_path, {**groups, "LEVEL1_RADIOMETRIC_RESCALING": changed}, "txt")
    assert told(href, "LE07_X_B6_VCID_1.TIF", TEMPERATURE).scale == 0.05
    assert told(href, "LE07_X_B6_VCID_2.TIF", TEMPERATURE).scale == 0.037


def test_an_image_of_another_name(tmp_path: Path) -> None:
    """The list of the file goes before the number in the name: the first MSS count their bands from 4."""
    groups = level_1(bands=("4", "5"), thermal=())
    names = {"FILE_NAME_BAND_4": "green.tif", "FILE_NAME_BAND_5": "x_B4.TIF"}
    href = written(tmp_path, {**groups, "PRODUCT_CONTENTS": names})
    assert told(href, "green.tif").scale == pytest.approx(4 / 500)
    assert told(href, "x_B4.TIF").scale == pytest.approx(5 / 500)
    assert told(href, "copy_b5.tif").scale == pytest.approx(5 / 500)
    with pytest.raises(AssetUnreadable, match=r"does not say which band red\.tif is"):
        told(href, "red.tif")


def test_the_file_of_another_scene(tmp_path: Path) -> None:
    """Path and row or day differ. One that was processed again is of the same scene."""
    href = written(tmp_path, level_1())
    for other in ("LT05_L1TP_191028_20100601_20200823_02_T1", "LT05_L1TP_190028_20100617_20200823_02_T1"):
        with pytest.raises(AssetUnreadable, match=rf"^its file .* is for another scene: its band 4 is {PRODUCT}_B4"):
            told(href, f"{other}_B4.TIF")
    again = "LT05_L1TP_190028_20100601_20210101_02_T1"
    assert told(href, f"{again}_B4.TIF") == told(href, f"{PRODUCT}_B4.TIF")


def without(group: str, field: str) -> Callable[[Groups], Groups]:
    return lambda groups: {**groups, group: {name: text for name, text in groups[group].items() if name != field}}


def said(group: str, **fields: str) -> Callable[[Groups], Groups]:
    return lambda groups: {**groups, group: {**groups[group], **fields}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("IMAGE_ATTRIBUTES", "SUN_ELEVATION"), "has no SUN_ELEVATION"),
        (said("IMAGE_ATTRIBUTES", SUN_ELEVATION="-3.5"), "has no SUN_ELEVATION above the horizon"),
        (said("IMAGE_ATTRIBUTES", SUN_ELEVATION="high"), "has no SUN_ELEVATION"),
        (without("LEVEL1_RADIOMETRIC_RESCALING", "REFLECTANCE_MULT_BAND_3"), "has no REFLECTANCE_MULT_BAND_3"),
        (without("LEVEL1_RADIOMETRIC_RESCALING", "REFLECTANCE_ADD_BAND_3"), "has no REFLECTANCE_ADD_BAND_3"),
        (said("LEVEL1_RADIOMETRIC_RESCALING", REFLECTANCE_MULT_BAND_3="nan"), "has no REFLECTANCE_MULT_BAND_3"),
        (said("LEVEL1_RADIOMETRIC_RESCALING", REFLECTANCE_MULT_BAND_3="0.0"), "REFLECTANCE_MULT_BAND_3 other than 0"),
        (lambda groups: {"PRODUCT_CONTENTS": groups["PRODUCT_CONTENTS"]}, "is not a Landsat Level 1 MTL file"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_missing_is_named(tmp_path: Path, form: str, change: Callable[[Groups], Groups], words: str) -> None:
    href = written(tmp_path, change(level_1()), form)
    with pytest.raises(AssetUnreadable, match=rf"^its file .*_MTL\.{form}.* {words}"):
        told(href, f"{PRODUCT}_B3.TIF")


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", '{"a": 1}', "<html><p>Please log in</p></html>", "\0" * 99, "7", "a" + "\n" * 1_000_000 + "b",
        "a" + " " * 1_000_000 + "b", "<" * 1_000_000, "<" + "a" * 1_000_000, '{"a": {"b": {"c": ' + "[" * 1_000_000,
        '{"a": {"b": {"c": ' + "[" * 1000 + "]" * 1000 + "}}}",
    ],
    ids=lambda content: content[:20],
)  # fmt: skip
def test_what_is_no_such_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "a_MTL.json").write_text(content)
    with pytest.raises(AssetUnreadable, match=r"a_MTL\.json (cannot be read|is not a Landsat Level 1 MTL file)"):
        told(str(tmp_path / "a_MTL.json"), f"{PRODUCT}_B3.TIF")


def test_a_file_that_is_too_long_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "a_MTL.txt").write_text(" " * (2 << 20))
    for name, words in (("a", "more than it could need"), ("b", "there is no such file")):
        with pytest.raises(AssetUnreadable, match=words):
            told(str(tmp_path / f"{name}_MTL.txt"), f"{PRODUCT}_B3.TIF")


def test_a_server_that_refuses_it(tmp_path: Path) -> None:
    class Closed(QuietHandler):
        def do_GET(self) -> None:
            self.send_error(403)

    with served(Closed) as url, pytest.raises(AssetUnreadable, match=r"^its file http://.*a_MTL\.json may not be read"):
        told(f"{url}/a_MTL.json?sig=secret", f"{PRODUCT}_B3.TIF")


def item(**assets: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature", "id": PRODUCT, "collection": "landsat-c2l1", "links": [], "assets": assets,
        "geometry": {"type": "Polygon", "coordinates": [[[15, 46], [16, 46], [16, 47], [15, 47], [15, 46]]]},
        "properties": {"datetime": "2010-06-01T09:00:00Z", "platform": "LANDSAT_5", "instruments": ["TM"]},
    }  # fmt: skip


def test_which_file_an_item_names() -> None:
    collection = load_collections()["landsat-tm-l1"]
    image = {"href": f"https://a.example/{PRODUCT}_B1.TIF?sig=x"}
    files = {f"MTL.{form}": {"href": f"./{PRODUCT}_MTL.{form}"} for form in ("xml", "txt", "json")}

    def calibration(**assets: dict[str, Any]) -> object:
        found = read_item(item(**assets), collection, "https://b.example/items/a.json")
        return found.assets["B01"].calibrations[REFLECTANCE]

    assert calibration(**{"B1.TIF": image}, **files) == CalibrationFile(
        rule=REFLECTANCE, href=f"https://b.example/items/{PRODUCT}_MTL.json", image=f"{PRODUCT}_B1.TIF"
    )
    named = calibration(**{"blue": image, "metadata": files["MTL.xml"]})
    assert isinstance(named, CalibrationFile)
    assert named.href.endswith("_MTL.xml")
    sentence = calibration(blue=image)
    assert isinstance(sentence, str)
    assert "no asset of its MTL file" in sentence or "view:sun_elevation" in sentence


def test_what_the_item_tells_goes_first() -> None:
    collection = load_collections()["landsat-tm-l1"]
    document = item(
        blue={"href": "/a_B1.TIF", "raster:bands": [{"scale": 0.001, "offset": -0.1}]},
        lwir={"href": "/a_B6.TIF"}, mtl={"href": "/a_MTL.json"},
    )  # fmt: skip
    document["properties"]["view:sun_elevation"] = 30.0
    assets = read_item(document, collection, "/items/a.json").assets
    found = assets["B01"].calibrations[REFLECTANCE]
    assert found == Calibration(scale=0.001 / math.sin(math.radians(30)), offset=-0.1 / math.sin(math.radians(30)))
    assert isinstance(assets["B06"].calibrations[TEMPERATURE], CalibrationFile)


def test_files_of_many_items_are_read_at_once(tmp_path: Path) -> None:
    """Each request waits until all are there: read one after the other, they would never come."""
    together = Barrier(4, timeout=60)
    written(tmp_path, level_1())

    class Files(QuietHandler):
        def do_GET(self) -> None:
            together.wait()
            content = (tmp_path / f"{PRODUCT}_MTL.json").read_bytes()
            self.send_response(206)
            self.send_header("content-range", f"bytes 0-{len(content) - 1}/{len(content)}")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with served(Files) as url:
        files = [
            CalibrationFile(rule=REFLECTANCE, href=f"{url}/{number}_MTL.json", image=f"{PRODUCT}_B1.TIF")
            for number in range(4)
        ]
        reader = CogReader()
        reader.prepare([], files)
        assert {reader.calibration(file).scale for file in files} == {0.001 / math.sin(math.radians(30))}
        reader.close()
