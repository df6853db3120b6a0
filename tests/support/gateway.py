"""The S3 gateway of the service tests: buckets on it, and clients with anybody's keys."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from email.utils import formatdate

import obstore
import requests
from obstore.store import S3Store


def bucket_of(endpoint: str, name: str, keys: tuple[str, str], token: str | None = None) -> S3Store:
    """A client of one bucket, arpent not involved; `token`: of temporary keys."""
    return S3Store(
        name, endpoint=endpoint, region="us-east-1", access_key_id=keys[0], secret_access_key=keys[1],
        client_options={"allow_http": True}, virtual_hosted_style_request=False,
        **({"token": token} if token else {}),
    )  # fmt: skip


def make_bucket(endpoint: str, name: str, keys: tuple[str, str]) -> S3Store:
    """A new bucket: obstore has no call for it, but signs a PUT of the empty key, which is the bucket itself."""
    store = bucket_of(endpoint, name, keys)
    answer = requests.put(obstore.sign(store, "PUT", "", timedelta(minutes=5)), timeout=60)
    answer.raise_for_status()
    return store


def allow(endpoint: str, name: str, owner: tuple[str, str], user: str, rights: Mapping[str, Sequence[str]]) -> None:
    """Give the bucket a policy, in place of the one it has: key pattern (`results/*`; `` is the bucket itself) →
    what the user may do with it; `*` is everybody. No rights: no policy."""
    statements = [
        {
            "Effect": "Allow",
            "Principal": "*" if user == "*" else {"AWS": [f"arn:aws:iam:::user/{user}"]},
            "Action": list(actions),
            "Resource": [f"arn:aws:s3:::{name}" + (f"/{pattern}" if pattern else "")],
        }
        for pattern, actions in rights.items()
    ]
    method, text = ("PUT", json.dumps({"Version": "2012-10-17", "Statement": statements})) if rights else ("DELETE", "")
    date = formatdate(usegmt=True)
    # The old signature of S3: the gateway still takes it, and it is short.
    signature = hmac.digest(owner[1].encode(), f"{method}\n\n\n{date}\n/{name}?policy".encode(), "sha1")
    authorization = f"AWS {owner[0]}:{base64.b64encode(signature).decode()}"
    answer = requests.request(
        method, f"{endpoint}/{name}?policy", data=text, headers={"Date": date, "Authorization": authorization},
        timeout=60,
    )  # fmt: skip
    answer.raise_for_status()
