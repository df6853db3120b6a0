"""`iamRoleARN` on a real Security Token Service, Ceph's: features read and results written by a role, and refusals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import obstore
import pytest
from requests_oauthlib import OAuth2Session

from arpent.adapters.objects import cloud as obstore_objects
from arpent.adapters.objects.cloud import CloudObjects
from arpent.adapters.objects.sts import AssumedRole, TemporaryKeys
from arpent.domain.errors import StorageDenied
from arpent.domain.location import Credentials, Location
from tests.services.ceph import OWNER, STRANGER
from tests.services.conftest import Gateway
from tests.support import client
from tests.support.gateway import allow, bucket_of
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server

pytestmark = pytest.mark.services
KEEPER, READER, CLOSED = (f"arn:aws:iam:::role/{name}" for name in ("keeper", "reader", "closed"))


@pytest.fixture(scope="module")
def machine_and_sts(machine: dict[str, str]) -> dict[str, str]:
    """Machines that may assume roles, and know where."""
    return {**machine, "AWS_ENDPOINT_URL_STS": machine["AWS_ENDPOINT_URL_S3"]}


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, catalog: Path, gateway: Gateway, machine_and_sts: dict[str, str]
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    content = write_geopackage(folder / "parcels.gpkg", good_parcels(20)).read_bytes()
    obstore.put(gateway.store, "fields/parcels.gpkg", content)
    obstore.put(gateway.store, "scripts/ndvi.js", NDVI.text.encode())
    server = Server(
        folder=folder, catalog=catalog, settings={"BUCKETS": None, "LOG_FORMAT": "json"},
        variables=machine_and_sts,
    )  # fmt: skip
    with server:
        yield server


@pytest.fixture(scope="module")
def credentials(server: Server) -> tuple[str, str]:
    return server.add_client()


@pytest.fixture(scope="module")
def session(server: Server, credentials: tuple[str, str]) -> Iterator[OAuth2Session]:
    with client.signed_in(server, *credentials) as session:
        yield session


def body(gateway: Gateway, read: dict[str, str], write: dict[str, str]) -> dict[str, Any]:
    """A request whose features and script are read, and whose results are written, with these fields of `s3`."""
    asked = client.seed_body("s3://replaced/below", "", aggregationInterval={"of": "P10D"})
    del asked["aggregation"]["evalscript"]
    asked["aggregation"]["evalscriptReference"] = {"s3": {"url": f"s3://{gateway.bucket}/scripts/ndvi.js", **read}}
    asked["input"]["features"] = {"s3": {"url": f"s3://{gateway.bucket}/fields/parcels.gpkg", **read}}
    asked["output"] = {"s3": {"url": f"s3://{gateway.bucket}/roles", **write}}
    return asked


def test_a_job_by_roles(server: Server, session: OAuth2Session, gateway: Gateway) -> None:
    """The same bytes as with keys. The role is assumed with the machine's keys, and with those of the request. What a
    role writes belongs to the role in Ceph: the bucket's owner needs a policy to read it."""
    allow(gateway.endpoint, gateway.bucket, OWNER, "owner", {"roles/*": ["s3:GetObject"]})
    keys = {"accessKey": OWNER[0], "secretAccessKey": OWNER[1]}
    strangers = {"accessKey": STRANGER[0], "secretAccessKey": STRANGER[1]}
    written = []
    for read, write in (
        (keys, keys),
        ({"iamRoleARN": READER}, {"iamRoleARN": KEEPER}),
        ({"iamRoleARN": READER, **strangers}, {"iamRoleARN": KEEPER, **strangers}),
        ({"iamRoleARN": READER}, {"iamRoleARN": CLOSED, **keys}),
    ):
        job = client.run_job(session, server, body(gateway, read, write), seconds=120)
        assert (job["status"], job["progress"]["failed"]) == ("DONE", 0), job
        written.append(gateway.files(f"roles/{job['id']}"))
    assert len(written[0]) == len(good_parcels(20))
    assert all(each == written[0] for each in written)


@pytest.mark.parametrize(
    ("read", "write", "words"),
    [
        (CLOSED, KEEPER, ("Cannot read", "/scripts/ndvi.js", "`iamRoleARN`", CLOSED, "AccessDenied", "trust policy")),
        (READER, CLOSED, ("Cannot write", "/roles", "`iamRoleARN`", CLOSED, "AccessDenied", "trust policy")),
        (READER, READER, ("Cannot write", "s3:PutObject for 'roles/", "bucket ")),
        (
            "arn:aws:iam:::role/nobody",
            KEEPER,
            ("Cannot read", "`iamRoleARN`", "role/nobody", "NoSuchEntity", "There is no such role"),
        ),
    ],
    ids=["may not be assumed to read", "may not be assumed to write", "may not write", "not there"],
)
def test_refused_roles_are_told(
    server: Server,
    session: OAuth2Session,
    credentials: tuple[str, str],
    gateway: Gateway,
    read: str,
    write: str,
    words: tuple[str, ...],
) -> None:
    job = client.run_job(session, server, body(gateway, {"iamRoleARN": read}, {"iamRoleARN": write}))
    assert job["status"] == "FAILED", job
    for word in words:
        assert word in job["error"], job["error"]
    if "trust policy" in words:
        assert f"ExternalId is {credentials[0]}" in job["error"], "the client's id, for the trust policy"
    assert STRANGER[1] not in job["error"] + server.log


def test_what_is_no_role_is_refused_at_once(server: Server, session: OAuth2Session, gateway: Gateway) -> None:
    asked = body(gateway, {}, {"iamRoleARN": "keeper"})
    answer = session.request("POST", server.batch, headers=client.JSON, json=asked)
    assert answer.status_code == 400
    assert "output->s3->iamRoleARN" in answer.text


def place(gateway: Gateway, role: str) -> Location:
    return Location(
        scheme="s3",
        bucket=gateway.bucket,
        key="long/job",
        credentials=Credentials(iam_role_arn=role, external_id="client-7"),
    )


def test_keys_that_end_are_renewed_in_time(
    gateway: Gateway, machine_and_sts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of two seconds, writing for six: all is written, and the first keys are no longer valid."""
    monkeypatch.setattr(obstore_objects, "AssumedRole", partial(AssumedRole, seconds=2))
    seen = []
    assume = AssumedRole.assume

    def watched(role: AssumedRole) -> TemporaryKeys:
        seen.append(assume(role))
        return seen[-1]

    monkeypatch.setattr(AssumedRole, "assume", watched)
    store, where = CloudObjects(machine_and_sts), place(gateway, KEEPER)
    end = time.monotonic() + 6
    count = 0
    while time.monotonic() < end:
        store.write(where.child(str(count)), b"x")
        count += 1
    assert len(list(store.list(where))) == count > 10
    assert 2 < len(seen) < count / 2, "keys are kept while they are good"
    first = seen[0].keys
    with pytest.raises(obstore.exceptions.PermissionDeniedError):
        obstore.put(
            bucket_of(gateway.endpoint, gateway.bucket, (first.access_key, first.secret_access_key), first.token),
            "late", b"",
        )  # fmt: skip


def test_a_machine_without_keys_says_so(gateway: Gateway) -> None:
    store = CloudObjects({"AWS_ENDPOINT_URL": gateway.endpoint})
    with pytest.raises(StorageDenied, match=r"Cannot read s3://.*`iamRoleARN` .* Set AWS_ACCESS_KEY_ID"):
        store.read(place(gateway, KEEPER))


def test_a_machine_with_wrong_keys_says_so(gateway: Gateway) -> None:
    wrong = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "knows-this-one"}
    store = CloudObjects({"AWS_ENDPOINT_URL": gateway.endpoint, **wrong})
    with pytest.raises(StorageDenied, match=r"Cannot read s3://.*`iamRoleARN` .*their secret is wrong") as caught:
        store.read(place(gateway, KEEPER))
    assert wrong["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)
