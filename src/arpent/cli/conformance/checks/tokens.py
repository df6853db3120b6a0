"""Tokens: checks of the token endpoint."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote_plus

from arpent.cli.conformance.check import Checks, equal, expect
from arpent.cli.conformance.shapes import json_of
from arpent.cli.conformance.target import BATCH, Target

CHECKS = Checks("token")


@CHECKS.add("1.6")
def form(target: Target) -> None:
    """Id and secret in the form get an access token with its type, Bearer, and its lifetime."""
    answer = json_of(target.ask_token(data=target.form()))
    expect(isinstance(answer.get("access_token"), str) and answer["access_token"], "access_token is missing")
    equal("token_type in lower case", str(answer.get("token_type")).lower(), "bearer")
    expect(
        isinstance(answer.get("expires_in"), int) and answer["expires_in"] > 0,
        "expires_in is not a positive whole number",
    )


@CHECKS.add("1.6")
def basic(target: Target) -> None:
    """Id and secret in a Basic header also get a token."""
    auth = (quote_plus(target.client_id), quote_plus(target.client_secret))  # RFC 6749 2.3.1
    answer = target.ask_token(data={"grant_type": "client_credentials"}, auth=auth)
    expect(json_of(answer).get("access_token"), "access_token is missing")


@CHECKS.add("1.6")
def claims(target: Target) -> None:
    """The token is a JWT whose claims name the client (azp) and its end (exp)."""
    parts = target.token.split(".")
    equal("the number of parts of the token", len(parts), 3)
    told = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    equal("azp", told.get("azp"), target.client_id)
    expect(isinstance(told.get("exp"), int), "exp is not a whole number")


@CHECKS.add("11")
def unique(target: Target) -> None:
    """Two tokens, asked for one after the other, differ."""
    first, second = (json_of(target.ask_token(data=target.form()))["access_token"] for _ in range(2))
    expect(first != second, "both are the same token")


@CHECKS.add("1.6")
def wrong_secret(target: Target) -> None:
    """A wrong secret is refused with 400 or 401 and OAuth's `error`."""
    answer = target.ask_token(data=target.form(client_secret="not-the-secret"))
    expect(answer.status_code in (400, 401), f"the status is {answer.status_code}, but must be 400 or 401")
    expect(isinstance(json_of(answer, answer.status_code).get("error"), str), "the body has no string `error`")


@CHECKS.add("1.6")
def wrong_grant(target: Target) -> None:
    """An unknown grant type is refused as unsupported_grant_type."""
    answer = json_of(target.ask_token(data=target.form(grant_type="conformance")), 400)
    equal("error", answer.get("error"), "unsupported_grant_type")


@CHECKS.add("1.5")
def needed(target: Target) -> None:
    """A request without a token is refused with 401."""
    equal("the status", target.call("GET", BATCH, token="").status_code, 401)


@CHECKS.add("1.5")
def invalid(target: Target) -> None:
    """A request with a string that is not a token is refused with 401."""
    equal("the status", target.call("GET", BATCH, token="not.a.token").status_code, 401)
