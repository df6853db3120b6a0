"""`arpent serve` on PostgreSQL and a real S3: features, script and images come from buckets, results go there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import obstore
import pytest
from requests_oauthlib import OAuth2Session

from tests.services.ceph import OWNER, STRANGER
from tests.services.conftest import Gateway
from tests.support import client
from tests.support.compare import differences
from tests.support.oracle import batch_answers
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server

pytestmark = pytest.mark.services
LONG_SCRIPT = NDVI.text + "\n// " + "a long explanation " * 2000
"""Above the 32 KB that a request may hold."""


@pytest.fixture(scope="module")
def geopackage(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parcels: here, and as `fields/parcels.gpkg` in the bucket, beside the script."""
    path = tmp_path_factory.mktemp("fields") / "parcels.gpkg"
    write_geopackage(path, good_parcels())
    obstore.put(gateway.store, "fields/parcels.gpkg", path.read_bytes())
    obstore.put(gateway.store, "scripts/ndvi.js", LONG_SCRIPT.encode())
    return path


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, cloud_catalog: Path, postgres: str, machine: dict[str, str]
) -> Iterator[Server]:
    settings = {"BUCKETS": None, "DATABASE_URL": postgres, "LOG_FORMAT": "json"}
    server = Server(
        folder=tmp_path_factory.mktemp("server"), catalog=cloud_catalog, settings=settings, variables=machine
    )
    with server:
        yield server


@pytest.fixture(scope="module")
def session(server: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *server.add_client()) as session:
        yield session


def body(gateway: Gateway, **places: Mapping[str, object]) -> dict[str, Any]:
    """A request with everything in buckets; `places` replaces some of the accesses."""
    asked = client.seed_body("s3://replaced/below", "", aggregationInterval={"of": "P10D"})
    del asked["aggregation"]["evalscript"]
    asked["aggregation"]["evalscriptReference"] = places.get("script", gateway.access("scripts/ndvi.js"))
    asked["input"]["features"] = places.get("features", gateway.access("fields/parcels.gpkg"))
    asked["output"] = places.get("output", gateway.access("results"))
    return asked


def test_everything_in_buckets(
    server: Server, session: OAuth2Session, gateway: Gateway, geopackage: Path, catalog: Path
) -> None:
    assert len(LONG_SCRIPT) > 32_768
    job = client.run_job(session, server, body(gateway), seconds=120)
    assert (job["status"], job["completionPercentage"]) == ("DONE", 100), job
    actual = {int(Path(name).stem): json.loads(text) for name, text in gateway.files(f"results/{job['id']}").items()}
    request = body(gateway)
    expected = batch_answers(request, features=geopackage, catalog=catalog, script=NDVI)
    assert set(actual) == set(expected)
    wrong = {fid: found for fid in expected if (found := differences(actual[fid], expected[fid]))}
    assert not wrong, "\n".join(line for lines in wrong.values() for line in lines[:3])
    assert OWNER[1] not in server.log


WRONG_SECRET = (OWNER[0], "a-secret-that-is-wrong")


@pytest.mark.parametrize("keys", [STRANGER, WRONG_SECRET, ("nobody", "knows-this-one")],
                         ids=["no right", "wrong secret", "unknown key"])  # fmt: skip
@pytest.mark.parametrize(
    ("place", "key", "action"),
    [
        ("features", "fields/parcels.gpkg", "read"),
        ("script", "scripts/ndvi.js", "read"),
        ("output", "results", "write"),
    ],
)
@pytest.mark.usefixtures("geopackage")
def test_wrong_keys_are_told(
    server: Server, session: OAuth2Session, gateway: Gateway, keys: tuple[str, str], place: str, key: str, action: str
) -> None:
    """Action, bucket and key, and no secret, in the job and in the log."""
    asked = body(gateway, **{place: gateway.access(key, keys)})
    job = client.run_job(session, server, asked)
    assert job["status"] == "FAILED", job
    for word in (f"Cannot {action} ", f"s3://{gateway.bucket}/{key}", "refuses", f"bucket '{gateway.bucket}'"):
        assert word in job["error"], job["error"]
    for secret in (keys[1], OWNER[1]):
        assert secret not in job["error"]
        assert secret not in server.log
