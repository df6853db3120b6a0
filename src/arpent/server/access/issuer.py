"""Issuer: checks tokens of an external OpenID Connect issuer with the keys that it publishes."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from threading import Lock
from typing import Any, TypeGuard

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jws, jwt
from joserfc.jwk import JWKRegistry, Key

from arpent.domain.boundary.address_grammar import is_private_url
from arpent.domain.boundary.client_ids import LOCAL
from arpent.domain.errors import Forbidden, RateLimited, Unauthorized, WorldError
from arpent.domain.ports.clients import Role
from arpent.server.access.tokens import UNREADABLE

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Accepted signature algorithms, all with key pairs. `none` is never accepted, nor is a shared secret: an attacker
could use the public key as one."""
KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""First two letters of an algorithm → its key type."""
MOST_TRIES = 16
"""Maximum number of keys tried for one token, since a token need not name its key."""
KEYS_SECONDS = 3600.0
"""Age in seconds at which the issuer's keys expire, so that a key that it has revoked is not trusted for longer."""
RENEWAL_SECONDS = 3300.0
"""Age in seconds at which one request fetches the keys again; meanwhile other requests use the old ones."""
PAUSE_SECONDS = 5.0
"""Minimum seconds between two fetches, so that tokens with unknown keys cannot make us query the issuer constantly."""
LEEWAY_SECONDS = 30
"""Tolerated difference in seconds between the issuer's clock and ours."""
_LOGGER = logging.getLogger(__name__)
_OWNER = re.compile(r"[!-~]{1,64}")

Fetch = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRules:
    """What a token of the issuer must contain, and what its claims mean."""

    issuer: str
    """URL of the issuer: the value of `iss`, and the base address of its OpenID Connect description."""
    audience: str
    """Value that the token's `aud` must contain."""
    scope: str | None = None
    """A scope that the token must have; None: no scope is required."""
    owner_claim: str = "sub"
    """The claim whose value identifies the owner of requests."""
    operator_scope: str | None = None
    """The scope that grants the operator role; None: no token grants it."""
    metrics_scope: str | None = None
    """The scope that grants the metrics role; None: no token grants it."""


class ExternalIssuer:
    """Checks tokens of one issuer. Thread-safe. The issuer's keys are fetched when the first token arrives, when they
    are old, and when none of them verifies a token."""

    def __init__(
        self,
        rules: IssuerRules,
        fetch: Fetch,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` returns the JSON object at a URL, or raises WorldError. `clock` returns seconds, to age the keys."""
        self._rules = rules
        self._fetch = fetch
        self._now = now
        self._clock = clock
        self._keys: tuple[Key, ...] | None = None
        self._fetched = -float("inf")
        self._tried = -float("inf")
        self._lock = Lock()

    def issued(self, token: str) -> bool:
        """Whether the token claims to be from this issuer; its signature is not checked."""
        try:
            claims = json.loads(jws.extract_compact(token.encode()).payload)
        except UNREADABLE:
            return False
        return isinstance(claims, dict) and claims.get("iss") == self._rules.issuer

    def identify(self, token: str) -> tuple[str, Role]:
        """The owner of the requests that come with the token, and the owner's role. Raises Unauthorized, Forbidden,
        WorldError if the issuer's keys are unavailable, and RateLimited while another thread fetches them."""
        claims = self._proved(token)
        rules, now = self._rules, self._now().timestamp()
        if claims.get("iss") != rules.issuer:
            raise Unauthorized(f"The access token is not one of {rules.issuer}.")
        if rules.audience not in _listed(claims.get("aud")):
            raise Unauthorized(f"The access token is not meant for this server: its aud must be {rules.audience}.")
        begins, ends = claims.get("nbf", 0), claims.get("exp")
        if not _is_instant(ends) or ends <= now - LEEWAY_SECONDS:
            raise Unauthorized("The access token has expired.")
        if not _is_instant(begins) or begins > now + LEEWAY_SECONDS:
            raise Unauthorized("The access token is not valid yet.")
        owner = claims.get(rules.owner_claim)
        if not isinstance(owner, str) or not _OWNER.fullmatch(owner):
            raise Unauthorized(
                f"The access token has no usable `{rules.owner_claim}`: 1 to 64 ASCII characters without spaces."
            )
        if owner == LOCAL:
            raise Unauthorized(f"The access token's `{rules.owner_claim}` is {LOCAL}, which names the operator here.")
        return owner, self._role(_scopes(claims))

    def _role(self, scopes: frozenset[str]) -> Role:
        rules = self._rules
        if rules.scope is not None and rules.scope not in scopes:
            raise Forbidden(f"The access token lacks the scope {rules.scope}.")
        if rules.operator_scope in scopes:
            return Role.OPERATOR
        return Role.METRICS if rules.metrics_scope in scopes else Role.USER

    def _proved(self, token: str) -> Mapping[str, Any]:
        """The claims, if a key of the issuer signed them. The key may be newer than those we know, so they are fetched
        once more. Raises Unauthorized."""
        keys, latest = self._known_keys(fresh=False), False
        while True:
            try:
                return _claims(token, keys)
            except UNREADABLE:
                if latest:
                    raise Unauthorized(f"The access token is not one of {self._rules.issuer}.") from None
            keys, latest = self._known_keys(fresh=True), True

    def _known_keys(self, *, fresh: bool) -> tuple[Key, ...]:
        """The issuer's keys; `fresh`: fetched now, unless the last attempt was within PAUSE_SECONDS. Only one thread
        fetches, and the others do not wait for it: the issuer may be slow, and any number of forged tokens may
        arrive."""
        age = self._clock() - self._fetched
        known = self._keys if age < KEYS_SECONDS else None
        if known is not None and age < RENEWAL_SECONDS and not fresh:
            return known
        if self._lock.acquire(blocking=False):
            try:
                return self._renewed()
            finally:
                self._lock.release()
        if known is not None and not fresh:
            return known
        raise RateLimited(f"The keys of {self._rules.issuer} are being fetched; try again.", seconds=1.0)

    def _renewed(self) -> tuple[Key, ...]:
        """The issuer's current keys, fetched unless the last attempt was within PAUSE_SECONDS. Without a fetch, or if
        it fails: the known keys, if not expired. Raises WorldError."""
        now = self._clock()
        known = self._keys if now - self._fetched < KEYS_SECONDS else None
        if now - self._tried >= PAUSE_SECONDS:
            try:
                self._keys, self._fetched = self._published(), now
                return self._keys
            except WorldError:
                if known is None:
                    raise
            finally:
                self._tried = self._clock()  # not `now`: a fetch may take longer than the pause
        if known is None:
            raise WorldError(f"The keys of {self._rules.issuer} cannot be fetched; try again.", transient=True)
        return known

    def _published(self) -> tuple[Key, ...]:
        """The issuer's usable public keys for signatures. Raises WorldError."""
        issuer = self._rules.issuer
        described = self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        address = described.get("jwks_uri")
        if described.get("issuer") != issuer or not isinstance(address, str):
            raise WorldError(f"{issuer} describes another issuer or no keys in its /.well-known/openid-configuration")
        if not is_private_url(address):
            raise WorldError(f"The jwks_uri that {issuer} describes must begin with https")
        found = self._fetch(address).get("keys")
        usable = [key for key in (found if isinstance(found, list) else []) if _is_public(key)]
        keys = [key for data in usable if (key := _imported(data, issuer)) is not None]
        if not keys:
            raise WorldError(f"{issuer} publishes no key that can be used")
        return tuple(keys)


def _claims(token: str, keys: Sequence[Key]) -> Mapping[str, Any]:
    """The claims, if one of the keys that the token may refer to signed it. Keys with the same `kid` may differ in type
    (RFC 7517, 4.5), and `kid` is optional in keys and tokens. Raises one of UNREADABLE."""
    header = jws.extract_compact(token.encode()).headers()
    named, algorithm = header.get("kid"), str(header.get("alg"))
    meant = [
        key for key in keys
        if key.key_type == KINDS.get(algorithm[:2]) and key.get("alg") in (None, algorithm)
        and (named is None or key.get("kid") in (None, named))
    ]  # fmt: skip
    failure: Exception = LookupError("no key is meant")
    for key in meant[:MOST_TRIES]:
        try:
            return dict(jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims)
        except UNREADABLE as error:
            failure = error
    raise failure


def _imported(data: dict[str, Any], issuer: str) -> Key | None:
    """The key, or None if the library cannot use it; the other keys are still used."""
    try:
        return JWKRegistry.import_key(data)
    except (*UNREADABLE, UnsupportedAlgorithm) as error:
        name = str(data.get("kid"))[:64]
        _LOGGER.warning("the key %r that %s publishes cannot be used (%s)", name, issuer, type(error).__name__)
        return None


def _is_public(key: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


def _is_instant(value: object) -> TypeGuard[float]:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and isfinite(value))


def _listed(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes in the claims `scope` and `scp`, each a string with spaces between scopes, or a list."""
    found: set[str] = set()
    for value in (claims.get("scope"), claims.get("scp")):
        entries = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        found |= {entry for entry in entries if isinstance(entry, str)}
    return frozenset(found)
