"""Every field of a request that becomes part of an address, a header or a path is refused when the request is made, by
its name and without its value, if it is written so that it could lead elsewhere."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from arpent.domain.errors import InvalidRequest
from arpent.domain.location import Location
from arpent.wire.request.parse import parse_batch
from tests.unit.wire.bodies import BATCH, REMOVE, text

PLACES = {
    "input.features": "input->features",
    "output": "output",
    "aggregation.evalscriptReference": "aggregation->evalscriptReference",
}
"""Every place of a location in a body, and how it is named."""
ODD: dict[str, tuple[str, ...]] = {
    "region": (
        "x@127.0.0.1:9/",
        "127.0.0.1:9/#", "eu west 1", "eu\nwest", "EU-WEST-1.", "a" * 300, "eu-central-1\n", "a.b", "\u0661",
        "eu-central-1?", "eu\\west", "e%75", "\uff41", "EU-CENTRAL-1",
    ),
    "accessKey": (
        "AKIA\nx-header: 1", "AKIA\r", "AK IA", "A" * 300, "cl\u00e9", "\x7f", "AKIA\t", "\u2028"),
    "secretAccessKey": ("secret\n", "a\rb", "s" * 2000, "\x85"),
    "iamRoleARN": (
        "arn:aws:iam::1:role/x y", "arn:aws:iam::1:role/x\n", "arn:aws:iam::1@h:role/x", "arn:evil:iam::1:role/x",
        "arn:aws:iam::1:role/<x>", "arn:aws:iam::1:role/" + "x" * 2000, "arn:aws:iam::1:role/x&Action=Other",
    ),
    "url": (
        "s3://bucket@host/key", "s3://bucket:9/key", "s3://buc ket/key", "s3://bucket\n/key", "s3://b..b/key", "s3://../key",
        "s3://bucket#x/key", "s3://bucket?x/key", "s3://bucket/a\x7fb", "s3://bucket/a\nb", "s3://bucket/./b",
        "s3://bucket/a/../b", "s3://bucket/" + "k" * 1100, "s3://b\u00fccket/key", "file:///etc/passwd",
        "s3:/bucket/key", "S3://bucket/key", " s3://other/key", "s3://%62ucket/key", "http://169.254.169.254/x",
    ),
}  # fmt: skip
FILE = {
    "type": "service_account", "project_id": "project-1", "private_key_id": "a1", "client_email": "me@project.example",
    "private_key": "-----BEGIN PRIVATE KEY-----\nTOPSECRET\n-----END PRIVATE KEY-----\n",
    "token_uri": "http://169.254.169.254/token",
}  # fmt: skip
ODD_ACCOUNT: tuple[tuple[str, Any], ...] = (
    ("type", "external_account"), ("type", 1), ("client_email", "me@host/path"), ("client_email", "me@host\n"),
    ("client_email", "a:b@host"), ("client_email", "nobody"), ("client_email", REMOVE), ("private_key_id", "x\n"),
    ("private_key_id", 1), ("project_id", "../x"), ("project_id", "a b"), ("private_key", "TOPSECRET"),
    ("private_key", REMOVE), ("private_key", {}),
)  # fmt: skip


def refused(changes: dict[str, Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse_batch(text(BATCH, changes))
    return caught.value


def location(place: str, **changes: object) -> dict[str, Any]:
    """Changes that put a location with these fields at a place."""
    fields = {"url": "s3://bucket/key", "accessKey": "AKIA", "secretAccessKey": "secret", **changes}
    script = {"aggregation.evalscript": REMOVE} if "evalscript" in place else {}
    return {**script, place: {"s3": fields}}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in ODD.items() for value in values])
def test_what_leads_elsewhere_is_refused_by_name(place: str, field: str, value: str) -> None:
    error = refused(location(place, **{field: value}))
    assert [parameter for parameter, _ in error.violations] == [f"{PLACES[place]}->s3->{field}"]
    assert value not in error.violations[0][1]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("field", "value"), ODD_ACCOUNT)
def test_a_service_account_is_looked_into(place: str, field: str, value: Any) -> None:
    fields = {**FILE, field: value} if value is not REMOVE else {key: it for key, it in FILE.items() if key != field}
    encoded = base64.b64encode(json.dumps(fields).encode()).decode()
    script = {"aggregation.evalscript": REMOVE} if "evalscript" in place else {}
    error = refused({**script, place: {"gs": {"url": "gs://bucket/key", "credentials": encoded}}})
    assert [parameter for parameter, _ in error.violations] == [f"{PLACES[place]}->gs->credentials"]
    assert field in error.violations[0][1]
    assert "TOPSECRET" not in str(error)


@pytest.mark.parametrize(
    "fields",
    [
        {"region": "eu-central-1"},
        {"region": "cn-north-1"},
        {"accessKey": "GK31c2f218a2e44f485b94239e", "secretAccessKey": "a/+=b \u00e9"},
        {"url": "s3://Old_Bucket.example/2020/k\u00e9y with (signs) & more.gpkg"},
        {"iamRoleARN": "arn:aws-us-gov:iam::123456789012:role/path/to/reader+1=x,@y"},
    ],
)
def test_what_is_usual_passes(fields: dict[str, str]) -> None:
    assert isinstance(parse_batch(text(BATCH, location("input.features", **fields))).features, Location)


def test_a_service_account_passes() -> None:
    encoded = base64.b64encode(json.dumps(FILE).encode()).decode()
    request = parse_batch(text(BATCH, {"output": {"gs": {"url": "gs://bucket/x/", "credentials": encoded}}}))
    assert request.output is not None
    assert request.output.credentials.service_account == encoded
