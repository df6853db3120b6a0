"""Access: consulted before a request, so that the request has the keys of its source and of no other. Code that reads
images, catalogues and buckets uses this Protocol; `adapters/sources` implements it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol


class AccessFailed(Exception):
    """There are no keys for a source, or no free connection; the text says whose, why, and what to do."""

    def __init__(self, message: str, *, transient: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.transient = transient
        """Whether another try may help."""
        self.refused = refused
        """Whether it lasts though there were such keys before: their service refuses who asks, or may not be asked.
        Anything else, as a file that is being replaced or what a gateway answers in a service's place, passes then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedRequest:
    """How a URL is asked for: with the keys of the source that it belongs to."""

    url: str = field(repr=False)
    """With its signature."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """To be sent with it, to this host only."""
    unsigned: bool = False
    """Whether its service knows of no signature for it: if there is no such file, there may be one for who has a
    signature."""
    keeps_cookies: bool = False
    """Whether the host's login is a way over another host and back, which ends with a cookie."""


_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Variables that name an S3-compatible store; the first that is set is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAccess:
    """How a bucket is opened; None: as the machine's variables say."""

    source: str = ""
    """Name of the entry; empty: there is none."""
    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    unsigned: bool | None = None
    requester_pays: bool | None = None
    keys: Callable[[], Mapping[str, object]] | None = field(default=None, repr=False)
    """A provider as obstore wants it. Raises AccessFailed."""

    def options(
        self,
        client: Mapping[str, object],
        environment: Mapping[str, str] | None = None,
        defaults: Mapping[str, object] | None = None,
    ) -> dict[str, object]:
        """Settings of obstore's S3Store: those of the source, over `defaults`. The store is the one that its source,
        `defaults` or AWS_ENDPOINT_URL_S3 of `environment` (None: the machine's) name; there the bucket is part of the
        path, unless they say otherwise, and http is allowed if the URL says so. `client`: settings of its client."""
        variables = os.environ if environment is None else environment
        named = next((variables[name] for name in _ENDPOINTS if variables.get(name)), None)
        found = {**(defaults or {}), **self._own()}
        if endpoint := found.get("endpoint") or named:
            found = {"virtual_hosted_style_request": False, **found, "endpoint": endpoint}
        plain = {"allow_http": True} if str(endpoint).startswith("http://") else {}
        return {**found, "client_options": {**client, **plain}}

    def _own(self) -> dict[str, object]:
        """The settings of the source; what is not set is left out."""
        unsigned = False if self.keys is not None else self.unsigned
        given: dict[str, object] = {
            "endpoint": self.endpoint, "region": self.region, "skip_signature": unsigned,
            "request_payer": self.requester_pays, "credential_provider": self.keys,
        }  # fmt: skip
        found = {name: value for name, value in given.items() if value is not None}
        if self.path_style is not None:
            found["virtual_hosted_style_request"] = not self.path_style
        return found


class SourceAccess(Protocol):
    """The keys of every source. Thread-safe; picklable, without a secret in the pickle."""

    def request(self, url: str) -> AuthorizedRequest:
        """How to ask for an http(s) URL; a redirect is asked for anew. Raises AccessFailed."""

    def refused(self, asked: AuthorizedRequest) -> bool:
        """Its keys were refused: whether there are others now, so that another try may help. Raises AccessFailed."""

    def bucket(self, url: str, *, own_keys: bool = False) -> BucketAccess:
        """How the bucket of an s3 URL is opened. `own_keys`: by a request that brings its keys, for which a profile of
        the machine does not count. Raises AccessFailed."""

    def bucket_refused(self, url: str, keys: Mapping[str, object]) -> bool:
        """As `refused`, of what `keys` of a BucketAccess gave."""

    def connection_slot(self, url: str) -> AbstractContextManager[None]:
        """Held while the source is asked: some allow few connections. Raises AccessFailed if none is free before the
        thread's deadline passes."""

    def alternate(self, url: str) -> str | None:
        """Which `alternate` of an asset with this href is to be read in its place."""

    def advice(self, url: str, answer: str) -> str:
        """What to do about an answer: an HTTP status, a code of S3, or `login` for a page in place of an image. Empty:
        nothing is known."""


class OpenAccess:
    """No sources: everything is asked for as it is."""

    def request(self, url: str) -> AuthorizedRequest:
        return AuthorizedRequest(url=url)

    def refused(self, asked: AuthorizedRequest) -> bool:
        return False

    def bucket(self, url: str, *, own_keys: bool = False) -> BucketAccess:
        return BucketAccess()

    def bucket_refused(self, url: str, keys: Mapping[str, object]) -> bool:
        return False

    def connection_slot(self, url: str) -> AbstractContextManager[None]:
        return nullcontext()

    def alternate(self, url: str) -> str | None:
        return None

    def advice(self, url: str, answer: str) -> str:
        return ""
