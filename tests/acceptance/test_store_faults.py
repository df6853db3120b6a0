"""Buckets and images behind servers that fail, refuse and hang up: the same bytes, or a reason."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from requests_oauthlib import OAuth2Session

from tests.support import client
from tests.support.loopback_s3 import LoopbackS3, loopback_s3
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server, wait_for
from tests.support.web import Web, serve

pytestmark = pytest.mark.slow

KEY = "AKIATESTTESTTEST"
SHARE = 0.25
"""Of the requests to the store that fail."""


class Faults(list[int]):
    """Answers that come at random: statuses, and a connection that is cut."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.count = 0

    def __bool__(self) -> bool:
        return self._random.random() < SHARE

    def pop(self, _: object = 0) -> int:
        self.count += 1
        return self._random.choice((500, 503, 429, 0))


@contextmanager
def flickering(web: Web) -> Iterator[None]:
    """The images' server says 503 for a while, again and again."""
    over = Event()

    def flicker() -> None:
        while not over.wait(0.3):
            web.status = 503
            over.wait(0.2)
            web.status = 0

    thread = Thread(target=flicker)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        web.status = 0


@pytest.fixture(scope="module")
def web(catalog: Path) -> Iterator[Web]:
    with serve(catalog) as web:
        yield web


@pytest.fixture(scope="module")
def store() -> Iterator[LoopbackS3]:
    with loopback_s3() as store:
        store.key = KEY
        store.buckets = {"fields": {}, "results": {}}
        yield store


@pytest.fixture(scope="module")
def far(
    tmp_path_factory: pytest.TempPathFactory, catalog: Path, web: Web, store: LoopbackS3
) -> Iterator[tuple[Server, OAuth2Session]]:
    """A server whose buckets and images are on the network."""
    folder = tmp_path_factory.mktemp("far")
    features = write_geopackage(folder / "parcels.gpkg", good_parcels(40))
    store.buckets["fields"]["parcels.gpkg"] = features.read_bytes()
    items = []
    for path in sorted(catalog.rglob("*.json")):
        item = json.loads(path.read_text())
        for asset in item["assets"].values():
            asset["href"] = f"{web.url}/{path.parent.name}/{Path(asset['href']).name}"
        items.append(item)
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    server = Server(
        folder=folder,
        catalog=folder / "items.json",
        settings={"BUCKETS": None, "PIXEL_BUDGET": "3000", "POLICY__RETRY_SECONDS": "0.2", "REACHABLE": web.url},
        variables={"AWS_ENDPOINT_URL": store.url},
    )
    try:
        server.start()
        with client.signed_in(server, *server.add_client()) as session:
            yield server, session
    finally:
        server.close()


def body(output: str) -> dict[str, Any]:
    return client.seed_body("s3://fields/parcels.gpkg", NDVI.text, output, aggregationInterval={"of": "P10D"})


def written(store: LoopbackS3, job: dict[str, Any]) -> dict[str, bytes]:
    """Key in the job's folder → bytes, its id taken out."""
    return {
        key.partition(f"{job['id']}/")[2]: content.replace(job["id"].encode(), b"")
        for key, content in store.buckets["results"].items()
        if job["id"] in key
    }


def test_faults_that_pass_are_not_noticed(far: tuple[Server, OAuth2Session], store: LoopbackS3, web: Web) -> None:
    server, session = far
    calm = client.run_job(session, server, body("s3://results/calm"), seconds=120)
    assert (calm["status"], calm["progress"]["failed"]) == ("DONE", 0), calm
    store.faults = faults = Faults(5)
    with flickering(web):
        hostile = client.run_job(session, server, body("s3://results/hostile"), seconds=180)
    store.faults = []
    assert faults.count > 10, "the case must exercise faults"
    assert (hostile["status"], hostile["progress"]["failed"]) == ("DONE", 0), (hostile, server.log[-3000:])
    assert len(written(store, calm)) > len(good_parcels(40))
    assert written(store, hostile) == written(store, calm)


def test_rights_that_are_refused_are_named(far: tuple[Server, OAuth2Session], store: LoopbackS3) -> None:
    server, session = far
    for method, right, prefix in (("PUT", "s3:PutObject", "refused/"), ("GET", "s3:GetObject", "")):
        store.denied = {method}
        job = client.run_job(session, server, body("s3://results/refused"))
        store.denied = set()
        assert job["status"] == "FAILED", job
        assert right in job["error"]
        assert f"for '{prefix}" in job["error"]
        assert "bucket 'results'" in job["error"] or "bucket 'fields'" in job["error"]


def test_rights_withdrawn_midway_and_given_back(far: tuple[Server, OAuth2Session], store: LoopbackS3) -> None:
    """The analysis could write, then the right is withdrawn for a while: the job waits, and is complete at the end."""
    server, session = far
    job = client.create(session, server, body("s3://results/midway"))
    assert client.act(session, server, job, "analyse") == 204
    client.wait_until(session, server, job, ("ANALYSIS_DONE",))
    store.denied, before = {"PUT"}, store.refusals
    assert client.act(session, server, job, "start") == 204
    wait_for(lambda: store.refusals > before, 60, "a refused PUT")
    store.denied = set()
    done = client.wait_until(session, server, job)
    assert (done["status"], done["progress"]["failed"]) == ("DONE", 0), done


def test_a_store_that_stays_away_is_a_reason_and_a_start_makes_it_good(
    far: tuple[Server, OAuth2Session], store: LoopbackS3
) -> None:
    server, session = far
    job = client.create(session, server, body("s3://results/away"))
    assert client.act(session, server, job, "analyse") == 204
    client.wait_until(session, server, job, ("ANALYSIS_DONE",))
    store.denied = {"PUT"}
    assert client.act(session, server, job, "start") == 204
    done = client.wait_until(session, server, job, seconds=120)
    assert (done["status"], done["progress"]["done"]) == ("FAILED", 0), done
    assert "s3:PutObject" in done["error"], "a bucket that takes nothing fails the job, and blames no feature"
    store.denied = set()
    assert client.act(session, server, job, "start") == 204
    client.wait_until(session, server, job, ("PROCESSING", "DONE"))
    again = client.wait_until(session, server, job)
    assert (again["status"], again["progress"]["failed"]) == ("DONE", 0), again
    assert len([key for key in written(store, again) if "/" not in key]) == len(good_parcels(40))
