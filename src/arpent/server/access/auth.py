"""Auth: the token endpoints (OAuth 2 client credentials, sentinelhub.md 1.6)."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qs, unquote_plus

from fastapi import APIRouter, Request
from starlette.responses import Response

from arpent.domain.ports.clients import Client, ClientStore
from arpent.server.access.tokens import ALGORITHM, Tokens
from arpent.server.address import is_loopback, list_address
from arpent.server.middleware import json_response
from arpent.server.options import ServerOptions
from arpent.server.threads import threads_of

TOKEN_PATHS = (
    "/oauth/token",
    "/auth/realms/main/protocol/openid-connect/token",
    "/auth/realms/CDSE/protocol/openid-connect/token",
)
"""Paths where clients request tokens: the old, the commercial and the CDSE path (sentinelhub.md 1.6)."""

DISCOVERY_PATH = "/.well-known/openid-configuration"
KEYS_PATH = "/oauth/jwks"

MOST_FIELDS = 50
"""Maximum number of fields in a form."""
MOST_FORM_BYTES = 100_000
"""Maximum size of a form in bytes: anyone may send one without a token, and it is held in memory."""

INSECURE = (
    "Tokens are handed out over https only. Put a TLS proxy in front, or set ARPENT_INSECURE_TRANSPORT=true on the"
    " server if this network is yours."
)

NO_ID = "(no client id)"
"""Shown in the logs in place of text that cannot be a client id."""
_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
"""Client ids as the logs show them. The limit is shorter than a secret, in case someone sends a secret as the id."""


class OAuthRefusal(Exception):
    """A refused token request: OAuth's `error` and `error_description`, and the HTTP status."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.status = status


def token_routes(clients: ClientStore, tokens: Tokens, options: ServerOptions) -> APIRouter:
    """Routes: the token endpoint (POST on each of TOKEN_PATHS), its OpenID Connect description, and the public keys."""
    router = APIRouter(tags=["tokens"])

    async def token(request: Request) -> Response:
        """Exchange client credentials, in the form or as Basic, for an access token."""
        headers = {"cache-control": "no-store", "pragma": "no-cache"}
        try:
            client = await _client(request, clients, options)
        except OAuthRefusal as refusal:
            if refusal.status == 401 and "authorization" in request.headers:
                headers["www-authenticate"] = 'Basic realm="arpent"'
            body = {"error": refusal.error, "error_description": str(refusal)}
            return json_response(body, refusal.status, headers)
        granted: dict[str, object] = {
            "access_token": tokens.issue(client, _issuer(request, options)),
            "expires_in": tokens.seconds,
            "token_type": "Bearer",
        }
        return json_response(granted, 200, headers)

    @router.get(DISCOVERY_PATH, summary="Description of the issuer")
    async def discovery(request: Request) -> Response:
        """This server's OpenID Connect description, as an issuer of tokens for client credentials."""
        own = _issuer(request, options)
        described = {
            "issuer": own,
            "token_endpoint": own + TOKEN_PATHS[0],
            "jwks_uri": own + KEYS_PATH,
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }
        return json_response(described)

    @router.get(KEYS_PATH, summary="Public keys of the issuer")
    async def keys() -> Response:
        """JSON Web Key Set to verify the tokens of this server."""
        return json_response(tokens.public_keys())

    for path in TOKEN_PATHS:
        router.add_api_route(path, token, methods=["POST"], response_class=Response, operation_id=f"token{path}")
    return router


def _issuer(request: Request, options: ServerOptions) -> str:
    """The address of this server as the client sees it, which is the issuer of its tokens."""
    return list_address(request, options).removesuffix(request.url.path)


def is_private(request: Request, options: ServerOptions) -> bool:
    """Whether nobody can read the request in transit: it uses https, or comes from this machine."""
    forwarded = request.headers.get("x-forwarded-proto") if options.trust_forwarded else None
    if forwarded:
        return forwarded.rpartition(",")[2].strip().lower() == "https"
    return request.url.scheme == "https" or is_loopback(request)


async def _client(request: Request, clients: ClientStore, options: ServerOptions) -> Client:
    """The client whose credentials the request holds. Raises OAuthRefusal."""
    if not options.insecure_transport and not is_private(request, options):
        raise OAuthRefusal("invalid_request", INSECURE)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise OAuthRefusal("invalid_request", "Send the fields as application/x-www-form-urlencoded.")
    try:
        form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        raise OAuthRefusal("invalid_request", f"The form has more than {MOST_FIELDS} fields; three are read.") from None
    if _one(form, "grant_type") != "client_credentials":
        raise OAuthRefusal("unsupported_grant_type", "grant_type must be client_credentials.")
    client_id, secret = _basic(request) or (_one(form, "client_id"), _one(form, "client_secret"))
    if not client_id or not secret:
        raise OAuthRefusal("invalid_request", "Send client_id and client_secret, in the form or as Basic.")
    # For the logs, even before the secret is checked.
    request.state.client = client_id if _ID.fullmatch(client_id) else NO_ID
    check = threads_of(request).verify
    client = None if "\0" in client_id + secret else await check(clients.verify, client_id, secret)
    if client is None:
        raise OAuthRefusal("invalid_client", "Client id or secret is wrong, or the client is disabled.", 401)
    return client


def _one(form: dict[str, list[str]], name: str) -> str:
    values = form.get(name, [])
    if len(values) > 1:
        raise OAuthRefusal("invalid_request", f"{name} is given more than once.")
    return values[0] if values else ""


def _basic(request: Request) -> tuple[str, str] | None:
    """Id and secret of a Basic header; None if there is none. Raises OAuthRefusal."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not base64, not ASCII or not UTF-8
        raise OAuthRefusal("invalid_client", "The Basic header cannot be read.", 401) from None
    # RFC 6749 2.3.1 requires both to be form-encoded; curl sends them unencoded
    return tuple(unquote_plus(part) if "%" in part else part for part in (client_id, secret))  # type: ignore[return-value]
