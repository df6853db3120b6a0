"""Signatures: Planetary Computer's SAS tokens, one for each container, which are added to the URLs of blobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from obstore.auth.planetary_computer import PlanetaryComputerCredentialProvider

from arpent.adapters.sources.token_service import asking, key_in
from arpent.domain.boundary.address_grammar import BUCKET, SAS
from arpent.network.access import AccessFailed
from arpent.network.deadline import pause
from arpent.network.policy import EgressPolicy
from arpent.network.renewal import TimedKey
from arpent.network.source import ArchiveSource

if TYPE_CHECKING:
    from obstore.store import AzureSASToken

UNMANAGED_SECONDS = 300.0
"""How long blobs of a container that the service does not know are requested without a token."""
UNKNOWN_PAUSES = (0.3, 0.6, 1.2)
"""Pauses in seconds before asking again about a container that the service does not know. A single such answer may come
from a gateway, and without a signature the blobs would seem to be missing."""


def container_of(source: ArchiveSource, url: str) -> tuple[str, str]:
    """Account and container from the URL of a blob. Raises AccessFailed."""
    parts = urlsplit(url)
    host, steps = parts.hostname or "", [unquote(step) for step in parts.path.split("/") if step]
    if source.account:
        account = source.account
    elif any("*" in match for match in source.match or ()) or host.endswith(".blob.core.windows.net"):
        account = host.partition(".")[0]
    else:
        account, steps = (steps[0] if steps else ""), steps[1:]  # as in the URLs of Azurite
    container = steps[0] if steps else ""
    if not (BUCKET.fits(account) and BUCKET.fits(container)):
        raise AccessFailed(f"its source {source.name} finds no container in the address")
    return account, container


def token_for(
    source: ArchiveSource, account: str, container: str, policy: EgressPolicy | None, *, signs: bool | None = None
) -> TimedKey[str]:
    """A token for a container; empty if the service does not know the container, which is then taken to be public.
    `signs`: whether the service gave a token the last time; None: it was never asked. Raises AccessFailed."""
    url = str(source.sas_url).rstrip("/")
    with asking(f"the signature of container {account}/{container}", url, policy) as session:
        provider = PlanetaryComputerCredentialProvider(
            account_name=account, container_name=container, sas_url=url, session=session
        )
        answered = _answered(provider, signs=signs)
        if answered is None:
            return TimedKey(key="", seconds=UNMANAGED_SECONDS)
        expires = answered["expires_at"]
        if expires is None:
            raise ValueError("a token ends")
        seconds = (expires - datetime.now(UTC)).total_seconds()
        return TimedKey(key=key_in(answered, "sas_token").lstrip("?"), seconds=max(seconds, 0.0))


def _answered(provider: PlanetaryComputerCredentialProvider, *, signs: bool | None) -> AzureSASToken | None:
    """The answer of the service; None if it keeps answering that it does not know the container, and never gave a token
    for it. Raises the errors of `provider`."""
    import requests  # takes long to load, and few processes ask for keys

    for seconds in (*(() if signs is False else UNKNOWN_PAUSES), None):
        try:
            return provider()
        except requests.HTTPError as error:
            lacks = error.response is not None and error.response.status_code == 404
            if not lacks or (signs and seconds is None):
                raise
        if seconds is not None:
            pause(seconds)
    return None


def signed(url: str, token: str) -> str:
    """The URL with this token, which replaces any token that it has."""
    parts = urlsplit(url)
    kept = [
        piece for piece in parts.query.split("&")
        if piece and next(iter(parse_qsl(piece, keep_blank_values=True)), ("",))[0] not in SAS
    ]  # fmt: skip
    return urlunsplit(parts._replace(query="&".join((*kept, token)) if token else "&".join(kept)))
