"""Issuer: tokens of an external OpenID Connect issuer, checked with the keys that it publishes."""

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
"""Signatures that are accepted: all by key pairs. Never `none`, and never by a shared secret, for which somebody could
use a public key."""
KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""First letters of an algorithm → the kind of its keys."""
MOST_TRIES = 16
"""Keys that are tried for a token that names none of them."""
KEYS_SECONDS = 3600.0
"""Age at which the issuer's keys serve no longer: one that it took back is believed no longer."""
RENEWAL_SECONDS = 3300.0
"""Age at which they are fetched again, while they still serve those that come meanwhile."""
PAUSE_SECONDS = 5.0
"""Shortest time between two fetches: tokens with unknown keys are not a way to make us ask all the time."""
LEEWAY_SECONDS = 30
"""How far the issuer's clock may be from ours."""
_LOGGER = logging.getLogger(__name__)
_OWNER = re.compile(r"[!-~]{1,64}")

Fetch = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRules:
    """What a token of the issuer must say."""

    issuer: str
    """URL of the issuer: its `iss`, and where its description is."""
    audience: str
    """An entry of its `aud`."""
    scope: str | None = None
    """A scope that it must have; None: none."""
    owner_claim: str = "sub"
    """The claim whose value owns the requests."""
    operator_scope: str | None = None
    """The scope that makes an operator; None: no client is one."""
    metrics_scope: str | None = None
    """The scope that makes a client for metrics alone; None: no client is one."""


class ExternalIssuer:
    """Checks tokens of one issuer. Thread-safe; its keys are fetched when the first token comes, when they are old, and
    when a token names an unknown one."""

    def __init__(
        self,
        rules: IssuerRules,
        fetch: Fetch,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch`: the JSON object at a URL; raises WorldError. `clock`: seconds, for the age of keys."""
        self._rules = rules
        self._fetch = fetch
        self._now = now
        self._clock = clock
        self._keys: tuple[Key, ...] | None = None
        self._fetched = -float("inf")
        self._tried = -float("inf")
        self._lock = Lock()

    def issued(self, token: str) -> bool:
        """Whether the token says that it is of this issuer; nothing is proved by it."""
        try:
            claims = json.loads(jws.extract_compact(token.encode()).payload)
        except UNREADABLE:
            return False
        return isinstance(claims, dict) and claims.get("iss") == self._rules.issuer

    def identify(self, token: str) -> tuple[str, Role]:
        """Who owns the requests that come with the token, and its role. Raises Unauthorized, Forbidden, WorldError if
        the issuer's keys cannot be had, and RateLimited while another thread fetches them."""
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
        """The claims, if a key of the issuer signed them. An unknown key may be new: then the keys are fetched
        again, once."""
        keys, latest = self._known_keys(fresh=False), False
        while True:
            try:
                return _claims(token, keys)
            except UNREADABLE:
                if latest:
                    raise Unauthorized(f"The access token is not one of {self._rules.issuer}.") from None
            keys, latest = self._known_keys(fresh=True), True

    def _known_keys(self, *, fresh: bool) -> tuple[Key, ...]:
        """The issuer's keys; `fresh`: fetched now, unless they were within the pause. One thread fetches, and no other
        waits for it: an issuer may take its time, and forged tokens may come in any number."""
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
        """The keys that the issuer publishes now, or within the pause and while it is away those that are not old."""
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
        """The keys that the issuer publishes, those for signatures by key pairs. Raises WorldError."""
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
    """The claims, if one of the keys that the token may mean signed it. Keys of one `kid` may differ in kind
    (RFC 7517, 4.5), and neither a key nor a token needs one. Raises one of UNREADABLE."""
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
    """The key, or None if the library cannot use it; the others still serve."""
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
    """Scopes as one text with spaces (`scope`), or as a list (`scope` or `scp`)."""
    found: set[str] = set()
    for value in (claims.get("scope"), claims.get("scp")):
        entries = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        found |= {entry for entry in entries if isinstance(entry, str)}
    return frozenset(found)
