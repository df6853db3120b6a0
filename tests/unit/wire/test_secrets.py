"""One list of secret fields, in every spelling; and bodies whose secrets were removed can still be read."""

from __future__ import annotations

import inspect
import json
from typing import get_args

import pytest
from pydantic import SecretStr

from arpent.domain.location import Credentials, Location
from arpent.wire.request import schema
from arpent.wire.request.parse import parse_batch
from arpent.wire.secrets import FIELDS, FORGOTTEN, forget, is_secret, plain, without_forgotten, without_secrets
from tests.support.client import seed_body

SPELLINGS = (
    "secretAccessKey", "SecretAccessKey", "secretaccesskey", "SECRETACCESSKEY", "secret_access_key",
    "Secret-Access-Key", "SECRET_ACCESS_KEY", "credentials", "Credentials", "CREDENTIALS", "sessionToken",
    "session_token", "password", "private_key", "clientSecret",
)  # fmt: skip
HARMLESS = ("accessKey", "url", "region", "iamRoleARN", "evalscript", "id", "type", "", "key")


def test_every_secret_of_the_wire_is_in_the_list() -> None:
    """And a field of the wire that is in the list is read as a secret, so that no error or `repr` can show it."""
    shapes = [one for _, one in inspect.getmembers(schema, inspect.isclass) if issubclass(one, schema.BodyModel)]
    held = {
        (name, SecretStr in (field.annotation, *get_args(field.annotation)))
        for shape in shapes
        for key, field in shape.model_fields.items()
        for name in (key, field.alias or key)
    }
    assert {name for name, secret in held if secret} == {"secret_access_key", "secretAccessKey", "credentials"}
    assert all(is_secret(name) is secret for name, secret in held)


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling(name: str) -> None:
    assert is_secret(name)
    body = json.dumps({"a": [{"b": {name: "hunter2", "kept": 1.0}}], name: {"deep": ["hunter2"]}})
    assert without_secrets(body) == {"a": [{"b": {"kept": 1.0}}]}
    assert json.loads(forget(body)) == {"a": [{"b": {name: FORGOTTEN, "kept": 1.0}}], name: FORGOTTEN}


@pytest.mark.parametrize("name", HARMLESS)
def test_nothing_else(name: str) -> None:
    body = json.dumps({name: "kept"})
    assert without_secrets(body) == json.loads(forget(body)) == {name: "kept"}


def test_the_list_is_written_as_it_is_compared() -> None:
    assert {plain(name) for name in FIELDS} == FIELDS


def test_what_is_no_json_is_forgotten_altogether() -> None:
    assert forget("secretAccessKey: hunter2") == "{}"


def test_numbers_and_letters_stay_as_they_are() -> None:
    text = '{"a": [1, 1.0, 1e400, 12345678901234567890], "ü": "ü", "password": 1}'
    assert forget(text) == '{"a": [1, 1.0, Infinity, 12345678901234567890], "ü": "ü", "password": "***"}'


def test_half_a_character_keeps_no_secret() -> None:
    """No database takes it: the body would stay as it is."""
    assert forget('{"a": "\\ud800", "password": 1}') == '{"a": "?", "password": "***"}'


def test_a_key_goes_with_its_secret() -> None:
    stored = forget(json.dumps(seed_body("s3://fields/x.gpkg", '// three stars: "***"', resx=10.0)))
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
