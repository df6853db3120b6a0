"""The S3 gateway of the service tests: buckets on it, and clients with anybody's keys."""

from __future__ import annotations

from datetime import timedelta

import obstore
import requests
from obstore.store import S3Store


def bucket_of(endpoint: str, name: str, keys: tuple[str, str]) -> S3Store:
    """A client of one bucket, arpent not involved."""
    return S3Store(
        name, endpoint=endpoint, region="us-east-1", access_key_id=keys[0], secret_access_key=keys[1],
        client_options={"allow_http": True}, virtual_hosted_style_request=False,
    )  # fmt: skip


def make_bucket(endpoint: str, name: str, keys: tuple[str, str]) -> S3Store:
    """A new bucket: obstore has no call for it, but signs a PUT of the empty key, which is the bucket itself."""
    store = bucket_of(endpoint, name, keys)
    answer = requests.put(obstore.sign(store, "PUT", "", timedelta(minutes=5)), timeout=60)
    answer.raise_for_status()
    return store
