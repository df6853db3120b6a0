"""Logins: the Authorization header of requests over http(s), with a bearer token or user and password."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from math import isnan

from arpent.adapters.sources.secrets import is_there, needed, places, secret_of
from arpent.adapters.sources.token_service import asking, key_in
from arpent.network.access import AccessFailed
from arpent.network.policy import EgressPolicy
from arpent.network.renewal import TimedKey
from arpent.network.source import ArchiveSource

REREAD_SECONDS = 30.0
"""How often to read a token again that is renewed outside arpent."""
SHORTEST, DEFAULT = 1.0, 300.0
"""Lifetime of an OpenID Connect token in seconds: the minimum, and the default if the service does not state one."""


def login_of(source: ArchiveSource, policy: EgressPolicy | None, url: str) -> TimedKey[str]:
    """The Authorization header for the host of this URL, from the first kind of login that is set and whose secrets
    exist; empty if no login is set. Raises AccessFailed if logins are set but none of them has its secrets."""
    get = _kind_of(source, policy, url)
    return TimedKey(key="", seconds=REREAD_SECONDS) if get is None else get()


def _kind_of(source: ArchiveSource, policy: EgressPolicy | None, url: str) -> Callable[[], TimedKey[str]] | None:
    """A function that fetches the header; None if there is no login for this host. Raises AccessFailed."""
    if source.login_host is not None and source.s3_credentials_url is None:
        here = url.split("/", 3)[2] == source.login_host
        if here or not is_there(source, "token"):
            return _over_login_host(source, here=here)
    kinds: tuple[tuple[bool, bool, Callable[[], TimedKey[str]]], ...] = (
        (source.token is not None, is_there(source, "token"), partial(_bearer, source)),
        (source.token_url is not None, is_there(source, *_secrets(source)), partial(_openid, source, policy)),
        (source.token_url is None and source.user is not None, is_there(source, "user", "password"),
         partial(_basic, source)),
        (bool(source.netrc), bool(source.netrc) and _netrc_pair(url) is not None, partial(_netrc, source, url)),
    )  # fmt: skip
    wanted = [(there, get) for is_set, there, get in kinds if is_set]
    if not wanted:
        return None
    found = next((get for there, get in wanted if there), None)
    if found is None:
        raise AccessFailed(f"its source {source.name} cannot log in: set {missing(source)}")
    return found


def _over_login_host(source: ArchiveSource, *, here: bool) -> Callable[[], TimedKey[str]] | None:
    """Login for a source with a `login_host`: user and password are sent to that host (`here`) only, which never gets a
    token. Raises AccessFailed if they are missing for another host, which would redirect there."""
    host = str(source.login_host)
    pair = pair_of(source, host)
    if pair is None and here:
        return None
    if pair is None:
        raise AccessFailed(f"its source {source.name} cannot log in at {host}: set {missing(source)}")
    if not here:
        return None
    return lambda: TimedKey(key=_header(*pair), seconds=REREAD_SECONDS)


def missing(source: ArchiveSource) -> str:
    """The settings that would enable a login, as text for messages."""
    ways = [places(source, "token"), places(source, *_secrets(source)) if source.token_url else ""]
    ways.append(places(source, "user", "password") if not source.token_url else "")
    ways.append("a line of the netrc file" if source.netrc else "")
    return ", or ".join(way for way in ways if way)


def pair_of(source: ArchiveSource, host: str) -> tuple[str, str] | None:
    """User and password for a host, from the source table or the netrc file; None if there are none."""
    if source.user is not None and is_there(source, "user", "password"):
        return (str(secret_of(source.user)), str(secret_of(source.password)))
    return _netrc_pair(f"https://{host}") if source.netrc else None


def _secrets(source: ArchiveSource) -> tuple[str, ...]:
    names = ("client_secret", "user", "password")
    return tuple(name for name in names if getattr(source, name) is not None)


def _bearer(source: ArchiveSource) -> TimedKey[str]:
    (token,) = needed(source, "token")
    if any(sign.isspace() for sign in token) or not token.isascii():
        raise AccessFailed(f"its source {source.name}: {places(source, 'token')} holds no token")
    return TimedKey(key=f"Bearer {token}", seconds=REREAD_SECONDS)


def _openid(source: ArchiveSource, policy: EgressPolicy | None) -> TimedKey[str]:
    """A token by OpenID Connect's client credentials grant, or by its password grant if a user is set."""
    from requests import TooManyRedirects  # takes long to load, and few processes ask for keys

    found = dict(zip(_secrets(source), needed(source, *_secrets(source)), strict=True))
    form = {"grant_type": "client_credentials", "client_id": str(source.client_id)}
    if "client_secret" in found:
        form["client_secret"] = found["client_secret"]
    if "user" in found:
        form |= {"grant_type": "password", "username": found["user"], "password": found["password"]}
    if source.scope:
        form["scope"] = source.scope
    url = str(source.token_url)
    with asking(f"a token of source {source.name}", url, policy) as session:
        answer = session.post(url, data=form, allow_redirects=False)
        if answer.is_redirect:
            raise TooManyRedirects
        answer.raise_for_status()
        answered = answer.json()
        return TimedKey(key=f"Bearer {key_in(answered, 'access_token')}", seconds=_seconds(answered.get("expires_in")))


def _seconds(told: object) -> float:
    """Lifetime of a token according to `expires_in`; DEFAULT if that is not a number. If the token is refused earlier,
    a new one is fetched."""
    try:
        seconds = float(told)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return DEFAULT
    return DEFAULT if isnan(seconds) else max(seconds, SHORTEST)


def _basic(source: ArchiveSource) -> TimedKey[str]:
    user, password = needed(source, "user", "password")
    return TimedKey(key=_header(user, password), seconds=REREAD_SECONDS)


def _netrc(source: ArchiveSource, url: str) -> TimedKey[str]:
    found = _netrc_pair(url)
    if found is None:
        raise AccessFailed(f"its source {source.name} cannot log in: the netrc file has no line for its host")
    return TimedKey(key=_header(*found), seconds=REREAD_SECONDS)


def _netrc_pair(url: str) -> tuple[str, str] | None:
    from requests.utils import get_netrc_auth  # takes long to load, and few sources have such a file

    return get_netrc_auth(url)


def _header(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
