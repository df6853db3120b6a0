"""Tokens: JWTs that prove who a client is, with its id as `azp` and, for older clients, as `aud`, and with `iss`,
`iat`, `exp` and a unique `jti` (sentinelhub.md 1.6, 11)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from arpent.domain.errors import Unauthorized

ISSUER = "arpent"
ALGORITHM = "HS256"
WHERE = "get one with the client credentials at /oauth/token"


class Tokens:
    """Issues and checks access tokens with one secret key; does not store them."""

    def __init__(
        self, key: bytes, seconds: int = 3600, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """`key`: at least 32 bytes. `seconds`: lifetime of a token. Raises ValueError for a short key."""
        if len(key) < 32:
            raise ValueError("the key that signs tokens needs at least 32 bytes")
        self._key = OctKey.import_key(key)
        self._now = now
        self.seconds = seconds

    def issue(self, client_id: str) -> str:
        """A new token for this client."""
        issued = int(self._now().timestamp())
        whose = {"azp": client_id, "aud": client_id, "sub": client_id}
        claims = {**whose, "iss": ISSUER, "iat": issued, "exp": issued + self.seconds, "jti": str(uuid4())}
        return jwt.encode({"alg": ALGORITHM}, claims, self._key)

    def client(self, token: str) -> str:
        """Id of the client the token was issued to. Raises Unauthorized if the token is invalid or expired."""
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            # any bytes: the library has no common class for its errors
            raise Unauthorized(f"The access token is not one of this server; {WHERE}.") from None
        client, expires = claims.get("azp"), claims.get("exp")
        if claims.get("iss") != ISSUER or not isinstance(client, str) or not isinstance(expires, int):
            raise Unauthorized(f"The access token is not one of this server; {WHERE}.")
        if expires <= self._now().timestamp():
            raise Unauthorized(f"The access token has expired; {WHERE}.")
        return client
