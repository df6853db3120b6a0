"""`iamRoleARN` (sentinelhub.md 2.1): what is a role, and for whom it is assumed."""

from __future__ import annotations

import pytest

from arpent.domain.errors import InvalidRequest
from arpent.domain.location import Location
from arpent.wire.request.parse import parse_batch
from tests.unit.wire.bodies import BATCH, REMOVE, text

PLACES = ("input.features.s3", "output.s3")
ROLE = "arn:aws:iam::123456789012:role/path/reader"


@pytest.mark.parametrize("role", [ROLE, "arn:aws:iam:::role/of-ceph", "arn:aws-cn:iam::1:role/x"])
def test_a_role_is_assumed_for_the_client(role: str) -> None:
    keys = {f"{place}.{name}": REMOVE for place in PLACES for name in ("accessKey", "secretAccessKey")}
    request = parse_batch(text(BATCH, {**keys, **{f"{place}.iamRoleARN": role for place in PLACES}}), "client-7")
    for location in (request.features, request.output):
        assert isinstance(location, Location)
        assert (location.credentials.iam_role_arn, location.credentials.external_id) == (role, "client-7")


def test_keys_alone_belong_to_no_client() -> None:
    """Jobs of all clients with the same keys share one connection."""
    output = parse_batch(text(BATCH), "client-7").output
    assert output is not None
    assert output.credentials.external_id is None


@pytest.mark.parametrize("role", ["reader", "arn:aws:iam::1:user/x", "arn:aws:s3:::bucket", f"{ROLE} "])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_role_is_refused(place: str, role: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_batch(text(BATCH, {f"{place}.iamRoleARN": role}))
    assert [parameter for parameter, _ in caught.value.violations] == [f"{place.replace('.', '->')}->iamRoleARN"]
