"""Signatures: tokens of Planetary Computer, one for each container, that become part of the URL of a blob."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from obstore.auth.planetary_computer import PlanetaryComputerCredentialProvider

from arpent.adapters.sources.token_service import asking
from arpent.domain.boundary.address_grammar import BUCKET, SAS
from arpent.network.access import AccessFailed
from arpent.network.policy import EgressPolicy
from arpent.network.renewal import TimedKey
from arpent.network.source import ArchiveSource

UNMANAGED_SECONDS = 3600.0
"""A container that the service does not know is asked without a token for so long."""


def container_of(source: ArchiveSource, url: str) -> tuple[str, str]:
    """Account and container of a blob. Raises AccessFailed."""
    parts = urlsplit(url)
    host, steps = parts.hostname or "", [unquote(step) for step in parts.path.split("/") if step]
    if source.account:
        account = source.account
    elif any("*" in match for match in source.match or ()) or host.endswith(".blob.core.windows.net"):
        account = host.partition(".")[0]
    else:
        account, steps = (steps[0] if steps else ""), steps[1:]  # as Azurite does it
    container = steps[0] if steps else ""
    if not (BUCKET.fits(account) and BUCKET.fits(container)):
        raise AccessFailed(f"its source {source.name} finds no container in the address")
    return account, container


def token_for(source: ArchiveSource, account: str, container: str, policy: EgressPolicy | None) -> TimedKey[str]:
    """A token for a container; empty for one that the service does not know: it is open. Raises AccessFailed."""
    import requests  # takes long to load, and few processes ask for keys

    url = str(source.sas_url).rstrip("/")
    with asking(f"the signature of container {account}/{container}", url, policy) as session:
        provider = PlanetaryComputerCredentialProvider(
            account_name=account, container_name=container, sas_url=url, session=session
        )
        try:
            answered = provider()
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code == 404:
                return TimedKey(key="", seconds=UNMANAGED_SECONDS)
            raise
        expires = answered["expires_at"]
        if expires is None:
            raise ValueError("a token ends")
        seconds = (expires - datetime.now(UTC)).total_seconds()
        return TimedKey(key=str(answered["sas_token"]).lstrip("?"), seconds=max(seconds, 0.0))


def signed(url: str, token: str) -> str:
    """The URL with this token in place of any that it has."""
    parts = urlsplit(url)
    kept = [
        piece for piece in parts.query.split("&")
        if piece and next(iter(parse_qsl(piece, keep_blank_values=True)), ("",))[0] not in SAS
    ]  # fmt: skip
    return urlunsplit(parts._replace(query="&".join((*kept, token)) if token else "&".join(kept)))
