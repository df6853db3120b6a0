"""The buckets of the suite: a folder, and S3 with a prefix; what is missing is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from arpent.cli.conformance.buckets import Bucket, bucket_of_folder, bucket_of_url
from arpent.domain.errors import InvalidRequest
from tests.support.loopback_s3 import loopback_s3

NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def check(bucket: Bucket) -> None:
    bucket.put("features.gpkg", b"f")
    bucket.put("results/7/3.json", b"{}")
    bucket.put("results/8/4.json", b"[]")
    assert bucket.objects("results/7/") == {"3.json": b"{}"}
    assert bucket.objects("results/9/") == {}


def test_a_folder(tmp_path: Path) -> None:
    bucket = bucket_of_folder(tmp_path)
    check(bucket)
    assert bucket.url == "s3://conformance"
    assert (tmp_path / "buckets" / "conformance" / "features.gpkg").read_bytes() == b"f"


@pytest.mark.parametrize(("url", "key"), [("s3://bucket/a/b/", "a/b/features.gpkg"), ("s3://bucket", "features.gpkg")])
def test_s3(monkeypatch: pytest.MonkeyPatch, url: str, key: str) -> None:
    with loopback_s3() as store:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never-say-this-aloud")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.url)
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        bucket = bucket_of_url(url)
        check(bucket)
        assert key in store.buckets["bucket"]
    wanted = {"accessKey": "testkey", "secretAccessKey": "never-say-this-aloud", "region": "eu-central-1"}
    assert (bucket.url, dict(bucket.access)) == (url.rstrip("/"), wanted)
    assert "never-say" not in repr(bucket)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    with pytest.raises(InvalidRequest, match="needs AWS_SECRET_ACCESS_KEY:"):
        bucket_of_url("s3://bucket/x")
    for url in ("bucket", "s3://", "gs://bucket"):
        with pytest.raises(InvalidRequest, match="s3://bucket"):
            bucket_of_url(url)
