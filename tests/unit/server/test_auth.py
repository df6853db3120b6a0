"""Tokens: how a client gets one, what it proves, and what is refused (sentinelhub.md 1.6)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from starlette.requests import Request

from arpent.domain.errors import Unauthorized
from arpent.domain.ports.clients import Role
from arpent.server.access.auth import TOKEN_PATHS, is_private
from arpent.server.access.tokens import Proof, Tokens, _signing_key
from arpent.server.options import ServerOptions
from tests.support.client import seed_body
from tests.support.scripts import NDVI
from tests.unit.server.fakes import CLIENTS, KEY, World, client, world

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
    assert (claims["azp"], claims["exp"] - claims["iat"], claims["iss"]) == ("me", 3600, here.url)
    listed = requests.get(
        here.url + "/api/v1/statistics/batch",
        headers={"Authorization": f"Bearer {found['access_token']}"},
        timeout=10,
    )
    assert listed.status_code == 200


def test_a_token_for_basic_credentials(here: World) -> None:
    answer = requests.post(here.url + "/oauth/token", GRANT, auth=("you", CLIENTS["you"]), timeout=10)
    assert here.tokens.proof(answer.json()["access_token"]).client_id == "you"


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
    return Tokens([KEY], 60, lambda: datetime.fromtimestamp(second, UTC))


def test_a_token_ends() -> None:
    token = at(1000).issue(client("me"))
    assert at(1059).proof(token) == Proof("me", 0)
    with pytest.raises(Unauthorized, match="expired"):
        at(1060).proof(token)


def test_a_token_ends_though_the_clock_was_set_back() -> None:
    """It would live for as long as the clock was ahead."""
    token = at(100_000).issue(client("me"))
    with pytest.raises(Unauthorized, match="from the future"):
        at(1000).proof(token)
    assert at(99_990).proof(token) == Proof("me", 0), "clocks of servers differ a little"


def test_tokens_of_others_are_refused() -> None:
    claims = {"azp": "me", "iss": "arpent", "exp": 9_999_999_999, "gen": 0}
    own = _signing_key(KEY)
    other = _signing_key(b"another key, of thirty-two bytes")
    pretending = ECKey.import_key({**other.as_dict(private=True), "kid": own.kid})
    unsigned = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)
    )

    def signed(key: ECKey, changed: dict[str, object]) -> str:
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims | changed, key)

    public = json.dumps(own.as_dict(private=False)).encode()
    wrong = [
        signed(other, {}),
        signed(pretending, {}),
        signed(own, {"azp": None}),
        signed(own, {"exp": None}),
        signed(own, {"gen": None}),
        unsigned + ".",
        *(jwt.encode({"alg": "HS256", "kid": own.kid}, claims, OctKey.import_key(key)) for key in (KEY, public)),
    ]
    for token in wrong:
        with pytest.raises(Unauthorized):
            at(1000).proof(token)
    assert at(1000).proof(signed(own, {})).client_id == "me"


def test_everybody_can_check_a_token() -> None:
    tokens = at(1000)
    keys = tokens.public_keys()
    assert [sorted(key) for key in keys["keys"]] == [["alg", "crv", "kid", "kty", "use", "x", "y"]]  # type: ignore[attr-defined]
    found = jwt.decode(tokens.issue(client("me")), KeySet.import_key_set(keys), algorithms=["ES256"])  # type: ignore[arg-type]
    assert found.claims["azp"] == "me"


def test_the_server_describes_itself_as_an_issuer(here: World) -> None:
    described = requests.get(here.url + "/.well-known/openid-configuration", timeout=10).json()
    assert (described["issuer"], described["jwks_uri"]) == (here.url, here.url + "/oauth/jwks")
    token = requests.post(described["token_endpoint"], GRANT | MINE, timeout=10).json()["access_token"]
    keys = KeySet.import_key_set(requests.get(described["jwks_uri"], timeout=10).json())
    claims = jwt.decode(token, keys, algorithms=described["id_token_signing_alg_values_supported"]).claims
    assert (claims["iss"], claims["azp"]) == (here.url, "me"), "as the description says, wherever it is reached"


def test_a_former_key_still_proves_and_signs_no_more() -> None:
    new = b"a newer key of thirty-two bytes, surely"
    old, both, after = at(1000), Tokens([new, KEY], 60, at(1000)._now), Tokens([new], 60, at(1000)._now)
    token = old.issue(client("me"))
    assert both.proof(token).client_id == "me"
    assert after.proof(both.issue(client("me"))).client_id == "me"
    with pytest.raises(Unauthorized):
        after.proof(token)


def batch(here: World, method: str = "GET", path: str = "", name: str = "me", **given: object) -> requests.Response:
    headers = here.bearer(name)
    return requests.request(method, f"{here.url}/api/v1/statistics/batch{path}", headers=headers, timeout=10, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"disabled": True}, {"generation": 1}, None])
def test_a_token_ends_with_its_client_at_once(here: World, change: dict[str, object] | None) -> None:
    headers = here.bearer()
    address = here.url + "/api/v1/statistics/batch"
    assert requests.get(address, headers=headers, timeout=10).status_code == 200
    if change is None:
        del here.clients.known["me"]
    else:
        here.clients.change("me", **change)
    answer = requests.get(address, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "COMMON_UNAUTHORIZED")
    assert "was revoked" in answer.json()["error"]["message"]
    if change == {"generation": 1}:
        assert batch(here).status_code == 200, "and a new one is good"


def test_an_operator_sees_all_requests_and_may_stop_them(here: World) -> None:
    job = here.service.create("you", json.dumps(seed_body("s3://fields/x.gpkg", NDVI.text)))
    assert batch(here, path=f"/{job.id}").status_code == 404
    assert "owner" not in batch(here, path=f"/{job.id}", name="you").json()
    here.clients.change("me", role=Role.OPERATOR)
    assert batch(here, path=f"/{job.id}").json()["owner"] == "you"
    assert batch(here, path=f"/{job.id}/status").json()["owner"] == "you"
    assert [each["owner"] for each in batch(here).json()["data"]] == ["you"]
    assert batch(here, path=f"/{job.id}/features").status_code == 200
    for act in ("start", "analyse"):
        assert batch(here, "POST", f"/{job.id}/{act}").status_code == 404, "but start nothing"
    assert batch(here, "POST", f"/{job.id}/start", "you").status_code == 204
    assert batch(here, "POST", f"/{job.id}/stop").status_code == 204
    assert batch(here, path=f"/{job.id}/results").status_code == 404, "nor read its results"


def test_a_client_for_metrics_reads_them_and_nothing_else(here: World) -> None:
    away = {"X-Forwarded-For": "192.0.2.7"}
    assert requests.get(here.url + "/metrics", headers=away, timeout=10).status_code == 403
    answer = requests.get(here.url + "/metrics", headers=away | here.bearer(), timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "COMMON_INSUFFICIENT_PERMISSIONS")
    here.clients.change("me", role=Role.METRICS)
    assert requests.get(here.url + "/metrics", headers=away | here.bearer(), timeout=10).status_code == 200
    wrong = away | {"Authorization": "Bearer x"}
    assert requests.get(here.url + "/metrics", headers=wrong, timeout=10).status_code == 401
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/x"), ("POST", "/x/stop"), ("GET", "/x/results")):
        answer = batch(here, method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "COMMON_INSUFFICIENT_PERMISSIONS")
    answer = requests.post(here.url + "/api/v1/statistics", headers=here.bearer(), json={}, timeout=10)
    assert answer.status_code == 403


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Tokens([b"short"])


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
    made = [tokens.issue(client("me")) for _ in range(3)]
    assert len(set(made)) == 3
    for token in made:
        segment = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(segment + "=="))
        assert claims["azp"] == claims["aud"] == "me"
        assert tokens.proof(token).client_id == "me"
    assert len({json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["jti"] for token in made}) == 3
