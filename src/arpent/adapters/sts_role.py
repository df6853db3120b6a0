"""Temporary S3 keys by assuming a role: one signed request to AWS STS (`iamRoleARN`, FACTS 2.1)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

import requests

from arpent.errors import StorageDenied, StorageUnavailable

SESSION = "arpent"
"""RoleSessionName; shows in the bucket owner's log."""
SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What signs a request."""

    access_key: str
    """Access key id."""
    secret_access_key: str = field(repr=False)
    """Secret; never shown."""
    token: str | None = field(default=None, repr=False)
    """Session token of temporary keys; never shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRole:
    """A credential provider as obstore wants it: called whenever its keys run out."""

    role: str
    """arn:aws:iam::…:role/…"""
    keys: Keys
    """Whose right it is to assume the role."""
    region: str
    """Region of the STS endpoint."""
    endpoint: str
    """https://sts.eu-central-1.amazonaws.com."""

    def __call__(self) -> dict[str, object]:
        """Raises StorageDenied or StorageUnavailable, naming the role."""
        query = {
            "Action": "AssumeRole",
            "DurationSeconds": str(SECONDS),
            "RoleArn": self.role,
            "RoleSessionName": SESSION,
            "Version": "2011-06-15",
        }
        headers = signed(self.endpoint, query, self.keys, self.region, datetime.now(UTC))
        url = f"{self.endpoint.rstrip('/')}/?{urlencode(query, quote_via=quote)}"
        try:
            answer = requests.get(url, headers=headers, timeout=(5, 30))
        except requests.RequestException as error:
            raise StorageUnavailable(
                f"Cannot assume role {self.role}: {urlsplit(self.endpoint).netloc} does not answer "
                f"({type(error).__name__}).",
                transient=True,
            ) from None
        if not answer.ok:
            code = _element(answer.text, "Code") or f"HTTP {answer.status_code}"
            if answer.status_code >= 500 or code in ("Throttling", "ThrottlingException"):
                raise StorageUnavailable(f"Cannot assume role {self.role}: STS answers {code}.", transient=True)
            raise StorageDenied(
                f"Cannot assume role {self.role}: STS answers {code}. "
                "Its trust policy must name the owner of the keys arpent has."
            )
        found = {name: _element(answer.text, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
        if not all(found.values()):
            raise StorageUnavailable(f"Cannot assume role {self.role}: STS sent no keys.", transient=True)
        expires = _element(answer.text, "Expiration")
        return {
            "access_key_id": found["AccessKeyId"],
            "secret_access_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expires_at": datetime.fromisoformat(expires) if expires else None,
        }


def signed(endpoint: str, query: Mapping[str, str], keys: Keys, region: str, now: datetime) -> dict[str, str]:
    """Headers of a GET of `/` signed with AWS Signature Version 4, as its public specification says."""
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": urlsplit(endpoint).netloc, "x-amz-date": stamp}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(headers)
    canonical = "\n".join(
        (
            "GET",
            "/",
            urlencode(sorted(query.items()), quote_via=quote),
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            names,
            hashlib.sha256(b"").hexdigest(),
        )
    )
    scope = f"{day}/{region}/sts/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(derived_key(keys.secret_access_key, day, region, "sts"), text.encode(), "sha256").hexdigest()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return {name: value for name, value in headers.items() if name != "host"}


def derived_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The signing key of a day (YYYYMMDD), region and service."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _element(text: str, name: str) -> str | None:
    """The text of the first XML element of that name: the answers are flat and have no attributes."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else None
