"""The pages for people who come from elsewhere: their Python as it stands there, and the requests of R's CDSE."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import shapely
from pyproj import Transformer
from requests_oauthlib import OAuth2Session

from arpent.evalscript.indices.script import IndexQuery, index_script
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.server import Server

pytestmark = pytest.mark.slow

PAGES = ("from-earth-engine", "from-openeo", "from-rasterstats")


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_runs(repository: Path, catalog: Path, tmp_path: Path, page: str) -> None:
    text = (repository / "docs" / f"{page}.md").read_text()
    (program,) = re.findall(r"<!-- test: python -->\n```python\n(.*?)```", text, re.DOTALL)
    write_geopackage(tmp_path / "fields.gpkg", good_parcels(), 32633)
    assert '"earth-search"' in program
    done = subprocess.run(
        [sys.executable, "-c", program.replace('"earth-search"', repr(str(catalog)))],
        cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if page == "from-earth-engine":
        assert len((tmp_path / "ndvi.csv").read_text().splitlines()) > 50
    else:
        assert "2023-06-0" in done.stdout


def degrees(number: int) -> shapely.Geometry:
    """A parcel as R's package sends it: in longitude and latitude."""
    change = Transformer.from_crs(32633, 4326, always_xy=True)
    (parcel,) = [each for each in good_parcels() if each.id == number]
    assert parcel.geometry is not None
    moved: shapely.Geometry = shapely.transform(parcel.geometry, lambda xy: [change.transform(x, y) for x, y in xy])
    return moved


@pytest.mark.parametrize("percentiles", [None, [25, 50, 75], 50])
@pytest.mark.parametrize("by", ["aoi", "bbox"])
def test_requests_of_the_package_of_r(
    server: Server, credentials: tuple[str, str], oauth: OAuth2Session, percentiles: object, by: str
) -> None:
    """GetStatistics of CDSE: fields and their order as it writes them, a vector of one as a number, `Accept: */*`."""
    shape = degrees(good_parcels()[-1].id)
    bounds: dict[str, object] = {"bbox": list(shape.bounds)}
    if by == "aoi":
        bounds["geometry"] = shape.__geo_interface__
    bounds["properties"] = {"crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}
    body: dict[str, object] = {
        "input": {
            "bounds": bounds,
            "data": [{"dataFilter": {"mosaickingOrder": "leastCC"}, "type": "sentinel-2-l2a"}],
        },
        "aggregation": {
            "timeRange": {"from": "2023-06-01T00:00:00Z", "to": "2023-07-31T23:59:59Z"},
            "aggregationInterval": {"of": "P10D", "lastIntervalBehavior": "SKIP"},
            "evalscript": index_script(IndexQuery(index=["ndvi"])),
            "resx": 0.000128,
            "resy": 0.00009,
        },
    }
    if percentiles is not None:
        body["calculations"] = {"default": {"statistics": {"default": {"percentiles": {"k": percentiles}}}}}
    headers = {"Content-Type": "application/json", "Accept": "*/*"}
    answer = oauth.post(f"{server.url}/api/v1/statistics", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert len(data) >= 3
    for entry in data:
        assert {"from", "to"} == set(entry["interval"])
        stats = entry["outputs"]["ndvi"]["bands"]["B0"]["stats"]
        assert {"min", "max", "mean", "stDev", "sampleCount", "noDataCount"} <= set(stats)
        if percentiles is not None and stats["sampleCount"] > stats["noDataCount"]:
            wanted = percentiles if isinstance(percentiles, list) else [percentiles]
            assert list(stats["percentiles"]) == [f"{float(each)}" for each in wanted]


def test_a_token_as_httr2_asks_for_it(server: Server, credentials: tuple[str, str]) -> None:
    """At the address of the Copernicus Data Space Ecosystem, id and secret in the form, or in the header."""
    import requests

    address = f"{server.url}/auth/realms/CDSE/protocol/openid-connect/token"
    form = {"grant_type": "client_credentials"}
    own = {"client_id": credentials[0], "client_secret": credentials[1]}
    for answer in (
        requests.post(address, data={**form, **own}, timeout=30),
        requests.post(address, data=form, auth=credentials, timeout=30),
    ):
        assert answer.status_code == 200
        assert answer.json()["token_type"] == "Bearer"
