"""What is particular to buckets in the cloud: keys, faults, and what messages may not say."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arpent.adapters.objects.cloud import IN_FLIGHT, CloudObjects
from arpent.domain.errors import (
    BucketNotFound,
    NameRefused,
    StorageDenied,
    StorageNotFound,
    StorageUnavailable,
    WorldError,
)
from arpent.domain.location import Credentials, Location
from tests.support.loopback_s3 import LoopbackS3, loopback_s3

KEYS = Credentials(access_key="testkey", secret_access_key="TOPSECRET")
PLACE = Location(scheme="s3", bucket="bucket", key="a/b.json", credentials=KEYS)


@pytest.fixture
def server() -> Iterator[LoopbackS3]:
    with loopback_s3() as running:
        yield running


def opened(server: LoopbackS3, **environment: str) -> CloudObjects:
    return CloudObjects({"AWS_ENDPOINT_URL": server.url, **environment}, retries=2, retry_seconds=10)


def test_the_machines_session_token_stays_out_of_the_requests_keys(
    server: LoopbackS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of another identity")
    opened(server).write(PLACE, b"x")
    assert server.tokens == [None]


def test_without_keys_the_machines_are_used(server: LoopbackS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testkey")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    opened(server).write(replace(PLACE, credentials=Credentials()), b"x")
    assert server.buckets["bucket"] == {"a/b.json": b"x"}


def test_wrong_keys_are_named_without_the_secret(server: LoopbackS3) -> None:
    wrong = replace(PLACE, credentials=Credentials(access_key="other", secret_access_key="TOPSECRET"))
    with pytest.raises(StorageDenied, match=r"write s3://bucket/a/b.json.*InvalidAccessKeyId") as caught:
        opened(server).write(wrong, b"x")
    assert "TOPSECRET" not in repr(caught.value) + repr(caught.value.__cause__)
    assert not caught.value.transient


@pytest.mark.parametrize("action", ["read", "write", "list", "download"])
@pytest.mark.parametrize(
    "odd",
    [
        {"access_key": "a\nb"},
        {"access_key": "a\0b"},
        {"region": "eu\nwest"},
        {"region": "é\x7f"},
    ],
    ids=repr,
)
def test_a_panic_of_the_client_is_an_error_that_names_the_fields(
    server: LoopbackS3, tmp_path: Path, odd: dict[str, str], action: str
) -> None:
    place = replace(PLACE, credentials=replace(KEYS, **odd))
    store = opened(server)
    calls = {
        "read": lambda: store.read(place),
        "write": lambda: store.write(place, b"x"),
        "list": lambda: list(store.list(place)),
        "download": lambda: store.download(place, tmp_path / "a"),
    }
    with pytest.raises(StorageDenied, match=rf"Cannot {'read' if action == 'download' else action} s3://bucket"):
        calls[action]()


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_short_fault_is_not_noticed(server: LoopbackS3, status: int) -> None:
    server.faults = [status]
    opened(server).write(PLACE, b"x")
    assert server.buckets["bucket"] == {"a/b.json": b"x"}


def test_a_long_fault_is_transient(server: LoopbackS3) -> None:
    server.faults = [503] * 20
    with pytest.raises(StorageUnavailable, match="Injected") as caught:
        opened(server).read(PLACE)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "RequestTimeout"), (400, "IncompleteBody"), (400, "BadDigest"), (403, "RequestTimeTooSkewed"),
        (404, "NoSuchUpload"), (408, "Injected"), (409, "OperationAborted"), (409, "ConditionalRequestConflict"),
        (425, "Injected"), (429, "TooManyRequests"), (500, "InternalError"), (503, "SlowDown"), (507, "Injected"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("action", ["read", "write"])
def test_what_passes_is_transient(server: LoopbackS3, status: int, code: str, action: str) -> None:
    """Otherwise a name is called refused, a bucket missing, or keys wrong."""
    server.faults, server.code = [status] * 20, code
    with pytest.raises(StorageUnavailable, match=code) as caught:
        opened(server).read(PLACE) if action == "read" else opened(server).write(PLACE, b"x")
    assert caught.value.transient


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "KeyTooLongError", NameRefused), (403, "AccessDenied", StorageDenied),
        (403, "SignatureDoesNotMatch", StorageDenied), (404, "NoSuchBucket", BucketNotFound),
        (405, "MethodNotAllowed", StorageDenied), (501, "NotImplemented", StorageDenied),
    ],
)  # fmt: skip
def test_what_stays_is_not(server: LoopbackS3, status: int, code: str, kind: type[WorldError]) -> None:
    server.faults, server.code = [status] * 20, code
    with pytest.raises(kind) as caught:
        opened(server).write(PLACE, b"x")
    assert type(caught.value) is kind
    assert not caught.value.transient


def test_a_wrong_clock_is_called_so(server: LoopbackS3) -> None:
    server.faults, server.code = [403] * 20, "RequestTimeTooSkewed"
    with pytest.raises(StorageUnavailable, match="the clocks of this machine and of the store differ") as caught:
        opened(server).read(PLACE)
    assert "Check the keys" not in str(caught.value)


@pytest.mark.parametrize(("method", "right"), [("GET", "s3:GetObject"), ("PUT", "s3:PutObject")])
def test_a_refusal_names_bucket_prefix_and_right(server: LoopbackS3, method: str, right: str) -> None:
    server.denied = {method}
    store = opened(server)
    with pytest.raises(StorageDenied, match=rf"{right} for 'a/\*' in bucket 'bucket'") as caught:
        store.read(PLACE) if method == "GET" else store.write(PLACE, b"x")
    assert not caught.value.transient


def test_no_answer_is_transient() -> None:
    silent = CloudObjects({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, retries=0)
    with pytest.raises(StorageUnavailable) as caught:
        silent.read(PLACE)
    assert caught.value.transient


@pytest.mark.parametrize("key", ["redirect", "a/Instance metadata.json"])
def test_a_key_is_not_taken_for_an_answer(key: str, server: LoopbackS3) -> None:
    with pytest.raises(StorageNotFound, match="there is no object"):
        opened(server).read(PLACE.at(key))
    with pytest.raises(StorageNotFound, match="there is no bucket"):
        opened(server).read(replace(PLACE.at(key), bucket="none"))


def test_another_region_is_said(server: LoopbackS3) -> None:
    server.faults = [301]
    with pytest.raises(StorageDenied, match="set `region`"):
        opened(server).read(PLACE)


def test_an_object_that_changes_midway_is_read_again(
    server: LoopbackS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arpent.adapters.objects.cloud.CHUNK", 10)
    server.buckets["bucket"]["a/b.json"] = b"x" * 25
    original = opened(server)
    server.faults = []

    class Changing(list[int]):
        """No fault for head and first range; 412 for the second."""

        asked = 0

        def __bool__(self) -> bool:
            self.asked += 1
            return self.asked == 3

        def pop(self, _: object = -1) -> int:
            return 412

    server.faults = Changing()
    with pytest.raises(StorageUnavailable, match="changed") as caught:
        original.download(PLACE, tmp_path / "copy")
    assert caught.value.transient
    assert list(tmp_path.iterdir()) == []


def test_many_writes_run_together_but_not_too_many(server: LoopbackS3) -> None:
    opened(server).write_many(PLACE, ((f"n/{number}", b"") for number in range(300)))
    assert 2 < server.most_in_flight <= IN_FLIGHT


def test_a_pickle_holds_no_keys(server: LoopbackS3) -> None:
    store = opened(server, AWS_SECRET_ACCESS_KEY="TOPSECRET")
    store.write(PLACE, b"x")
    assert b"TOPSECRET" not in pickle.dumps(store)


def test_a_broken_service_account_is_not_quoted() -> None:
    for text in ("%%%", base64.b64encode(b'{"private_key": "TOPSECRET"').decode()):
        place = Location(scheme="gs", bucket="b", key="k", credentials=Credentials(service_account=text))
        with pytest.raises(StorageDenied, match="`credentials`") as caught:
            CloudObjects({}).read(place)
        assert "TOPSECRET" not in str(caught.value)


def test_a_role_needs_somebody_to_assume_it() -> None:
    place = replace(PLACE, credentials=Credentials(iam_role_arn="arn:aws:iam::1:role/r"))
    with pytest.raises(StorageDenied, match="AWS_ACCESS_KEY_ID"):
        CloudObjects({}).read(place)


ROLE = "arn:aws:iam::1:role/r"


def test_the_token_service_is_named_by_the_environment(server: LoopbackS3) -> None:
    """The loopback store knows no roles: what it answers is explained with bucket, key, action, field and fix."""
    place = replace(PLACE, credentials=replace(KEYS, iam_role_arn=ROLE))
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"):
        store = CloudObjects({"AWS_ENDPOINT_URL_S3": server.url, name: server.url}, retries=0)
        with pytest.raises(StorageDenied, match=rf"Cannot write s3://bucket/a/b.json: `iamRoleARN` {ROLE} .*STS"):
            store.write(place, b"x")
    assert server.buckets["bucket"] == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", "x@127.0.0.1:9/"), ("region", "127.0.0.1:9/#"), ("access_key", "AKIA\nx: y"),
        ("secret_access_key", "TOPSECRET\n"), ("iam_role_arn", "arn:aws:iam::1:role/x y"), ("bucket", "b@host"),
        ("bucket", "b..b"),
    ],
)  # fmt: skip
def test_what_leads_elsewhere_is_refused_here_too(server: LoopbackS3, field: str, value: str) -> None:
    """Requests that were stored before they were checked; a newline in a key was a panic of the library."""
    credentials = replace(KEYS, **({field: value} if field != "bucket" else {}))
    place = replace(PLACE, credentials=credentials, bucket=value if field == "bucket" else PLACE.bucket)
    with pytest.raises(StorageDenied, match="must") as caught:
        opened(server).read(place)
    assert "TOPSECRET" not in str(caught.value)


def test_a_region_of_the_machine_that_is_none_is_refused(server: LoopbackS3) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        with pytest.raises(StorageDenied, match="AWS_REGION must"):
            opened(server, **{name: "x@127.0.0.1:9/"}).read(PLACE)
