"""A body whose secrets have been forgotten can still be read, with what the machine has."""

from __future__ import annotations

import json

from arpent.adapters.database.retention import scrub
from arpent.domain.location import Credentials, Location
from arpent.wire.request.body import without_forgotten
from arpent.wire.request.parse import parse_batch
from tests.support.client import seed_body


def test_a_key_goes_with_its_secret() -> None:
    stored = scrub(json.dumps(seed_body("s3://fields/x.gpkg", '// three stars: "***"', resx=10.0)))
    request = parse_batch(without_forgotten(stored))
    for location in (request.features, request.output):
        assert isinstance(location, Location)
        assert location.credentials == Credentials()
    assert request.script == '// three stars: "***"'


def test_what_is_remembered_stays_as_it_is() -> None:
    text = json.dumps(seed_body("s3://fields/x.gpkg", "// é"), ensure_ascii=False)
    assert without_forgotten(text) == text
    location = parse_batch(without_forgotten(text)).features
    assert isinstance(location, Location)
    assert location.credentials.access_key == "AKIATESTTESTTEST"
