"""Tokens of another issuer: only what it signed for this server, now, passes."""

from __future__ import annotations

import base64
import hmac
import json
import math
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from arpent.domain.errors import Forbidden, RateLimited, Unauthorized, WorldError
from arpent.domain.ports.clients import Role
from arpent.jobs.policy import Quota
from arpent.server.access.callers import AccessControl, Callers
from arpent.server.access.issuer import (
    KEYS_SECONDS,
    MOST_TRIES,
    PAUSE_SECONDS,
    RENEWAL_SECONDS,
    ExternalIssuer,
    IssuerRules,
)
from arpent.server.access.quotas import Quotas
from arpent.server.access.tokens import Tokens
from tests.unit.server.fakes import KEY, FakeClients, FakeUsage

ISSUER = "https://login.test/realms/main"
NOW = 1_800_000_000
RULES = IssuerRules(
    issuer=ISSUER, audience="arpent", scope="use", owner_claim="account", operator_scope="operate",
    metrics_scope="observe",
)  # fmt: skip
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
NEW = ECKey.generate_key("P-256", {"kid": "new", "use": "sig"})
CLAIMS: dict[str, Any] = {
    "iss": ISSUER, "aud": ["other", "arpent"], "exp": NOW + 60, "nbf": NOW - 60, "iat": NOW - 60, "sub": "1",
    "account": "anna", "scope": "openid use",
}  # fmt: skip


class Published:
    """What the issuer publishes, and how often it was asked."""

    def __init__(self) -> None:
        self.keys: list[Any] = [RSA, EC]
        self.asked = 0
        self.away = False
        self.description: dict[str, Any] = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/certs"}
        self.seconds = 0.0

    def fetch(self, url: str) -> Mapping[str, Any]:
        self.asked += 1
        if self.away:
            raise WorldError("away", transient=True)
        documents = {
            f"{ISSUER}/.well-known/openid-configuration": self.description,
            f"{ISSUER}/certs": {"keys": [key.as_dict(private=False) for key in self.keys]},
        }
        return documents[url]


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def issuer(published: Published) -> ExternalIssuer:
    return ExternalIssuer(
        RULES, published.fetch, now=lambda: datetime.fromtimestamp(NOW, UTC), clock=lambda: published.seconds
    )


def signed(key: Any = EC, alg: str | None = None, header: Mapping[str, Any] | None = None, **changes: object) -> str:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    algorithm = alg or ("RS256" if key is RSA else "ES256")
    named = {"alg": algorithm, "kid": key.kid, **(header or {})}
    present = {name: value for name, value in named.items() if value is not None}
    return jwt.encode(present, claims, key, algorithms=[algorithm])


@pytest.mark.parametrize("own", [True, False])
def test_it_speaks_for_no_client_of_the_server(issuer: ExternalIssuer, own: bool) -> None:
    known, tokens = FakeClients(), Tokens([KEY])
    quotas = Quotas(lambda client: Quota(), FakeUsage())
    callers = Callers(AccessControl(clients=known, tokens=tokens, quotas=quotas, issuer=issuer, own_tokens=own))  # type: ignore[arg-type]
    assert callers._identified(signed(account="anna")).id == "anna"
    with pytest.raises(Unauthorized, match="must not name a client"):
        callers._identified(signed(account="me"))
    with pytest.raises(Unauthorized):
        callers._identified(signed(iss="https://else.test"))
    ours = tokens.issue(known.known["me"])
    if own:
        assert callers._identified(ours).id == "me"
    else:
        with pytest.raises(Unauthorized):
            callers._identified(ours)


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256")])
def test_its_tokens_pass(issuer: ExternalIssuer, key: Any, alg: str) -> None:
    assert issuer.issued(signed(key, alg))
    assert issuer.identify(signed(key, alg)) == ("anna", Role.USER)


@pytest.mark.parametrize(
    ("changes", "role"),
    [
        ({"aud": "arpent"}, Role.USER), ({"nbf": None}, Role.USER), ({"scope": ["use"]}, Role.USER),
        ({"scope": None, "scp": ["use", 7]}, Role.USER), ({"exp": NOW - 29}, Role.USER), ({"nbf": NOW + 29}, Role.USER),
        ({"scope": "use operate"}, Role.OPERATOR), ({"scope": "use observe"}, Role.METRICS),
    ],
)  # fmt: skip
def test_what_it_may_say(issuer: ExternalIssuer, changes: dict[str, object], role: Role) -> None:
    assert issuer.identify(signed(**changes)) == ("anna", role)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "https://else.test"}, "not one of https://login.test"), ({"iss": None}, "not one of"),
        ({"iss": ISSUER + "/"}, "not one of"), ({"aud": "other"}, "aud must be arpent"), ({"aud": None}, "aud must be"),
        ({"aud": {"arpent": 1}}, "aud must be"), ({"exp": NOW - 31}, "expired"), ({"exp": None}, "expired"),
        ({"exp": str(NOW + 60)}, "expired"), ({"exp": True}, "expired"),
        ({"exp": math.nan}, "expired"), ({"exp": math.inf}, "expired"), ({"nbf": math.nan}, "not valid yet"),
        ({"nbf": NOW + 31}, "not valid yet"),
        ({"nbf": "soon"}, "not valid yet"), ({"account": None}, "`account`"), ({"account": ""}, "`account`"),
        ({"account": 7}, "`account`"), ({"account": "a b"}, "`account`"), ({"account": "x" * 65}, "`account`"),
        ({"account": "local"}, "names the operator"),
    ],
)  # fmt: skip
def test_what_it_must_not_say(issuer: ExternalIssuer, changes: dict[str, object], words: str) -> None:
    with pytest.raises(Unauthorized, match=words):
        issuer.identify(signed(**changes))


def test_a_scope_that_is_missing(issuer: ExternalIssuer) -> None:
    for scope in (None, "", "user", "USE", "operate", "observe"):
        with pytest.raises(Forbidden, match="lacks the scope use"):
            issuer.identify(signed(scope=scope))


def forged() -> dict[str, str]:
    """Tokens with all the right claims that the issuer did not sign."""
    good = signed()
    header, payload, signature = good.split(".")
    other = json.dumps(CLAIMS | {"account": "bert"}).encode()
    stranger = ECKey.generate_key("P-256", {"kid": "ec"})
    public = json.dumps(RSA.as_dict(private=False)).encode()
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "ec"}).encode()).decode().rstrip("=")
    pem = RSA.as_pem(private=False)
    return {
        "tampered": f"{header}.{base64.urlsafe_b64encode(other).decode().rstrip('=')}.{signature}",
        "signature of another": f"{header}.{payload}.{signed(account='bert').split('.')[2]}",
        "no signature": f"{header}.{payload}.",
        "alg none": f"{none}.{payload}.",
        "unknown key": signed(ECKey.generate_key("P-256", {"kid": "nobody's"})),
        "known name, another key": signed(stranger),
        "public key as a secret": signed(OctKey.import_key(public, {"kid": "rsa"}), "HS256"),
        "public PEM as a secret": by_secret(pem),
        "alg of another kind": signed(EC, header={"kid": "rsa"}),
        "key in the header": signed(stranger, header={"jwk": stranger.as_dict(private=False)}),
        "text": "a.b.c",
        "nothing": "",
        "deep": "." * 100,
    }


def by_secret(secret: bytes) -> str:
    """A token signed with HS256 by hand: the library refuses a PEM as a shared secret; who attacks does not."""
    parts = ({"alg": "HS256", "kid": "rsa"}, CLAIMS)
    head = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, head, "sha256")).rstrip(b"=")
    return (head + b"." + signature).decode()


@pytest.mark.parametrize("kind", forged())
def test_what_it_did_not_sign(issuer: ExternalIssuer, kind: str) -> None:
    with pytest.raises(Unauthorized):
        issuer.identify(forged()[kind])


def test_rotation(issuer: ExternalIssuer, published: Published) -> None:
    issuer.identify(signed())
    assert published.asked == 2, "the description, and the keys"
    issuer.identify(signed(RSA))
    assert published.asked == 2
    published.keys = [NEW, RSA]
    published.seconds += PAUSE_SECONDS
    assert issuer.identify(signed(NEW)) == ("anna", Role.USER)
    with pytest.raises(Unauthorized):
        issuer.identify(signed(EC))


def test_unknown_keys_are_no_way_to_make_us_ask(issuer: ExternalIssuer, published: Published) -> None:
    issuer.identify(signed())
    for _ in range(50):
        with pytest.raises(Unauthorized):
            issuer.identify(signed(NEW))
    assert published.asked == 2
    published.seconds += PAUSE_SECONDS
    for _ in range(50):
        with pytest.raises(Unauthorized):
            issuer.identify(signed(NEW))
    assert published.asked == 4


class Slow:
    """An issuer that answers when it is told to."""

    def __init__(self, issuer: ExternalIssuer, published: Published) -> None:
        self.asked, self.answers = threading.Event(), threading.Event()
        self._original = published.fetch
        self.fetches = 0
        issuer._fetch = self.fetch
        self.first = threading.Thread(target=self._ask, args=(issuer,))
        self.outcome: object = None

    def fetch(self, url: str) -> Mapping[str, Any]:
        self.fetches += 1
        self.asked.set()
        assert self.answers.wait(30)
        return self._original(url)

    def _ask(self, issuer: ExternalIssuer) -> None:
        try:
            self.outcome = issuer.identify(signed(NEW))
        except Exception as error:
            self.outcome = error


@pytest.fixture
def slow(issuer: ExternalIssuer, published: Published, request: pytest.FixtureRequest) -> Iterator[Slow]:
    if request.param == "knows keys":
        issuer.identify(signed())
        published.seconds += PAUSE_SECONDS
    made = Slow(issuer, published)
    made.first.start()
    assert made.asked.wait(30)
    yield made
    made.answers.set()
    made.first.join(30)


@pytest.mark.parametrize("slow", ["knows keys", "knows none"], indirect=True)
def test_one_thread_waits_for_a_slow_issuer(
    issuer: ExternalIssuer, published: Published, slow: Slow, request: pytest.FixtureRequest
) -> None:
    for token in (signed(NEW), forged()["tampered"], forged()["unknown key"]):
        with pytest.raises(RateLimited):
            issuer.identify(token)
    if request.node.callspec.params["slow"] == "knows keys":
        assert issuer.identify(signed()) == ("anna", Role.USER)
        published.seconds += RENEWAL_SECONDS
        assert issuer.identify(signed()) == ("anna", Role.USER), "old keys serve until they are too old"
        published.seconds += KEYS_SECONDS - RENEWAL_SECONDS
    with pytest.raises(RateLimited):
        issuer.identify(signed())
    published.keys = [NEW]
    slow.answers.set()
    slow.first.join(30)
    assert slow.outcome == ("anna", Role.USER)
    assert slow.fetches == 2, "nobody else fetched"


def test_the_pause_begins_when_a_fetch_has_ended(issuer: ExternalIssuer, published: Published) -> None:
    def hangs(url: str) -> Mapping[str, Any]:
        published.asked += 1
        published.seconds += 2 * PAUSE_SECONDS
        raise WorldError("away", transient=True)

    issuer._fetch = hangs
    for _ in range(5):
        with pytest.raises(WorldError):
            issuer.identify(signed())
    assert published.asked == 1


def test_keys_are_renewed_before_they_are_old(issuer: ExternalIssuer, published: Published) -> None:
    issuer.identify(signed())
    published.seconds += RENEWAL_SECONDS
    issuer.identify(signed())
    assert published.asked == 4


def test_a_key_that_cannot_be_used_takes_no_other_away(issuer: ExternalIssuer) -> None:
    odd: list[dict[str, object]] = [
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "ec"}, {"kty": "OKP", "crv": "X", "x": "AA"},
        {"kty": "RSA", "kid": "rsa"}, {"kty": "RSA", "n": 5, "e": []}, {"kty": "EC", "kid": 7}, {"kty": "AKP"},
    ]  # fmt: skip
    original = issuer._fetch
    issuer._fetch = lambda url: {
        **(found := original(url)),
        **({"keys": [*odd, *found["keys"]]} if "keys" in found else {}),
    }
    assert issuer.identify(signed())[0] == "anna"
    assert issuer.identify(signed(RSA))[0] == "anna"


@pytest.mark.parametrize("named", ["another kind first", "another first", "none", "some"])
def test_keys_that_are_hard_to_tell_apart(issuer: ExternalIssuer, published: Published, named: str) -> None:
    """Two of one name, as RFC 7517 allows for keys of different kinds, or of no name."""
    one, other = EC.as_dict(private=False), (RSA if named == "another kind first" else NEW).as_dict(private=False)
    nameless = {name: value for name, value in other.items() if name != "kid"}
    other = nameless if named in ("none", "some") else other | {"kid": "ec"}
    one.pop("kid") if named == "none" else None
    original = issuer._fetch
    issuer._fetch = lambda url: {
        **(found := original(url)), **({"keys": [other, one]} if "keys" in found else {}),
    }  # fmt: skip
    assert issuer.identify(signed())[0] == "anna"
    assert issuer.identify(signed(header={"kid": None} if named == "some" else {}))[0] == "anna"
    with pytest.raises(Unauthorized):
        issuer.identify(signed(ECKey.generate_key("P-256", {"kid": "ec"})))


def test_a_token_without_a_name_tries_few_keys(issuer: ExternalIssuer, published: Published) -> None:
    published.keys = [ECKey.generate_key("P-256", {"kid": str(number)}) for number in range(MOST_TRIES)] + [EC]
    assert issuer.identify(signed())[0] == "anna"
    with pytest.raises(Unauthorized):
        issuer.identify(signed(header={"kid": None}))


def test_keys_of_which_none_can_be_used(issuer: ExternalIssuer, published: Published) -> None:
    published.keys = []
    with pytest.raises(WorldError, match="no key that can be used"):
        issuer.identify(signed())


def test_keys_serve_while_the_issuer_is_away_until_they_are_old(issuer: ExternalIssuer, published: Published) -> None:
    issuer.identify(signed())
    published.away = True
    published.seconds += KEYS_SECONDS - 1
    assert issuer.identify(signed())[0] == "anna"
    with pytest.raises(Unauthorized):
        issuer.identify(signed(NEW))
    published.seconds += 1
    for _ in range(2):
        with pytest.raises(WorldError) as refused:
            issuer.identify(signed())
        assert refused.value.transient
    published.away = False
    published.seconds += PAUSE_SECONDS
    assert issuer.identify(signed())[0] == "anna"


@pytest.mark.parametrize(
    "description",
    [{"issuer": "https://else.test", "jwks_uri": f"{ISSUER}/certs"}, {"issuer": ISSUER}, {},
     {"issuer": ISSUER, "jwks_uri": 7}, {"issuer": ISSUER, "jwks_uri": "http://login.test/certs"},
     {"issuer": ISSUER, "jwks_uri": "file:///certs"},
     {"issuer": ISSUER, "jwks_uri": "http://localhost:x@login.test/certs"}],
)  # fmt: skip
def test_a_description_of_something_else(
    issuer: ExternalIssuer, published: Published, description: dict[str, object]
) -> None:
    published.description = description
    with pytest.raises(WorldError):
        issuer.identify(signed())


def test_shared_secrets_among_its_keys_prove_nothing(issuer: ExternalIssuer, published: Published) -> None:
    secret = OctKey.import_key({"kty": "oct", "kid": "secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"})
    published.keys = [EC]
    original = published.fetch
    issuer._fetch = lambda url: {**(found := dict(original(url))), **(
        {"keys": [*found["keys"], secret.as_dict(private=True)]} if "keys" in found else {})}  # fmt: skip
    with pytest.raises(Unauthorized):
        issuer.identify(signed(secret, "HS256"))
    assert issuer.identify(signed())[0] == "anna"
