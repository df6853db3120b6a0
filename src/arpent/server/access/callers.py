"""Callers: identify the client behind a request by its bearer token, and check what its role allows."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from arpent.domain.errors import Forbidden, Unauthorized
from arpent.domain.ports.clients import ClientStore, Role
from arpent.server.access.issuer import ExternalIssuer
from arpent.server.access.quotas import Quotas
from arpent.server.access.tokens import WHERE, Tokens


@dataclass(frozen=True, slots=True)
class Caller:
    """The client that sends a request."""

    id: str
    """Client id; the client owns the requests that it creates."""
    role: Role
    """Decides what the client may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessControl:
    """Who may use the server, and how much of it."""

    clients: ClientStore
    """The clients of this server."""
    tokens: Tokens
    """Issues and checks the tokens of these clients."""
    quotas: Quotas
    """Limits on each client's use of the server."""
    issuer: ExternalIssuer | None = None
    """External issuer whose tokens are accepted as well; None: there is none."""
    own_tokens: bool = True
    """Whether this server issues tokens of its own and accepts them."""


class Callers:
    """Identifies the sender of a request. Its methods are dependencies of routes. Each one looks the client up in the
    store, so that a disabled or removed client is refused from its next request on."""

    def __init__(self, access: AccessControl) -> None:
        self._access = access

    async def caller(self, request: Request) -> Caller:
        """The sender of a request with a valid token. Raises Unauthorized, and RateLimited."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized(f"Send an access token as `Authorization: Bearer …`; {WHERE}.")
        found = await run_in_threadpool(self._identified, token.strip())
        request.state.client = found.id
        self._access.quotas.pace(found.id)
        return found

    async def owner(self, request: Request) -> str:
        """Id of a client that may own requests. Raises Unauthorized, Forbidden, RateLimited."""
        return (await self._worker(request)).id

    async def reach(self, request: Request) -> str | None:
        """Whose requests the caller may see: its own id, or None for those of all clients. Raises as `owner` does."""
        caller = await self._worker(request)
        return None if caller.role is Role.OPERATOR else caller.id

    async def observer(self, request: Request) -> None:
        """Check that the caller may read metrics. Raises Unauthorized, Forbidden, RateLimited."""
        if (await self.caller(request)).role is Role.USER:
            raise Forbidden("Metrics are for clients with the role metrics or operator.")

    async def _worker(self, request: Request) -> Caller:
        caller = await self.caller(request)
        if caller.role is Role.METRICS:
            raise Forbidden("This client has the role metrics, which may read /metrics and nothing else.")
        return caller

    def _identified(self, token: str) -> Caller:
        issuer = self._access.issuer
        if issuer is not None and (issuer.issued(token) or not self._access.own_tokens):
            owner, role = issuer.identify(token)
            if self._access.clients.find(owner) is not None:
                raise Unauthorized("An access token of another issuer must not name a client of this server.")
            return Caller(owner, role)
        proof = self._access.tokens.proof(token)
        client = self._access.clients.find(proof.client_id)
        if client is None or client.disabled or client.generation != proof.generation:
            raise Unauthorized("The access token was revoked: its client was removed or disabled, or has a new secret.")
        return Caller(client.id, client.role)
