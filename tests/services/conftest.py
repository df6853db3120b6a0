"""What the service tests find running (`make test-services`), and a made-up country whose images lie in a bucket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import obstore
import pytest
from obstore.store import S3Store

from tests.services.ceph import OWNER, STRANGER
from tests.support.databases import empty_database
from tests.support.gateway import bucket_of, make_bucket
from tests.support.world import make_imagery


@pytest.fixture(scope="session", autouse=True)
def plain_http() -> Iterator[None]:
    """oauthlib asks to be told that http is meant."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
        for name in [name for name in os.environ if name.startswith(("SH_", "AWS_"))]:
            patch.delenv(name)
        yield


@dataclass(kw_only=True)
class Gateway:
    """A bucket of its own on the gateway, and keys to it."""

    endpoint: str
    bucket: str
    keys: tuple[str, str]
    store: S3Store
    """The bucket, arpent not involved."""

    def access(self, key: str, keys: tuple[str, str] | None = None) -> dict[str, object]:
        """An `s3` of a request."""
        name, secret = self.keys if keys is None else keys
        return {"s3": {"url": f"s3://{self.bucket}/{key}", "accessKey": name, "secretAccessKey": secret}}

    def files(self, prefix: str) -> dict[str, bytes]:
        """Name → content of the JSON files right below the prefix: the results, not the report."""
        found = obstore.list_with_delimiter(self.store, prefix)["objects"]
        paths = [entry["path"] for entry in found if entry["path"].endswith(".json")]
        return {path.removeprefix(f"{prefix}/"): bytes(obstore.get(self.store, path).bytes()) for path in paths}


@pytest.fixture(scope="session")
def gateway() -> Gateway:
    endpoint = os.environ.get("ARPENT_TEST_S3_ENDPOINT")
    if not endpoint:
        pytest.skip("needs an S3 gateway: run `make test-services`, or set ARPENT_TEST_S3_ENDPOINT to its URL")
    name = f"season-{uuid4().hex[:8]}"
    make_bucket(endpoint, name, OWNER)
    return Gateway(endpoint=endpoint, bucket=name, keys=OWNER, store=bucket_of(endpoint, name, OWNER))


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up country on this machine's disk."""
    return make_imagery(tmp_path_factory.mktemp("country") / "stac")


@pytest.fixture(scope="session")
def cloud_catalog(catalog: Path, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same country with its images in a bucket that only the machine's own keys open, not those of a request:
    here are the items, and their hrefs are s3://."""
    items = tmp_path_factory.mktemp("items")
    images = make_bucket(gateway.endpoint, f"images-{gateway.bucket}", STRANGER)
    for path in sorted(catalog.rglob("*.json")):
        item = json.loads(path.read_text())
        for asset in item["assets"].values():
            image = path.parent / asset["href"]
            obstore.put(images, f"{item['id']}/{image.name}", image.read_bytes())
            asset["href"] = f"s3://images-{gateway.bucket}/{item['id']}/{image.name}"
        (items / path.name).write_text(json.dumps(item))
    return items


@pytest.fixture(scope="session")
def machine(gateway: Gateway) -> dict[str, str]:
    """The AWS_* variables of the machines that arpent runs on."""
    return {
        "AWS_ENDPOINT_URL_S3": gateway.endpoint,
        "AWS_ACCESS_KEY_ID": STRANGER[0],
        "AWS_SECRET_ACCESS_KEY": STRANGER[1],
        "AWS_REGION": "us-east-1",
    }


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL schema that was empty."""
    with empty_database("postgresql", tmp_path_factory.mktemp("unused")) as url:
        yield url
