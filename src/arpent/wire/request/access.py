"""Access: `{"s3": {…}}` or `{"gs": {…}}` → Location; and the rules for output templates (sentinelhub.md 2.1)."""

from __future__ import annotations

import base64
import binascii
import json
import re

from pydantic import SecretStr

from arpent.domain.boundary.address_grammar import (
    ACCESS_KEY,
    BUCKET,
    KEY,
    MOST_ACCOUNT,
    REGION,
    ROLE,
    SECRET_KEY,
    Form,
    account_fault,
)
from arpent.domain.boundary.client_ids import external_id
from arpent.domain.errors import InvalidRequest
from arpent.domain.location import ID, IDENTIFIER, REQUEST_ID, Credentials, FeatureFile, Location
from arpent.wire.request.schema import Access, FeaturesAccess, GsAccess, S3Access

PLACEHOLDERS = frozenset({REQUEST_ID, ID, IDENTIFIER})
"""Placeholders that a template may contain."""
ALL = "*"
"""Column name that stands for all columns."""
NAMING = frozenset({ID, IDENTIFIER})
"""Placeholders of which a template must contain one; otherwise all features would write the same object."""

_PLACEHOLDER = re.compile(r"<[^<>/]*>")


def read_object(access: Access, parameter: str, client: str | None = None) -> Location:
    """Location of an object to read; bucket and key are required. `client`: client for which a role is assumed. Raises
    InvalidRequest, naming the field below `parameter`."""
    location, at = _location(access, parameter, client)
    if not location.key or location.key.endswith("/"):
        raise InvalidRequest.at(at, f"names no object: write {location.scheme}://{location.bucket}/path/to/object")
    return location


def read_features_file(access: FeaturesAccess, parameter: str, client: str | None = None) -> FeatureFile:
    """The features file; choosing its columns is an arpent extension. Raises InvalidRequest, as `read_object` does."""
    found = read_object(access, parameter, client)
    columns = tuple(dict.fromkeys(access.columns or ()))
    return FeatureFile(
        scheme=found.scheme,
        bucket=found.bucket,
        key=found.key,
        credentials=found.credentials,
        identifier=access.identifier,
        columns=None if ALL in columns else columns,
    )


def features_at(url: str, parameter: str) -> FeatureFile:
    """The features file at this s3:// URL, read with the server's own credentials. Raises InvalidRequest."""
    return read_features_file(FeaturesAccess(s3=S3Access(url=url)), parameter)


def write_prefix(access: Access, parameter: str, client: str | None = None) -> Location:
    """Location for the results: a prefix or a template. `client`: client for which a role is assumed. Raises
    InvalidRequest, naming the field below `parameter`."""
    location, at = _location(access, parameter, client)
    used = set(_PLACEHOLDER.findall(location.key))
    if unknown := used - PLACEHOLDERS:
        known = ", ".join(sorted(PLACEHOLDERS))
        raise InvalidRequest.at(at, f"has an unknown placeholder {min(unknown)}; known: {known}")
    if used and not used & NAMING:
        raise InvalidRequest.at(
            at, f"is a template and must hold {ID} or {IDENTIFIER}, otherwise features would share one object"
        )
    return location


def _location(access: Access, parameter: str, client: str | None) -> tuple[Location, str]:
    """The location, and the path of its `url` in the request."""
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
    if not url.startswith(prefix) or not BUCKET.fits(bucket):
        raise InvalidRequest.at(parameter, f"must look like {prefix}bucket/key")
    if {".", ".."} & set(key.split("/")):
        raise InvalidRequest.at(parameter, "must not hold '..' or '.' as a folder")
    if not KEY.fits(key) or "//" in key or key.startswith("/"):
        raise InvalidRequest.at(
            parameter, "must have at most 1024 characters, no control characters and no empty folders ('//')"
        )
    return bucket, key


def _s3_credentials(access: S3Access, parameter: str, client: str | None) -> Credentials:
    key, secret = access.access_key or None, _reveal(access.secret_access_key)
    if (key is None) != (secret is None):
        missing = "accessKey" if key is None else "secretAccessKey"
        raise InvalidRequest.at(f"{parameter}->{missing}", "is missing: accessKey and secretAccessKey go together")
    role, region = access.iam_role_arn or None, access.region or None
    written: tuple[tuple[str, str | None, Form], ...] = (
        ("accessKey", key, ACCESS_KEY),
        ("secretAccessKey", secret, SECRET_KEY),
        ("iamRoleARN", role, ROLE),
        ("region", region, REGION),
    )
    for name, value, form in written:
        if value is not None and not form.fits(value):
            raise InvalidRequest.at(f"{parameter}->{name}", f"must {form.words}")
    return Credentials(
        access_key=key,
        secret_access_key=secret,
        region=region,
        iam_role_arn=role,
        external_id=external_id(client) if role and client else None,
    )


def _gs_credentials(access: GsAccess, parameter: str) -> Credentials:
    account, at = _reveal(access.credentials), f"{parameter}->credentials"
    if account is None:
        return Credentials()
    if len(account) > MOST_ACCOUNT:
        raise InvalidRequest.at(at, f"must have at most {MOST_ACCOUNT} characters: one service account's file")
    try:
        fields = json.loads(base64.b64decode(account, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise InvalidRequest.at(at, "must be a service account's JSON, encoded as base64")
    if fault := account_fault(fields):
        raise InvalidRequest.at(at, fault)
    return Credentials(service_account=account)


def _reveal(secret: SecretStr | None) -> str | None:
    return (secret.get_secret_value() or None) if secret is not None else None
