"""Issuer: tokens of an OpenID Connect issuer of others, checked with the keys that it publishes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypeGuard

from joserfc import jws, jwt
from joserfc.jwk import KeySet

from arpent.domain.boundary.client_ids import LOCAL
from arpent.domain.errors import Forbidden, Unauthorized, WorldError
from arpent.domain.ports.clients import Role
from arpent.server.access.tokens import UNREADABLE

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that are accepted: all by key pairs. Never `none`, and never by a shared secret, for which somebody could
use a public key."""
KEYS_SECONDS = 3600.0
"""Age at which the issuer's keys are fetched again: one that it took back is believed no longer."""
PAUSE_SECONDS = 5.0
"""Shortest time between two fetches: tokens with unknown keys are not a way to make us ask all the time."""
LEEWAY_SECONDS = 30
"""How far the issuer's clock may be from ours."""
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
    """The scope that makes an operator; None: nobody is one."""
    metrics_scope: str | None = None
    """The scope that makes a client for metrics alone; None: nobody is one."""


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
        self._keys: KeySet | None = None
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
        """Who owns the requests that come with the token, and its role. Raises Unauthorized, Forbidden, and WorldError
        if the issuer's keys cannot be had."""
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
                f"The access token has no usable `{rules.owner_claim}`: 1 to 64 signs of ASCII without spaces."
            )
        if owner == LOCAL:
            raise Unauthorized(f"The access token's `{rules.owner_claim}` is {LOCAL}, which names the operator here.")
        return owner, self._role(_scopes(claims))

    def _role(self, scopes: frozenset[str]) -> Role:
        rules = self._rules
        if rules.operator_scope in scopes:
            return Role.OPERATOR
        if rules.metrics_scope in scopes:
            return Role.METRICS
        if rules.scope is not None and rules.scope not in scopes:
            raise Forbidden(f"The access token lacks the scope {rules.scope}.")
        return Role.USER

    def _proved(self, token: str) -> Mapping[str, Any]:
        """The claims, if a key of the issuer signed them. A key that nobody knows may be new: then the keys are fetched
        again, once."""
        keys, latest = self._known_keys(fresh=False), False
        while True:
            try:
                return dict(jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims)
            except UNREADABLE:
                if latest:
                    raise Unauthorized(f"The access token is not one of {self._rules.issuer}.") from None
            keys, latest = self._known_keys(fresh=True), True

    def _known_keys(self, *, fresh: bool) -> KeySet:
        """The issuer's keys; `fresh`: fetched now, unless they were within the pause. While the issuer is away, keys
        that are not old yet serve."""
        known, age = self._keys, self._clock() - self._fetched
        if known is not None and not fresh and age < KEYS_SECONDS:
            return known  # without the lock: nobody waits while another asks for a key that nobody knows
        with self._lock:
            now = self._clock()
            old = now - self._fetched >= KEYS_SECONDS
            if now - self._tried >= PAUSE_SECONDS:
                self._tried = now
                try:
                    self._keys, self._fetched = self._published(), now
                except WorldError:
                    if self._keys is None or old:
                        raise
            elif self._keys is None or old:
                raise WorldError(f"The keys of {self._rules.issuer} cannot be had; try again.", transient=True)
            assert self._keys is not None
            return self._keys

    def _published(self) -> KeySet:
        """The keys that the issuer publishes, those for signatures by key pairs. Raises WorldError."""
        issuer = self._rules.issuer
        described = self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        address = described.get("jwks_uri")
        if described.get("issuer") != issuer or not isinstance(address, str):
            raise WorldError(f"{issuer} describes another issuer or no keys in its /.well-known/openid-configuration")
        found = self._fetch(address).get("keys")
        usable = [key for key in (found if isinstance(found, list) else []) if _is_public(key)]
        try:
            return KeySet.import_key_set({"keys": usable})
        except UNREADABLE:
            raise WorldError(f"The keys that {issuer} publishes cannot be read") from None


def _is_public(key: object) -> bool:
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


def _is_instant(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Scopes as one text with spaces (`scope`), or as a list (`scope` or `scp`)."""
    found: set[str] = set()
    for value in (claims.get("scope"), claims.get("scp")):
        entries = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        found |= {entry for entry in entries if isinstance(entry, str)}
    return frozenset(found)
