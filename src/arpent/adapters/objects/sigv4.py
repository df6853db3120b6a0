"""Signature Version 4 of AWS: signs a request according to the public specification."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

FORM = "application/x-www-form-urlencoded; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keys that sign a request."""

    access_key: str
    """Access key id."""
    secret_access_key: str = field(repr=False)
    """Secret; never shown."""
    token: str | None = field(default=None, repr=False)
    """Session token of temporary keys; None for others. Never shown."""


def signed_form(endpoint: str, form: str, keys: Keys, region: str, service: str, now: datetime) -> dict[str, str]:
    """Headers of a signed POST of an encoded form to `/` of the endpoint."""
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"content-type": FORM, "host": urlsplit(endpoint).netloc, "x-amz-date": stamp}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(headers)
    canonical = "\n".join(
        (
            "POST",
            "/",
            "",
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            names,
            hashlib.sha256(form.encode()).hexdigest(),
        )
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = derived_key(keys.secret_access_key, day, region, service)
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={hmac.new(key, text.encode(), 'sha256').hexdigest()}"
    )
    return headers


def derived_key(secret: str, day: str, region: str, service: str) -> bytes:
    """The signing key of a day (YYYYMMDD), region and service."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
