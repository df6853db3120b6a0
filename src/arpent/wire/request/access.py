"""Access: `{"s3": {…}}` or `{"gs": {…}}` → Location; and the rules of output templates (sentinelhub.md 2.1)."""

from __future__ import annotations

import base64
import binascii
import json
import re

from pydantic import SecretStr

from arpent.domain.errors import InvalidRequest
from arpent.domain.location import ID, IDENTIFIER, REQUEST_ID, Credentials, Location
from arpent.wire.request.schema import Access, GsAccess, S3Access

PLACEHOLDERS = frozenset({REQUEST_ID, ID, IDENTIFIER})
"""What a template may hold."""
NAMING = frozenset({ID, IDENTIFIER})
"""One of these must be in a template, or all features would write the same object."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_ROLE = re.compile(r"arn:[a-z-]+:iam::[^:\s]*:role/[^:\s]+")
"""The account is empty in Ceph, or a tenant's name."""
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""It becomes part of a host's name."""
_PLACEHOLDER = re.compile(r"<[^<>/]*>")


def read_object(access: Access, parameter: str, client: str | None = None) -> Location:
    """An object to read: bucket and key are required. `client`: for whom a role is assumed. Raises InvalidRequest,
    naming the field below `parameter`."""
    location, at = _location(access, parameter, client)
    if not location.key or location.key.endswith("/"):
        raise InvalidRequest.at(at, f"names no object: write {location.scheme}://{location.bucket}/path/to/object")
    return location


def write_prefix(access: Access, parameter: str, client: str | None = None) -> Location:
    """Where results go: a prefix, or a template. `client`: for whom a role is assumed. Raises InvalidRequest, naming
    the field below `parameter`."""
    location, at = _location(access, parameter, client)
    used = set(_PLACEHOLDER.findall(location.key))
    if unknown := used - PLACEHOLDERS:
        known = ", ".join(sorted(PLACEHOLDERS))
        raise InvalidRequest.at(at, f"has an unknown placeholder {min(unknown)}; there are {known}")
    if used and not used & NAMING:
        raise InvalidRequest.at(at, f"is a template and must hold {ID} or {IDENTIFIER}, else features share one object")
    return location


def _location(access: Access, parameter: str, client: str | None) -> tuple[Location, str]:
    """The location, and the parameter path of its url."""
    if (access.s3 is None) == (access.gs is None):
        raise InvalidRequest.at(parameter, "needs exactly one of s3 and gs")
    if access.s3 is not None:
        at = f"{parameter}->s3"
        scheme, url, credentials = "s3", access.s3.url, _s3_credentials(access.s3, at, client)
    else:
        assert access.gs is not None
        at = f"{parameter}->gs"
        scheme, url, credentials = "gs", access.gs.url, _gs_credentials(access.gs, at)
    bucket, key = _split(url, scheme, f"{at}->url")
    return Location(scheme=scheme, bucket=bucket, key=key, credentials=credentials), f"{at}->url"


def _split(url: str, scheme: str, parameter: str) -> tuple[str, str]:
    prefix = f"{scheme}://"
    bucket, _, key = url.removeprefix(prefix).partition("/")
    if not url.startswith(prefix) or not _BUCKET.fullmatch(bucket):
        raise InvalidRequest.at(parameter, f"must look like {prefix}bucket/key")
    if ".." in key.split("/"):
        raise InvalidRequest.at(parameter, "must not hold '..'")
    if any(ord(letter) < 32 for letter in key) or "//" in key or key.startswith("/"):
        raise InvalidRequest.at(parameter, "must not hold control characters or empty folders ('//')")
    return bucket, key


def _s3_credentials(access: S3Access, parameter: str, client: str | None) -> Credentials:
    key, secret = access.access_key or None, _reveal(access.secret_access_key)
    if (key is None) != (secret is None):
        missing = "accessKey" if key is None else "secretAccessKey"
        raise InvalidRequest.at(f"{parameter}->{missing}", "is missing: accessKey and secretAccessKey go together")
    role = access.iam_role_arn or None
    if role is not None and not _ROLE.fullmatch(role):
        raise InvalidRequest.at(f"{parameter}->iamRoleARN", "must look like arn:aws:iam::ACCOUNT:role/NAME")
    if access.region and not _REGION.fullmatch(access.region):
        raise InvalidRequest.at(f"{parameter}->region", "must be made of letters, digits, '-', '_' and '.'")
    return Credentials(
        access_key=key,
        secret_access_key=secret,
        region=access.region or None,
        iam_role_arn=role,
        external_id=client if role else None,
    )


def _gs_credentials(access: GsAccess, parameter: str) -> Credentials:
    account = _reveal(access.credentials)
    if account is not None:
        try:
            readable = isinstance(json.loads(base64.b64decode(account, validate=True)), dict)
        except (binascii.Error, ValueError, RecursionError):
            readable = False
        if not readable:
            raise InvalidRequest.at(f"{parameter}->credentials", "must be a service account's JSON, encoded as base64")
    return Credentials(service_account=account)


def _reveal(secret: SecretStr | None) -> str | None:
    return (secret.get_secret_value() or None) if secret is not None else None
