"""Target: the server under test, how it is called, and what the checks share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import requests

from arpent.domain.boundary.text import whole_number
from arpent.domain.errors import WorldError

BATCH = "/api/v1/statistics/batch"
STATISTICS = "/api/v1/statistics"
CATALOG = "/api/v1/catalog/1.0.0"
JSON = {"Content-Type": "application/json"}
"""Header that announces JSON, where `json=` does not set it."""
TOKEN_PATH = "/auth/realms/main/protocol/openid-connect/token"
SECONDS = 120.0
"""Maximum seconds to wait for an answer, as in the official client (sentinelhub.md 1.7)."""
TRIES = 4
"""Maximum attempts at a request that a rate limit refuses."""
RATE_LIMIT_SECONDS = 60.0
"""Maximum seconds to wait for a rate limit."""


class Place(Protocol):
    """A bucket that both the server and the suite read and write."""

    @property
    def url(self) -> str:
        """Its URL in requests, s3://bucket/prefix, without a slash at the end."""

    @property
    def access(self) -> Mapping[str, str]:
        """The keys as requests have them: accessKey and so on."""

    def put(self, key: str, payload: bytes) -> None:
        """Store an object."""

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Key below the prefix → content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Place and day of an acquisition of Sentinel-2 L2A."""

    longitude: float
    """Longitude in degrees of WGS 84."""
    latitude: float
    """Latitude in degrees of WGS 84."""
    day: str
    """UTC day: 2024-06-01."""


@dataclass(kw_only=True)
class Target:
    """A server, and our credentials on it."""

    url: str
    """Address of the server without a slash at the end."""
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    at: tuple[float, float]
    """Longitude and latitude where acquisitions are searched for."""
    days: tuple[str, str]
    """First and last day of the search."""
    place: Place | None = None
    """Where batch requests read features and write results; None: nowhere, so that no batch request is started."""
    has_data: bool = False
    """Whether the server's catalogue is the data set of the suite."""
    patience: float = 600.0
    """Maximum seconds that a batch request may take."""
    shared: dict[str, Any] = field(default_factory=dict)
    """Findings of one check that others need, by name."""
    _token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self._session = requests.Session()

    def without_secrets(self, text: str) -> str:
        """The text with the client's secret, its token and the bucket's keys removed."""
        keys = [] if self.place is None else [v for k, v in self.place.access.items() if k == "secretAccessKey"]
        for secret in (self.client_secret, self._token, *keys):
            text = text.replace(secret, "…") if secret else text
        return text

    def form(self, **fields: str) -> dict[str, str]:
        """The fields of a token request, some of them replaced by `fields`."""
        own = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.client_secret}
        return own | fields

    def ask_token(self, **options: Any) -> requests.Response:
        """The answer of the token endpoint. Raises WorldError if there is none."""
        return self._send("POST", self.token_url, **options)

    @property
    def token(self) -> str:
        """An access token. Raises WorldError if the server issues none."""
        if not self._token:
            answer = self.ask_token(data=self.form())
            if answer.status_code != 200:
                raise WorldError(f"{self.token_url} issues no token: {answer.status_code} {answer.text[:300]}")
            self._token = str(answer.json()["access_token"])
        return self._token

    def call(self, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """The answer to one request, after waiting for rate limits. `token` replaces our own; empty: no token. Raises
        WorldError if there is no answer."""
        sent = self.token if token is None else token
        headers = {"Authorization": f"Bearer {sent}"} if sent else {}
        options["headers"] = headers | dict(options.get("headers") or {})
        return self._send(method, self.url + path, **options)

    def _send(self, method: str, url: str, **options: Any) -> requests.Response:
        for attempt in range(TRIES):
            try:
                answer = self._session.request(method, url, timeout=SECONDS, allow_redirects=False, **options)
            except requests.RequestException as error:
                raise WorldError(f"{url} does not answer: {type(error).__name__}", transient=True) from None
            if answer.status_code != 429 or attempt == TRIES - 1:
                break
            # Milliseconds (sentinelhub.md 1.7)
            wait = whole_number(answer.headers.get("retry-after", ""))
            time.sleep(min(1.0 if wait is None else wait / 1000, RATE_LIMIT_SECONDS))
        return answer
