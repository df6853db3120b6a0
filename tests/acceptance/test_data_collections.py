"""Every data collection of the official client: what the client itself writes into a request is answered over made-up
images with the values that the archive's own metadata mean, or refused with the reason."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer
from sentinelhub import CRS, BBox, DataCollection, SentinelHubStatistical, SHConfig

from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import ArpentError, InvalidRequest
from arpent.settings import Settings
from arpent.wire.request.body import SentBody
from arpent.worker import answer_statistics
from tests.support.data_collections import REFUSED, SERVED, UNSERVED_BANDS, Made, table
from tests.support.landsat import FORMS, level_1

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WEST, NORTH, SIDE, PIXEL = 500_000.0, 5_100_000.0, 32, 30.0
BOX = (WEST + 300, NORTH - 600, WEST + 600, NORTH - 300)


def test_all_28_are_served_or_refused() -> None:
    """Those that the client's own source defines; tests define further ones."""
    own = set(re.findall(r"^    ([A-Z][A-Z0-9_]+) = ", inspect.getsource(DataCollection), re.MULTILINE))
    assert own == SERVED.keys() | REFUSED.keys()
    assert not SERVED.keys() & REFUSED.keys()
    assert (len(SERVED), len(own)) == (24, 28)


def test_the_page_has_the_table(repository: Path) -> None:
    page = (repository / "docs" / "collections.md").read_text()
    assert table() in page, "run: python -m tests.support.data_collections, and put its table into the page"


@pytest.mark.parametrize("name", sorted(SERVED))
def test_bands_and_units_are_the_clients(name: str) -> None:
    """Every band that the client knows is there, but for those that archives do not have; the default unit is its."""
    one = getattr(DataCollection, name)
    bands = load_collections()[one.api_id].bands
    known = [*(one.value.bands or ()), *(one.value.metabands or ())]
    assert known
    for band in known:
        if band.name in bands:
            assert bands[band.name].units[0].name == str(band.units[0].value), band.name
        else:
            assert band.name in UNSERVED_BANDS or band.name == "dataMask", band.name


@pytest.mark.parametrize("name", sorted(SERVED))
def test_it_works(name: str, tmp_path: Path) -> None:
    for number, made in enumerate(SERVED[name].made):
        folder = tmp_path / str(number)
        write(folder, made)
        outputs = ask(folder, getattr(DataCollection, name), list(made.bands))
        for band, (_, _, _, expected) in made.bands.items():
            stats = outputs[band]["bands"]["B0"]["stats"]
            assert stats["noDataCount"] == 0, (band, stats)
            assert stats["mean"] == pytest.approx(expected, rel=1e-6), band
            assert stats["min"] == pytest.approx(stats["max"]), band


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_it_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    write(tmp_path, SERVED["DEM"].made[0])
    with pytest.raises(InvalidRequest, match=REFUSED[name]):
        ask(tmp_path, getattr(DataCollection, name), ["B01"])


def test_what_an_item_does_not_tell_is_refused_and_not_guessed(tmp_path: Path) -> None:
    """Landsat 5's reflectance takes numbers of its MTL file; without them there is none, and DN are still served."""
    (made,) = SERVED["LANDSAT_TM_L1"].made
    bare = Made(stac=made.stac, bands={"B03": made.bands["B03"]}, properties=made.properties)
    write(tmp_path, bare)
    with pytest.raises(InvalidRequest, match=r"B03 of item item cannot be given in REFLECTANCE: its item has no"):
        ask(tmp_path, DataCollection.LANDSAT_TM_L1, ["B03"])
    outputs = ask(tmp_path, DataCollection.LANDSAT_TM_L1, ["B03"], unit="DN")
    assert outputs["B03"]["bands"]["B0"]["stats"]["mean"] == made.bands["B03"][2]


def with_mtl(folder: Path, form: str, named: str) -> dict[str, float]:
    """An item as USGS's of Landsat 4 to 7 are: no scale, no height of the sun, and an MTL file beside the images. The
    stored numbers of its bands. `named`: how the item names that file."""
    (made,) = SERVED["LANDSAT_TM_L1"].made
    bands = {name: made.bands[name] for name in ("B01", "B03", "B06")}
    write(folder, Made(stac=made.stac, bands=bands, properties={**made.properties, "view:sun_elevation": None}))
    path = folder / "items" / "0.json"
    document = json.loads(path.read_text())
    files = {f"FILE_NAME_BAND_{name[-1]}": f"{key}.tif" for name, (key, *_) in bands.items()}
    (folder / "items" / f"0_MTL.{form}").write_text(FORMS[form]({**level_1(), "PRODUCT_CONTENTS": files}))
    document["assets"][f"MTL.{form}"] = {"href": f"./{named}"}
    path.write_text(json.dumps(document))
    return {name: stored for name, (_, _, stored, _) in bands.items()}


@pytest.mark.parametrize("form", FORMS)
def test_what_an_item_does_not_tell_its_mtl_file_does(form: str, tmp_path: Path) -> None:
    stored = with_mtl(tmp_path, form, f"0_MTL.{form}")
    outputs = ask(tmp_path, DataCollection.LANDSAT_TM_L1, [*stored])
    means = {name: outputs[name]["bands"]["B0"]["stats"]["mean"] for name in stored}
    assert means["B01"] == pytest.approx(2 * (stored["B01"] * 0.001 - 0.002), rel=1e-6)
    assert means["B03"] == pytest.approx(2 * (stored["B03"] * 0.003 - 0.006), rel=1e-6)
    assert means["B06"] == pytest.approx(1260.56 / math.log(607.76 / (stored["B06"] * 0.05 + 1) + 1), rel=1e-6)


def test_an_mtl_file_that_is_not_there(tmp_path: Path) -> None:
    with_mtl(tmp_path, "json", "1_MTL.json")
    with pytest.raises(InvalidRequest, match=r"B01 .*REFLECTANCE: its file .*1_MTL.* cannot be read: there is no such"):
        ask(tmp_path, DataCollection.LANDSAT_TM_L1, ["B01"])


def test_a_day_of_modis_is_the_day_that_its_id_tells(tmp_path: Path) -> None:
    (made,) = SERVED["MODIS"].made
    write(tmp_path, made)
    for start, expected in (("2023-06-01", 1), ("2023-05-31", 0), ("2023-06-02", 0)):
        assert len(answer(tmp_path, DataCollection.MODIS, ["B01"], start)["data"]) == expected, start


def test_a_cloud_mask_of_another_catalogue(tmp_path: Path, repository: Path) -> None:
    """As the page shows it: the mask is of the acquisition's minutes, and a script reads it like any band."""
    page = (repository / "docs" / "collections.md").read_text()
    (example,) = [block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[joins" in block]
    (tmp_path / "toml").mkdir()
    (tmp_path / "toml" / "mine.toml").write_text(example)
    write(tmp_path / "s2", SERVED["SENTINEL2_L2A"].made[0])
    mask = Made(stac="omnicloudmask", bands={"OCM": ("mask", "uint8", 0.0, 0.0)})
    write(tmp_path / "masks", mask)
    settings = {"collections": tmp_path / "toml", "catalogs": {"clouds": str(tmp_path / "masks" / "items")}}
    outputs = ask(tmp_path / "s2", DataCollection.SENTINEL2_L2A, ["B04", "OCM"], **settings)
    assert outputs["OCM"]["bands"]["B0"]["stats"] == outputs["OCM"]["bands"]["B0"]["stats"] | {
        "mean": 0.0,
        "noDataCount": 0,
    }
    assert outputs["B04"]["bands"]["B0"]["stats"]["noDataCount"] == 0


@pytest.mark.parametrize("masks", ["without the collection", "missing", "not set"])
def test_a_mask_that_nobody_asks_for_is_not_searched(tmp_path: Path, repository: Path, masks: str) -> None:
    page = (repository / "docs" / "collections.md").read_text()
    (example,) = [block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "[joins" in block]
    (tmp_path / "toml").mkdir()
    (tmp_path / "toml" / "mine.toml").write_text(example)
    write(tmp_path / "s2", SERVED["SENTINEL2_L2A"].made[0])
    write(tmp_path / "masks", SERVED["DEM"].made[0])
    folder = tmp_path / ("masks" if masks == "without the collection" else "nowhere") / "items"
    catalogs = {} if masks == "not set" else {"clouds": str(folder)}
    settings = {"collections": tmp_path / "toml", "catalogs": catalogs}
    outputs = ask(tmp_path / "s2", DataCollection.SENTINEL2_L2A, ["B04"], **settings)
    assert outputs["B04"]["bands"]["B0"]["stats"]["noDataCount"] == 0
    told = {"without the collection": "no items of", "missing": "does not exist", "not set": "is not set"}[masks]
    with pytest.raises(ArpentError, match=told):
        ask(tmp_path / "s2", DataCollection.SENTINEL2_L2A, ["B04", "OCM"], **settings)


def ask(
    folder: Path, collection: DataCollection, bands: list[str], unit: str | None = None, **settings: Any
) -> Mapping[str, Any]:
    """The outputs of the one interval."""
    (interval,) = answer(folder, collection, bands, "2023-06-01", unit, **settings)["data"]
    if "error" in interval:
        raise InvalidRequest(interval["error"]["message"])
    outputs: Mapping[str, Any] = interval["outputs"]
    return outputs


def answer(
    folder: Path, collection: DataCollection, bands: list[str], start: str, unit: str | None = None, **more: Any
) -> dict[str, Any]:
    """What the server says to the client's own words for one day."""
    end = (datetime.fromisoformat(start) + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    request = SentinelHubStatistical(
        aggregation=SentinelHubStatistical.aggregation(
            evalscript=script(bands, unit), time_interval=(f"{start}T00:00:00Z", end), aggregation_interval="P1D",
            resolution=(PIXEL, PIXEL),
        ),
        input_data=[SentinelHubStatistical.input_data(collection)],
        bbox=BBox(BOX, CRS.UTM_33N),
        config=SHConfig(use_defaults=True),
    )  # fmt: skip
    (download,) = request.download_list
    settings = Settings(catalog=str(folder / "items"), buckets=folder, script_seconds=10, **more)
    payload, _, _ = answer_statistics(settings, SentBody(text=json.dumps(download.post_values)))
    found: dict[str, Any] = json.loads(payload)
    return found


def script(bands: list[str], unit: str | None) -> str:
    """Each band as an output of its own."""
    given = f', units: "{unit}"' if unit else ""
    outputs = ", ".join(f'{{id: "{band}", bands: 1, sampleType: "FLOAT32"}}' for band in bands)
    returned = ", ".join(f"{band}: [sample.{band}]" for band in bands)
    return f"""//VERSION=3
function setup() {{
  return {{input: [{{bands: {json.dumps([*bands, "dataMask"])}{given}}}],
    output: [{outputs}, {{id: "dataMask", bands: 1}}]}};
}}
function evaluatePixel(sample) {{ return {{{returned}, dataMask: [sample.dataMask]}}; }}
"""


def write(folder: Path, made: Made) -> None:
    """The item and its images, and its newer neighbours with other pixels."""
    (folder / "items").mkdir(parents=True)
    for number, properties in enumerate([made.properties, *made.others]):
        shift = 0.0 if number == 0 else 5.0
        assets = dict(images(folder / "items" / f"{number}", made, shift))
        moment = datetime(2023, 6, 1, 10 + number, tzinfo=UTC).isoformat()
        document = {
            "type": "Feature", "stac_version": "1.0.0", "id": made.id if number == 0 else f"other-{number}",
            "collection": made.stac, "links": [], "geometry": footprint(), "assets": assets,
            "properties": {"datetime": moment, **properties},
        }  # fmt: skip
        (folder / "items" / f"{number}.json").write_text(json.dumps(document))


def images(folder: Path, made: Made, shift: float) -> Iterator[tuple[str, dict[str, Any]]]:
    folder.mkdir()
    for key, dtype, stored, _ in made.bands.values():
        path = folder / f"{key}.tif"
        profile = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": dtype, "crs": "EPSG:32633"}
        transform = Affine(PIXEL, 0, WEST, 0, -PIXEL, NORTH)
        with rasterio.open(
            path, "w", transform=transform, tiled=True, blockxsize=16, blockysize=16, **profile
        ) as image:
            image.write(np.full((1, SIDE, SIDE), stored + shift, dtype))
        told = {"raster:bands": [dict(made.raster[key])]} if key in made.raster else {}
        yield key, {"href": str(path), **told}


def footprint() -> dict[str, Any]:
    back = Transformer.from_crs(32633, 4326, always_xy=True)
    west, south, east, north = back.transform_bounds(WEST, NORTH - SIDE * PIXEL, WEST + SIDE * PIXEL, NORTH)
    found: dict[str, Any] = json.loads(shapely.to_geojson(shapely.box(west, south, east, north)))
    return found
