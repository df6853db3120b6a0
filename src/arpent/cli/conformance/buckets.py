"""Buckets: where the suite's batch requests read and write: in a folder that stands for S3, or in S3 itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arpent.domain.errors import InvalidRequest

NAME = "conformance"
"""Name of the bucket in the data set's folder."""
NO_KEYS = {"accessKey": "AKIACONFORMANCE", "secretAccessKey": "opens-no-bucket"}
"""Keys for servers whose buckets are folders, which ignore them; the official client requires some."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that implements `target.Place`."""

    url: str
    access: Mapping[str, str] = field(repr=False)
    store: Any = field(repr=False)
    """A store of obstore with its root at the URL."""

    def put(self, key: str, payload: bytes) -> None:
        self.store.put(key, payload)

    def objects(self, prefix: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for page in self.store.list(prefix.rstrip("/")):
            for meta in page:
                path = str(meta["path"])
                found[path.removeprefix(prefix)] = bytes(self.store.get(path).bytes())
        return found


def bucket_of_folder(folder: Path) -> Bucket:
    """The data set's bucket, which the server has as s3://conformance (ARPENT_BUCKETS is its folder `buckets`)."""
    from obstore.store import LocalStore

    store = LocalStore(folder / "buckets" / NAME, mkdir=True)
    return Bucket(f"s3://{NAME}", NO_KEYS, store)


def bucket_of_url(url: str) -> Bucket:
    """A prefix in S3, with the keys of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, which are also sent
    with the requests. Raises InvalidRequest if a key is missing."""
    from obstore.store import S3Store

    if not url.startswith("s3://") or not url.removeprefix("s3://").strip("/"):
        raise InvalidRequest(f"--bucket is {url!r:.80}, but must be s3://bucket or s3://bucket/prefix")
    names = {"accessKey": "AWS_ACCESS_KEY_ID", "secretAccessKey": "AWS_SECRET_ACCESS_KEY"}
    if missing := [name for name in names.values() if not os.environ.get(name)]:
        raise InvalidRequest(f"--bucket needs {' and '.join(missing)}: the server gets them with the requests")
    access = {field: os.environ[name] for field, name in names.items()}
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        access["region"] = region
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options: dict[str, Any] = {"endpoint": endpoint, "client_options": {"allow_http": True}} if endpoint else {}
    bucket, _, prefix = url.removeprefix("s3://").strip("/").partition("/")
    store = S3Store(
        bucket,
        prefix=prefix or None,
        access_key_id=access["accessKey"],
        secret_access_key=access["secretAccessKey"],
        region=region or "us-east-1",
        **options,
    )
    return Bucket(url.rstrip("/"), access, store)
