"""Bucket keys: keys that sign S3 requests, from the source table, an AWS profile, or Earthdata, where they last an
hour."""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from obstore.auth.earthdata import NasaEarthdataCredentialProvider

from arpent.adapters.sources.aws_chain import CHAINS, chain_keys
from arpent.adapters.sources.logins import missing, pair_of
from arpent.adapters.sources.secrets import needed, secret_of
from arpent.adapters.sources.token_service import asking, key_in
from arpent.domain.boundary.address_grammar import ACCESS_KEY, SECRET_KEY
from arpent.network.access import AccessFailed
from arpent.network.policy import EgressPolicy
from arpent.network.renewal import TimedKey
from arpent.network.source import ArchiveSource

EARTHDATA = "urs.earthdata.nasa.gov"
"""Host where users of Earthdata log in."""
REREAD_SECONDS = 30.0
"""How often to read keys again that are renewed outside arpent."""
Keys = dict[str, Any]
"""Credentials in the form that obstore expects."""


def keys_of(source: ArchiveSource, policy: EgressPolicy | None) -> Callable[[], TimedKey[Keys]] | None:
    """A function that fetches the source's keys; None if it has none, so that the machine's default chain signs."""
    if source.access_key or source.secret_key:
        return partial(_of_table, source)
    if source.profile:
        return partial(_of_profile, source)
    if source.s3_credentials_url:
        return partial(_of_earthdata, source, policy)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOptions:
    """The settings of a profile other than its keys."""

    region: str | None = None
    endpoint: str | None = None
    signs: bool = True
    """Whether the profile has keys, or says where they come from."""


def profile_options(source: ArchiveSource) -> TimedKey[ProfileOptions]:
    """The options of the source's profile. Raises AccessFailed."""
    found = _profile(source)
    pair = found.get("aws_access_key_id") and found.get("aws_secret_access_key")
    options = ProfileOptions(
        region=found.get("region") or None,
        endpoint=found.get("endpoint_url") or None,
        signs=bool(pair or any(found.get(name) for name in CHAINS)),
    )
    return TimedKey(key=options, seconds=REREAD_SECONDS)


def _of_table(source: ArchiveSource) -> TimedKey[Keys]:
    access, secret = needed(source, "access_key", "secret_key")
    token = secret_of(source.session_token)
    return TimedKey(key=_checked(source, access, secret, token), seconds=REREAD_SECONDS)


def _of_profile(source: ArchiveSource) -> TimedKey[Keys]:
    found = _profile(source)
    access, secret = found.get("aws_access_key_id"), found.get("aws_secret_access_key")
    if not (access and secret):
        if any(found.get(name) for name in CHAINS):
            return TimedKey(key=_checked(source, *chain_keys(source)), seconds=REREAD_SECONDS)
        raise AccessFailed(
            f"its source {source.name} names profile {source.profile}: it has no keys; give it aws_access_key_id and "
            f"aws_secret_access_key, or one of {', '.join(CHAINS)}"
        )
    return TimedKey(key=_checked(source, access, secret, found.get("aws_session_token")), seconds=REREAD_SECONDS)


def _profile(source: ArchiveSource) -> dict[str, str]:
    """The settings of a profile from both AWS files. Raises AccessFailed."""
    files = (
        ("AWS_CONFIG_FILE", "~/.aws/config", f"profile {source.profile}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", str(source.profile)),
    )
    found: dict[str, str] = {}
    known = False
    for variable, usual, section in files:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(Path(os.environ.get(variable) or usual).expanduser(), "utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            raise AccessFailed(f"its source {source.name} names a profile, but the file of {variable} cannot be read") \
                from None  # fmt: skip
        names = (section, str(source.profile)) if source.profile == "default" else (section,)
        for name in names:
            if parser.has_section(name):
                known = True
                found |= dict(parser.items(name))
    if not known:
        raise AccessFailed(f"its source {source.name} names profile {source.profile}, which no AWS file has")
    return found


def _of_earthdata(source: ArchiveSource, policy: EgressPolicy | None) -> TimedKey[Keys]:
    url, host = str(source.s3_credentials_url), source.login_host or EARTHDATA
    who = secret_of(source.token) or pair_of(source, host)
    if who is None:
        raise AccessFailed(f"its source {source.name} cannot log in at {host}: set {missing(source)}")
    from requests.exceptions import JSONDecodeError  # takes long to load, and few processes ask for keys

    with asking(f"keys of source {source.name}", url, policy, redirects=True) as session:
        provider = NasaEarthdataCredentialProvider(url, host=host.partition(":")[0], auth=who, session=session)
        try:
            answered = provider()
        except JSONDecodeError:
            raise AccessFailed(f"keys of source {source.name} cannot be obtained from {host}: it returns a login page; "
                               f"check {missing(source)}") from None  # fmt: skip
        for name in ("access_key_id", "secret_access_key", "token"):
            key_in(answered, name)
        expires = answered["expires_at"]
        seconds = inf if expires is None else (expires - datetime.now(UTC)).total_seconds()
        return TimedKey(key=dict(answered), seconds=max(seconds, 0.0))


def _checked(source: ArchiveSource, access: str, secret: str, token: str | None) -> Keys:
    if not (ACCESS_KEY.fits(access) and SECRET_KEY.fits(secret) and (token is None or token.isascii())):
        raise AccessFailed(f"its source {source.name} has keys with spaces, line breaks or other unusual characters")
    # obstore asks for keys again only if they expire.
    again = datetime.now(UTC) + timedelta(seconds=REREAD_SECONDS)
    return {"access_key_id": access, "secret_access_key": secret, "token": token, "expires_at": again}
