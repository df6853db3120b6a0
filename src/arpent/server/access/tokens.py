"""Tokens: JWTs that prove which client sends a request. They hold its id as `azp` and, for older clients, as `aud`, and
also `iss`, `iat`, `exp` and a unique `jti` (sentinelhub.md 1.6, 11). Anyone can check them with the public keys at
`/oauth/jwks`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from arpent.domain.errors import Unauthorized
from arpent.domain.ports.clients import Client

ISSUER = "arpent"
"""Default issuer that a token names. The signing key is the proof, so nothing depends on this name."""
ALGORITHM = "ES256"
WHERE = "get one with the client credentials at /oauth/token"
LEEWAY_SECONDS = 300.0
"""Tolerated difference in seconds between the clocks of servers."""
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the curve P-256; a private key is an integer from 1 to ORDER - 1."""
UNREADABLE = (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""Errors that the library raises for bytes that are not a token: they have no common base class."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a token of this server proves."""

    client_id: str
    """Id of the client that it was issued to."""
    generation: int
    """The client's generation when the token was issued; see `domain.ports.clients`."""


class Tokens:
    """Issues and checks access tokens, and does not store them. The signing keys are derived from secrets, so that all
    servers with the same secrets have the same keys."""

    def __init__(
        self, secrets: Sequence[bytes], seconds: int = 3600, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """`secrets`: each at least 32 bytes; the first one signs, and tokens signed with any of them are accepted.
        `seconds`: lifetime of a token. Raises ValueError if a secret is too short or there is none."""
        if not secrets or min(map(len, secrets)) < 32:
            raise ValueError("the key that signs tokens needs at least 32 bytes")
        self._keys = KeySet([_signing_key(secret) for secret in secrets])
        self._now = now
        self.seconds = seconds

    def issue(self, client: Client, issuer: str = ISSUER) -> str:
        """Issue a token for this client. `issuer`: the server's address at which the client asked for it."""
        issued, key = int(self._now().timestamp()), self._keys.keys[0]
        whose = {"azp": client.id, "aud": client.id, "sub": client.id, "gen": client.generation}
        claims = {**whose, "iss": issuer, "iat": issued, "exp": issued + self.seconds, "jti": str(uuid4())}
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key)

    def proof(self, token: str) -> Proof:
        """What the token proves. Raises Unauthorized if it is invalid or expired."""
        try:
            claims = jwt.decode(token, self._keys, algorithms=[ALGORITHM]).claims
        except UNREADABLE:
            raise Unauthorized(f"The access token is not one of this server; {WHERE}.") from None
        client, expires, generation = claims.get("azp"), claims.get("exp"), claims.get("gen")
        if not (isinstance(client, str) and isinstance(expires, int) and isinstance(generation, int)):
            raise Unauthorized(f"The access token is not one of this server; {WHERE}.")
        issued, now = claims.get("iat"), self._now().timestamp()
        if expires <= now:
            raise Unauthorized(f"The access token has expired; {WHERE}.")
        if isinstance(issued, int) and issued > now + LEEWAY_SECONDS:  # else it would outlive its normal lifetime
            raise Unauthorized(f"The access token is from the future: clocks differ, or one was set back; {WHERE}.")
        return Proof(client, generation)

    def public_keys(self) -> dict[str, object]:
        """The JSON Web Key Set of public keys that verify the tokens, the current key first."""
        return {"keys": [{**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM} for key in self._keys.keys]}


def _signing_key(secret: bytes) -> ECKey:
    """Derive a P-256 private key from a secret, using 48 bytes so that all keys are equally likely."""
    derived = HKDF(algorithm=SHA256(), length=48, salt=None, info=b"arpent tokens").derive(secret)
    private = derive_private_key(int.from_bytes(derived) % (ORDER - 1) + 1, SECP256R1())
    key = ECKey.import_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return ECKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()})
