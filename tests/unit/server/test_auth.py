"""Tokens: how a client gets one, what it proves, and what is refused (sentinelhub.md 1.6)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.requests import Request

from arpent.domain.errors import Unauthorized
from arpent.server.auth import TOKEN_PATHS, is_private
from arpent.server.options import ServerOptions
from arpent.server.tokens import Tokens
from tests.unit.server.fakes import CLIENTS, KEY, World, world

GRANT = {"grant_type": "client_credentials"}
MINE = {"client_id": "me", "client_secret": CLIENTS["me"]}


@pytest.mark.parametrize("path", TOKEN_PATHS)
def test_a_token_for_credentials_in_the_form(here: World, path: str) -> None:
    answer = requests.post(here.url + path, GRANT | MINE, timeout=10)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["token_type"], found["expires_in"]) == ("Bearer", 3600)
    assert answer.headers["cache-control"] == "no-store"
    segment = found["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(segment + "=="))
    assert (claims["azp"], claims["exp"] - claims["iat"], claims["iss"]) == ("me", 3600, "arpent")
    listed = requests.get(
        here.url + "/api/v1/statistics/batch",
        headers={"Authorization": f"Bearer {found['access_token']}"},
        timeout=10,
    )
    assert listed.status_code == 200


def test_a_token_for_basic_credentials(here: World) -> None:
    answer = requests.post(here.url + "/oauth/token", GRANT, auth=("you", CLIENTS["you"]), timeout=10)
    assert here.tokens.client(answer.json()["access_token"]) == "you"


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "password"} | MINE, 400, "unsupported_grant_type"),
        (GRANT, 400, "invalid_request"),
        (GRANT | {"client_id": "me"}, 400, "invalid_request"),
        (GRANT | MINE | {"client_secret": "guess-guess"}, 401, "invalid_client"),
        (GRANT | MINE | {"client_id": "nobody"}, 401, "invalid_client"),
        (GRANT | MINE | {"client_id": ["me", "you"]}, 400, "invalid_request"),
    ],
)
def test_no_token(here: World, form: dict[str, object], status: int, error: str) -> None:
    answer = requests.post(here.url + "/oauth/token", form or {"x": "y"}, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]
    assert "guess-guess" not in answer.text


def test_no_token_for_json_or_a_broken_header(here: World) -> None:
    answer = requests.post(here.url + "/oauth/token", json=GRANT | MINE, timeout=10)
    assert answer.json()["error"] == "invalid_request"
    for header in ("Basic ???", "Basic " + base64.b64encode(b"me:guess").decode()):
        answer = requests.post(here.url + "/oauth/token", GRANT, headers={"Authorization": header}, timeout=10)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Bearer a.b.c", "Basic bWU6eA==", "Bearer é"])
def test_a_request_without_a_good_token(here: World, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for path in ("", "/some-id", "/some-id/status"):
        answer = requests.get(here.url + "/api/v1/statistics/batch" + path, headers=headers, timeout=10)  # type: ignore[arg-type]
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "COMMON_UNAUTHORIZED"
        assert answer.headers["www-authenticate"].startswith("Bearer")


def at(second: int) -> Tokens:
    return Tokens(KEY, 60, lambda: datetime.fromtimestamp(second, UTC))


def test_a_token_ends() -> None:
    token = at(1000).issue("me")
    assert at(1059).client(token) == "me"
    with pytest.raises(Unauthorized, match="expired"):
        at(1060).client(token)


def test_tokens_of_others_are_refused() -> None:
    claims = {"azp": "me", "iss": "arpent", "exp": 9_999_999_999}
    other = OctKey.import_key(b"another key, of thirty-two bytes")
    own = OctKey.import_key(KEY)
    unsigned = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)
    )
    wrong = [
        jwt.encode({"alg": "HS256"}, claims, other),
        jwt.encode({"alg": "HS256"}, claims | {"iss": "else"}, own),
        jwt.encode({"alg": "HS256"}, {"iss": "arpent", "exp": 9_999_999_999}, own),
        jwt.encode({"alg": "HS256"}, {"iss": "arpent", "azp": "me"}, own),
        unsigned + ".",
    ]
    for token in wrong:
        with pytest.raises(Unauthorized):
            at(1000).client(token)
    assert at(1000).client(jwt.encode({"alg": "HS256"}, claims, own)) == "me"


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Tokens(b"short")


@pytest.mark.parametrize(
    ("scheme", "host", "forwarded", "trust", "private"),
    [
        ("http", "127.0.0.1", None, False, True),
        ("http", "::1", None, False, True),
        ("http", "::ffff:127.0.0.1", None, False, True),
        ("http", "192.0.2.7", None, False, False),
        ("http", "::ffff:192.0.2.7", None, False, False),
        ("https", "192.0.2.7", None, False, True),
        ("http", "192.0.2.7", "https", False, False),
        ("http", "192.0.2.7", "https", True, True),
        ("http", "127.0.0.1", "http", True, False),
        ("http", "192.0.2.7", "https, http", True, False),
        ("http", "not an address", None, False, False),
    ],
)
def test_who_may_read_along(scheme: str, host: str, forwarded: str | None, trust: bool, private: bool) -> None:
    headers = [(b"x-forwarded-proto", forwarded.encode())] if forwarded else []
    scope = {
        "type": "http", "method": "POST", "scheme": scheme, "path": "/oauth/token", "query_string": b"",
        "headers": [(b"host", b"example"), *headers], "client": (host, 1), "server": ("example", 80),
    }  # fmt: skip
    assert is_private(Request(scope), ServerOptions(trust_forwarded=trust)) is private


def test_a_token_is_not_handed_out_where_others_may_read_along() -> None:
    with world(ServerOptions(trust_forwarded=True)) as here:
        for scheme, status in (("http", 400), ("https", 200)):
            headers = {"X-Forwarded-Proto": scheme}
            answer = requests.post(here.url + "/oauth/token", GRANT | MINE, headers=headers, timeout=10)
            assert answer.status_code == status
        assert "access_token" in answer.json()
    with world(ServerOptions(trust_forwarded=True, insecure_transport=True)) as here:
        headers = {"X-Forwarded-Proto": "http"}
        assert requests.post(here.url + "/oauth/token", GRANT | MINE, headers=headers, timeout=10).status_code == 200


def test_every_token_is_another_and_names_its_client_where_clients_look() -> None:
    tokens = at(1000)
    made = [tokens.issue("me") for _ in range(3)]
    assert len(set(made)) == 3
    for token in made:
        segment = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(segment + "=="))
        assert claims["azp"] == claims["aud"] == "me"
        assert tokens.client(token) == "me"
    assert len({json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["jti"] for token in made}) == 3
