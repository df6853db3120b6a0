"""Access: the Protocol from which clients get the keys for a request, so that each source gets its own keys only.
Readers of images, catalogues and buckets use it; `adapters/sources` implements it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol


class AccessFailed(Exception):
    """There are no keys for a source, or no free connection; the text names the source, the reason and the remedy."""

    def __init__(self, message: str, *, transient: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.transient = transient
        """Whether another try may help."""
        self.refused = refused
        """Whether this is permanent even if the source had keys before: the service that issues them refuses the login,
        or the policy forbids access to it. Any other failure (a file that is being replaced, an answer from a gateway
        instead of the service) is temporary if there were keys before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedRequest:
    """How to request a URL, with the keys of the source that it belongs to."""

    url: str = field(repr=False)
    """The URL, including its signature if there is one."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers to send with the request, to this host only."""
    unsigned: bool = False
    """Whether the signing service does not know this container. A missing file may then still exist for clients that
    have a signature."""
    keeps_cookies: bool = False
    """Whether the host's login redirects to another host and back, and ends with a cookie."""


_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Environment variables that name an S3-compatible store; the first one that is set is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAccess:
    """How to open a bucket; fields that are None are left to the environment variables of the machine."""

    source: str = ""
    """Name of the entry in the source table; empty if there is none."""
    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    unsigned: bool | None = None
    requester_pays: bool | None = None
    keys: Callable[[], Mapping[str, object]] | None = field(default=None, repr=False)
    """A credential provider for obstore. Raises AccessFailed."""

    def options(
        self,
        client: Mapping[str, object],
        environment: Mapping[str, str] | None = None,
        defaults: Mapping[str, object] | None = None,
    ) -> dict[str, object]:
        """Settings for obstore's S3Store: those of the source override `defaults`. The endpoint comes from the source,
        `defaults` or AWS_ENDPOINT_URL_S3 in `environment` (None: that of this process). With an endpoint, the bucket is
        part of the path unless set otherwise, and an http URL allows http. `client`: settings of the HTTP client."""
        variables = os.environ if environment is None else environment
        named = next((variables[name] for name in _ENDPOINTS if variables.get(name)), None)
        found = {**(defaults or {}), **self._own()}
        if endpoint := found.get("endpoint") or named:
            found = {"virtual_hosted_style_request": False, **found, "endpoint": endpoint}
        plain = {"allow_http": True} if str(endpoint).startswith("http://") else {}
        return {**found, "client_options": {**client, **plain}}

    def _own(self) -> dict[str, object]:
        """The settings of the source, without those that are not set."""
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
        """How to request an http(s) URL; call it again for the target of a redirect. Raises AccessFailed."""

    def refused(self, asked: AuthorizedRequest) -> bool:
        """Report that the keys of a request were refused. Returns whether other keys are available, so that another try
        may help. Raises AccessFailed."""

    def bucket(self, url: str, *, own_keys: bool = False) -> BucketAccess:
        """How to open the bucket of an s3 URL. `own_keys`: the user's request has keys of its own, so the machine's AWS
        profile is ignored. Raises AccessFailed."""

    def bucket_refused(self, url: str, keys: Mapping[str, object]) -> bool:
        """Like `refused`, for the keys that a BucketAccess's `keys` returned. Raises AccessFailed."""

    def connection_slot(self, url: str) -> AbstractContextManager[None]:
        """A slot to hold during a request, because some sources allow few connections. Raises AccessFailed if none is
        free before the thread's deadline passes."""

    def alternate(self, url: str) -> str | None:
        """Name of the `alternate` to read instead of this href of an asset; None to read the href."""

    def advice(self, url: str, answer: str) -> str:
        """Advice on an answer: an HTTP status, an S3 error code, or `login` for an HTML page instead of an image. Empty
        if there is none."""


class OpenAccess:
    """SourceAccess without any sources: every URL is requested unchanged."""

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
