"""A real gateway behind a hostile network: buckets, images (s3:// and http) and the catalogue fail, hang up, lose
answers and trickle. The same bytes, or a reason in what is affected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
from obstore.store import S3Store
from rasterio.io import MemoryFile
from requests_oauthlib import OAuth2Session

from tests.services.ceph import STRANGER
from tests.services.conftest import Gateway
from tests.support import client
from tests.support.gateway import allow, bucket_of
from tests.support.hostile import Fault, Hostile, hostile
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI, slow_script
from tests.support.server import Server, wait_for
from tests.support.stac_api import stac_api

pytestmark = pytest.mark.services

SEED, SHARE = 11, 0.15
COUNT = 30
"""Features asked for."""


@dataclass(kw_only=True)
class Stage:
    """A server and its hostile surroundings."""

    server: Server
    session: OAuth2Session
    gateway: Gateway
    network: Hostile
    """Between everybody and the gateway."""
    road: Hostile
    """Between the server and the catalogue."""
    images: S3Store
    """The bucket of images, by its owner."""

    def body(self, output: str, script: str = NDVI.text) -> dict[str, Any]:
        asked = client.seed_body("s3://replaced/below", script, aggregationInterval={"of": "P10D"})
        asked["input"]["features"] = self.gateway.access("fields/parcels.gpkg")
        asked["output"] = self.gateway.access(output)
        return asked

    def run(self, output: str, seconds: float = 120.0) -> dict[str, bytes]:
        """The files of a job that goes well."""
        job = client.run_job(self.session, self.server, self.body(output), seconds)
        assert (job["status"], job["progress"]["failed"]) == ("DONE", 0), (job, self.server.log[-3000:])
        return self.gateway.files(f"{output}/{job['id']}")


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, gateway: Gateway, cloud_catalog: Path, machine: dict[str, str]
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("hostile")
    content = write_geopackage(folder / "parcels.gpkg", good_parcels(COUNT)).read_bytes()
    obstore.put(gateway.store, "fields/parcels.gpkg", content)
    bucket = f"images-{gateway.bucket}"
    allow(gateway.endpoint, bucket, STRANGER, "*", {"*": ["s3:GetObject"]})
    with hostile(gateway.endpoint, SEED) as network:
        items = [half_over_http(path, network.url) for path in sorted(cloud_catalog.glob("*.json"))]
        with stac_api(items) as api, hostile(api.url, SEED) as road:
            api.url = road.url
            server = Server(
                folder=folder, catalog=Path("replaced"),
                settings={"BUCKETS": None, "CATALOG": road.url, "PIXEL_BUDGET": "3000", "POLICY__RETRY_SECONDS": "0.2"},
                variables={**machine, "AWS_ENDPOINT_URL_S3": network.url},
            )  # fmt: skip
            try:
                server.start()
                with client.signed_in(server, *server.add_client()) as session:
                    images = bucket_of(gateway.endpoint, bucket, STRANGER)
                    yield Stage(
                        server=server, session=session, gateway=gateway, network=network, road=road, images=images
                    )
            finally:
                server.close()


def half_over_http(path: Path, url: str) -> dict[str, object]:
    """An item of which every other asset has an http address."""
    item = json.loads(path.read_text())
    for asset in list(item["assets"].values())[::2]:
        asset["href"] = asset["href"].replace("s3://", f"{url}/")
    item["bbox"] = item.get("bbox") or _box(item["geometry"])
    return dict(item)


def _box(geometry: dict[str, Any]) -> list[float]:
    ring = np.array(geometry["coordinates"][0])
    return [*ring.min(axis=0), *ring.max(axis=0)]


@pytest.fixture(scope="module")
def calm_files(stage: Stage) -> dict[str, bytes]:
    """What a job writes that nothing happens to."""
    return stage.run("calm")


def test_faults_that_pass_are_not_noticed(stage: Stage, calm_files: dict[str, bytes]) -> None:
    assert len(calm_files) == len(good_parcels(COUNT))
    stage.network.share = stage.road.share = SHARE
    try:
        upset = stage.run("upset", 300)
    finally:
        stage.network.share = stage.road.share = 0.0
    assert set(stage.network.happened) == set(Fault), "the case must exercise every kind of fault"
    assert sum(stage.road.happened.values()) > 0, "the catalogue, too"
    assert upset == calm_files


def intervals(files: dict[str, bytes]) -> dict[tuple[str, str], dict[str, Any]]:
    """(file, beginning of the interval) → what is said of it; a feature beyond all images has no intervals."""
    return {
        (name, entry["interval"]["from"]): entry
        for name, text in files.items()
        for entry in json.loads(text).get("response", {}).get("data", [])
    }


FORSAKEN = "S2A_33TXM_20230608_0_L2A"
"""An item that comes first in its interval."""


@pytest.mark.parametrize(
    ("image", "how"),
    [("B04.tif", 0), ("B08.tif", 0), ("B04.tif", 403), ("B08.tif", 500)],
    ids=["lost from http", "lost from s3", "refused over http", "failing in s3"],
)
def test_an_image_that_stays_away_costs_only_what_needs_it(
    stage: Stage, calm_files: dict[str, bytes], image: str, how: int
) -> None:
    """Lost between listing and reading, refused, or failing for ever."""
    calm = intervals(calm_files)
    key = f"{FORSAKEN}/{image}"
    content = bytes(obstore.get(stage.images, key).bytes())
    if how:
        stage.network.statuses = {key: how}
    else:
        obstore.delete(stage.images, key)
    try:
        job = client.run_job(stage.session, stage.server, stage.body("missing"), 300)
    finally:
        stage.network.statuses = {}
        obstore.put(stage.images, key, content)
    assert job["status"] == "DONE", job
    found = intervals(stage.gateway.files(f"missing/{job['id']}"))
    assert set(found) == set(calm)
    hit = {where for where, entry in found.items() if entry != calm[where]}
    assert {start for _, start in hit} == {"2023-06-01T00:00:00Z"}
    assert len(hit) < len({name for name, _ in found}), "the other tile's features do not need it"
    for where in hit:
        assert found[where]["error"]["type"] == "EXECUTION_ERROR"
        assert key in found[where]["error"]["message"]


def test_an_image_that_is_replaced_while_a_job_runs_is_never_mixed(stage: Stage) -> None:
    """Every interval of every feature is of the old image or of the new one; the next job is of the new one only,
    though the same workers know the old header."""
    body = stage.body("both", slow_script(20_000))

    def finish(job: str) -> dict[tuple[str, str], dict[str, Any]]:
        done = client.wait_until(stage.session, stage.server, job, seconds=300)
        assert (done["status"], done["progress"]["failed"]) == ("DONE", 0), done
        return intervals(stage.gateway.files(f"both/{job}"))

    def start() -> str:
        job = client.create(stage.session, stage.server, body)
        assert client.act(stage.session, stage.server, job, "start") == 204
        return job

    before = finish(start())
    job, key = start(), f"{FORSAKEN}/B04.tif"
    old = bytes(obstore.get(stage.images, key).bytes())
    wait_for(lambda: stage.gateway.files(f"both/{job}"), 60, "the first results", pause=0.02)
    obstore.put(stage.images, key, brighter(old))
    try:
        both, after = finish(job), finish(start())
    finally:
        obstore.put(stage.images, key, old)  # other modules read these images, too
    assert {start for (_, start), entry in after.items() if entry != before[_, start]} == {"2023-06-01T00:00:00Z"}
    assert set(both) == set(before)
    assert [where for where, entry in both.items() if entry not in (before[where], after[where])] == []


def brighter(content: bytes) -> bytes:
    """The same image with other pixels, packed in another way."""
    with MemoryFile(content) as file, file.open() as source:
        profile = {**source.profile, "driver": "GTiff", "compress": "deflate", "predictor": 1, "zlevel": 1}
        pixels = np.where(source.read() > 0, source.read() + 137, 0).astype(source.dtypes[0])
    with MemoryFile() as file:
        with file.open(**{name: value for name, value in profile.items() if value is not None}) as sink:
            sink.write(pixels)
        return bytes(file.read())
