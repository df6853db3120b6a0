"""Source: an archive, identified by host or bucket, with its keys; and the table of sources, in which the longest match
wins (docs/adr/0015-sources.md)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from arpent.domain.boundary.address_grammar import MACHINE_REGION
from arpent.network.policy import PORTS, is_web_address, plain_host

MOST_CONNECTIONS = 1024
_SECRET = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\s\x00-\x1f].*")
_MATCH = re.compile(
    r"https?://(\*\.)?[a-z0-9_.-]+(:\d{1,5})?(/[^?#\s]*)?|https?://\[[0-9a-f:]+\](:\d{1,5})?(/[^?#\s]*)?"
    r"|s3://[A-Za-z0-9][A-Za-z0-9._-]*\*?(/[^?#\s]*)?"
)
_Place = tuple[str, str, int, tuple[str, ...]]
"""Scheme, host or bucket, port (0: none), and the segments of the path."""


def _match(text: str) -> str:
    if not _MATCH.fullmatch(text) or (not text.startswith("s3:") and not is_web_address(text.replace("*.", "x."))):
        raise ValueError(
            "write https://host, https://host/folder, https://*.host, s3://bucket, s3://bucket/prefix or s3://bucket-*"
        )
    return text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _secret(text: str) -> str:
    if not _SECRET.fullmatch(text):
        raise ValueError("write where it is, not itself: env:VARIABLE or file:/path")
    return text


def _web(text: str) -> str:
    if not is_web_address(text) or "@" in text:
        raise ValueError("write https://host or http://host:9000")
    return text


def _region(text: str) -> str:
    if not MACHINE_REGION.fits(text):
        raise ValueError(f"it must {MACHINE_REGION.words}")
    return text


Word = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!-~]+$")]
Matches = Annotated[tuple[Annotated[str, AfterValidator(_match)], ...], BeforeValidator(_listed), Field(min_length=1)]
Secret = Annotated[str, AfterValidator(_secret)]
"""Where a secret is stored; the table itself never holds one."""
Url = Annotated[str, AfterValidator(_web)]
Host = Annotated[str, Field(max_length=256, pattern=r"^[a-z0-9.-]+(:[1-9]\d{0,4})?$")]
Region = Annotated[str, AfterValidator(_region)]


class ArchiveSource(BaseModel):
    """One entry of the table. None means not set: then the value of the preset, or of the machine, is used."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field("", pattern=r"^$")
    """The entry's key in the settings, set by the code that reads them."""
    match: Matches | None = None
    """URLs it applies to: https://host[:port][/folder], https://*.host, s3://bucket[/prefix], s3://bucket-*."""
    endpoint: Url | None = None
    """S3: URL of the store; default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS."""
    region: Region | None = None
    """S3: region of the bucket; default: that of the request, or AWS_REGION."""
    path_style: bool | None = None
    """S3: whether the bucket is part of the path instead of the host name; default: true if an endpoint is set."""
    unsigned: bool | None = None
    """S3: whether the bucket is public, so that requests are sent without keys."""
    requester_pays: bool | None = None
    """S3: whether the reader pays for requests; requests then state that it agrees to."""
    access_key: Secret | None = None
    """S3: access key id, used with `secret_key`."""
    secret_key: Secret | None = None
    """S3: secret key, used with `access_key`."""
    session_token: Secret | None = None
    """S3: token of temporary keys that are renewed outside arpent."""
    profile: Word | None = None
    """S3: a profile in the AWS configuration files."""
    s3_credentials_url: Url | None = None
    """S3: where Earthdata issues keys that are valid for an hour, to the user of `token`, `user` or `netrc`."""
    login_host: Host | None = None
    """Host (and port) at which `user` and `netrc` log in if other hosts redirect to it, as Earthdata's do."""
    token: Secret | None = None
    """A bearer token."""
    token_url: Url | None = None
    """OpenID Connect endpoint that issues bearer tokens for `client_id` and `client_secret`, or also for `user`."""
    client_id: Word | None = None
    """Client at `token_url`; not a secret."""
    client_secret: Secret | None = None
    """The secret of `client_id` at `token_url`."""
    scope: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Scope to request at `token_url`."""
    user: Secret | None = None
    """User for basic authentication, with `password`."""
    password: Secret | None = None
    """The password of `user`."""
    netrc: bool | None = None
    """Whether to use basic authentication with the machine's netrc file."""
    sas_url: Url | None = None
    """URL of Planetary Computer's signing service, which issues a token for each container."""
    account: Word | None = None
    """With `sas_url`: the storage account, if the host name does not contain it."""
    alternate: Word | None = None
    """Which `alternate` of an asset to read instead of its `href`: s3, https."""
    connections: int | None = Field(None, ge=1, le=MOST_CONNECTIONS)
    """Maximum number of simultaneous requests, over all processes of one user on this machine."""

    @model_validator(mode="after")
    def _pairs(self) -> ArchiveSource:
        for one, other in (("access_key", "secret_key"), ("user", "password"), ("token_url", "client_id")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"`{one}` and `{other}` belong together")
        if self.unsigned and (self.access_key or self.profile or self.s3_credentials_url):
            raise ValueError("`unsigned` sends no keys: take it out, or the keys")
        return self

    def over(self, other: ArchiveSource) -> ArchiveSource:
        """This entry, with the values that it does not set taken from the other. If it sets any key or login, the other
        entry's keys or logins are left out, so that two kinds are never mixed."""
        own = self.model_dump(exclude_none=True, exclude={"name"})
        theirs = other.model_dump(exclude_none=True, exclude={"name"})
        for kind in (_KEYS, _LOGINS):
            if kind & own.keys():
                theirs = {name: value for name, value in theirs.items() if name not in kind}
        return ArchiveSource.model_validate(theirs | own).named(self.name or other.name)

    def named(self, name: str) -> ArchiveSource:
        """A copy of the entry with this name."""
        return self.model_copy(update={"name": name})

    @property
    def addresses(self) -> tuple[str, ...]:
        """The URLs that the entry names in full, which the egress policy can trust."""
        hosts = [one for one in self.match or () if not one.startswith("s3:") and "*" not in one]
        others = (self.endpoint, self.token_url, self.sas_url, self.s3_credentials_url)
        login = (f"https://{self.login_host}",) if self.login_host else ()
        return (*hosts, *(url for url in others if url), *login)


_KEYS = frozenset({"unsigned", "access_key", "secret_key", "session_token", "profile", "s3_credentials_url"})
_LOGINS = frozenset({"token", "token_url", "client_id", "client_secret", "scope", "user", "password", "netrc"})


@dataclass(frozen=True, slots=True)
class SourceTable:
    """The entries of all archives, looked up by URL."""

    sources: tuple[ArchiveSource, ...] = ()
    """The entries; each has a name and a match."""

    def of(self, url: str) -> ArchiveSource | None:
        """The entry with the longest match for this URL; a full host or bucket name beats one with `*`."""
        place = _place(url) if self.sources else None
        if place is None:
            return None
        best: tuple[tuple[bool, int, int], ArchiveSource] | None = None
        for source in self.sources:
            for match in source.match or ():
                rank = _rank(match, place)
                if rank is not None and (best is None or rank > best[0]):
                    best = (rank, source)
        return None if best is None else best[1]

    def login_at(self, url: str) -> ArchiveSource | None:
        """The entry whose `login_host` is the host of this URL; None if there is none."""
        if not any(source.login_host for source in self.sources) or _place(url) is None:
            return None
        parts = urlsplit(url)
        for source in self.sources:
            if source.login_host == parts.netloc and (source.match or ("",))[0].startswith(f"{parts.scheme}:"):
                return source
        return None


def _rank(match: str, place: _Place) -> tuple[bool, int, int] | None:
    """How well `match` fits, for comparison: (no wildcard, segments of the path, length of the host); None: not at
    all."""
    scheme, host, port, parts = _of_match(match)
    if (scheme, port) != (place[0], place[2]) or parts != place[3][: len(parts)]:
        return None
    if host.startswith("*."):
        fits = place[1].endswith(host[1:]) and len(place[1]) >= len(host)
    else:
        fits = place[1].startswith(host[:-1]) if host.endswith("*") else place[1] == host
    return ("*" not in host, len(parts), len(host)) if fits else None


@lru_cache(maxsize=1024)
def _of_match(match: str) -> _Place:
    wild = match.startswith(("http://*.", "https://*."))
    place = _place(match.replace("://*.", "://", 1) if wild else match)
    assert place is not None, "matches are checked when they are read"
    return (place[0], f"*.{place[1]}", *place[2:]) if wild else place


def _place(url: str) -> _Place | None:
    """The place of a URL; None if it is neither http(s) nor s3, or malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    path = posixpath.normpath(f"/{unquote(parts.path)}").split("/")
    steps = tuple(step for step in path if step)
    if parts.scheme == "s3":
        return "s3", parts.netloc, 0, steps
    if parts.scheme not in PORTS:
        return None
    return parts.scheme, plain_host(parts.hostname or ""), PORTS[parts.scheme] if port is None else port, steps
