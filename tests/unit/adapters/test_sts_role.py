"""Assuming a role: the signature, and what becomes of the answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from arpent.adapters.sts_role import AssumedRole, Keys, derived_key
from arpent.errors import StorageDenied, StorageUnavailable

ANSWER = (
    "<AssumeRoleResponse><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>"
    "<SessionToken>token</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResponse>"
)


class Sts:
    answer = (200, ANSWER)
    query: dict[str, list[str]]
    authorization = ""
    url = ""


@pytest.fixture
def sts() -> Iterator[Sts]:
    state = Sts()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.query = parse_qs(urlsplit(self.path).query)
            state.authorization = self.headers["authorization"]
            self.send_response(state.answer[0])
            self.end_headers()
            self.wfile.write(state.answer[1].encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def role(sts: Sts) -> AssumedRole:
    keys = Keys(access_key="AKIA1", secret_access_key="TOPSECRET")
    return AssumedRole(role="arn:aws:iam::1:role/reader", keys=keys, region="eu-central-1", endpoint=sts.url)


def test_the_signing_key_is_that_of_the_published_example() -> None:
    # The worked example of the public Signature Version 4 documentation.
    key = derived_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam")
    assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"


def test_temporary_keys(sts: Sts) -> None:
    keys = role(sts)()
    assert (keys["access_key_id"], keys["secret_access_key"], keys["token"]) == ("ASIA1", "s/+=", "token")
    assert str(keys["expires_at"]) == "2030-01-01 00:00:00+00:00"
    assert sts.query["RoleArn"] == ["arn:aws:iam::1:role/reader"]
    assert "/eu-central-1/sts/aws4_request" in sts.authorization


def test_a_refusal_names_role_and_reason(sts: Sts) -> None:
    sts.answer = (403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")
    with pytest.raises(StorageDenied, match=r"role/reader: STS answers AccessDenied") as caught:
        role(sts)()
    assert "TOPSECRET" not in str(caught.value)


@pytest.mark.parametrize("answer", [(500, ""), (400, "<Code>Throttling</Code>"), (200, "nothing")])
def test_trouble_is_transient(sts: Sts, answer: tuple[int, str]) -> None:
    sts.answer = answer
    with pytest.raises(StorageUnavailable) as caught:
        role(sts)()
    assert caught.value.transient
