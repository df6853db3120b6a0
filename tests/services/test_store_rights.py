"""Rights on a real gateway, given by a bucket's policy: what is refused is named before a job begins; what the
documentation asks for is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import obstore
import pytest
from requests_oauthlib import OAuth2Session

from tests.services.ceph import OWNER, STRANGER
from tests.services.conftest import Gateway
from tests.support import client
from tests.support.gateway import allow
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server

pytestmark = pytest.mark.services

READ, WRITE = "s3:GetObject", "s3:PutObject"
ENOUGH = {"fields/*": [READ], "scripts/*": [READ], "results/*": [WRITE]}
"""Exactly what docs/api.md asks for; nobody may list or delete anything."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, catalog: Path, gateway: Gateway) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    content = write_geopackage(folder / "parcels.gpkg", good_parcels(20)).read_bytes()
    obstore.put(gateway.store, "fields/parcels.gpkg", content)
    obstore.put(gateway.store, "scripts/ndvi.js", NDVI.text.encode())
    variables = {"AWS_ENDPOINT_URL_S3": gateway.endpoint, "AWS_REGION": "us-east-1"}
    server = Server(folder=folder, catalog=catalog, settings={"BUCKETS": None}, variables=variables)
    with server:
        yield server


@pytest.fixture(scope="module")
def session(server: Server) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *server.add_client()) as session:
        yield session


@pytest.fixture
def rights(gateway: Gateway) -> Iterator[Any]:
    """Gives the stranger rights, for the length of a test."""

    def give(rights: Mapping[str, Sequence[str]]) -> None:
        allow(gateway.endpoint, gateway.bucket, OWNER, "stranger", rights)

    yield give
    give({})


def body(gateway: Gateway, features: str = "fields/parcels.gpkg", output: str = "results/a/b") -> dict[str, Any]:
    asked = client.seed_body("s3://replaced/below", "", aggregationInterval={"of": "P10D"})
    del asked["aggregation"]["evalscript"]
    asked["aggregation"]["evalscriptReference"] = gateway.access("scripts/ndvi.js", STRANGER)
    asked["input"]["features"] = gateway.access(features, STRANGER)
    asked["output"] = gateway.access(output, STRANGER)
    return asked


def test_what_is_asked_for_is_enough(server: Server, session: OAuth2Session, gateway: Gateway, rights: Any) -> None:
    rights(ENOUGH)
    job = client.run_job(session, server, body(gateway), seconds=120)
    assert (job["status"], job["progress"]["failed"]) == ("DONE", 0), job


@pytest.mark.parametrize(
    ("given", "asked", "words"),
    [
        (
            {**ENOUGH, "fields/*": [WRITE]},
            {},
            ("Cannot read s3://{bucket}/fields/parcels.gpkg", "s3:GetObject for 'fields/*' in bucket '{bucket}'"),
        ),
        (
            {**ENOUGH, "scripts/*": []},
            {},
            ("Cannot read s3://{bucket}/scripts/ndvi.js", "s3:GetObject for 'scripts/*' in bucket '{bucket}'"),
        ),
        (
            {**ENOUGH, "results/*": [READ]},
            {},
            ("Cannot write s3://{bucket}/results/a/b/", "s3:PutObject for 'results/a/b/", "in bucket '{bucket}'"),
        ),
        (
            ENOUGH,
            {"output": "elsewhere/<REQUEST_ID>/<ID>.json"},
            ("Cannot write s3://{bucket}/elsewhere/", "s3:PutObject for 'elsewhere/", "in bucket '{bucket}'"),
        ),
        (
            ENOUGH,
            {"features": "other/parcels.gpkg"},
            ("Cannot read s3://{bucket}/other/parcels.gpkg", "s3:GetObject for 'other/*' in bucket '{bucket}'"),
        ),
        (
            ENOUGH,
            {"features": "fields/typing-error.gpkg"},
            (
                "Cannot read s3://{bucket}/fields/typing-error.gpkg",
                "s3:GetObject for 'fields/*'",
                "may also be missing",
            ),
        ),
    ],
    ids=["no reading", "no script", "no writing", "another prefix", "another object", "a wrong name"],
)
def test_a_refusal_names_action_prefix_and_bucket(
    server: Server,
    session: OAuth2Session,
    gateway: Gateway,
    rights: Any,
    given: Mapping[str, Sequence[str]],
    asked: Mapping[str, str],
    words: tuple[str, ...],
) -> None:
    """The analysis says so; nothing is computed first."""
    rights({pattern: actions for pattern, actions in given.items() if actions})
    job = client.create(session, server, body(gateway, **asked))
    assert client.act(session, server, job, "analyse") == 204
    ended = client.wait_until(session, server, job, ("FAILED", "ANALYSIS_DONE"))
    assert ended["status"] == "FAILED", ended
    for word in words:
        assert word.format(bucket=gateway.bucket) in ended["error"], ended["error"]
    assert STRANGER[1] not in ended["error"] + server.log
