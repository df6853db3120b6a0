"""Seed: the documented workflow of a batch statistical request, with plain `requests` and `requests_oauthlib`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from arpent.domain.errors import ArpentError

EVALSCRIPT = """
//VERSION=3
function setup() {
  return {
    input: [{
      bands: ["B04", "dataMask"]
    }],
    output: [
      { id: "output_B04", bands: 1, sampleType: "FLOAT32" },
      { id: "dataMask", bands: 1 }
    ]
  }
}
function evaluatePixel(samples) {
  return {
    output_B04: [samples.B04],
    dataMask: [samples.dataMask]
  }
}
"""
ENDED = ("DONE", "FAILED", "STOPPED")
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRequest:
    """The request of the demonstration."""

    features: str
    """s3:// URL of the GeoPackage."""
    output: str
    """s3:// URL of the output folder."""
    start: str
    """Start of the time range, ISO 8601."""
    end: str
    """End of the time range, ISO 8601."""
    resolution: float
    """resx and resy, in units of the features' CRS."""

    def body(self) -> dict[str, object]:
        """The request's JSON, as in the documentation."""
        keys = {"accessKey": "not-needed-here", "secretAccessKey": "not-needed-here"}
        return {
            "input": {
                "features": {"s3": {"url": self.features, **keys}},
                "data": [{"type": "sentinel-2-l2a", "dataFilter": {"mosaickingOrder": "leastCC"}}],
            },
            "aggregation": {
                "timeRange": {"from": self.start, "to": self.end},
                "aggregationInterval": {"of": "P30D"},
                "evalscript": EVALSCRIPT,
                "resx": self.resolution,
                "resy": self.resolution,
            },
            "output": {"s3": {"url": self.output, **keys}},
        }


def connect(base: str, client_id: str, client_secret: str) -> OAuth2Session:
    """A session with a token, obtained by client credentials."""
    session = OAuth2Session(client=BackendApplicationClient(client_id=client_id))
    session.fetch_token(
        token_url=f"{base}/auth/realms/main/protocol/openid-connect/token",
        client_id=client_id,
        client_secret=client_secret,
        include_client_id=True,
    )
    return session


class Workflow:
    """The path of one request through the API; each step is a call from the documentation."""

    def __init__(self, base: str, session: OAuth2Session, say: Callable[[str], None]) -> None:
        self._url = f"{base}/api/v1/statistics/batch"
        self._session = session
        self._say = say

    def create(self, request: DemoRequest) -> str:
        """POST the request; returns its id."""
        answer = self._call("POST", "", request.body())
        self._say(f"POST {self._url} → 201, id {answer['id']}")
        return str(answer["id"])

    def act(self, request_id: str, action: str) -> None:
        """POST an action: analyse, start or stop."""
        self._call("POST", f"/{request_id}/{action}")
        self._say(f"POST …/{action} → 204")

    def wait(self, request_id: str, until: tuple[str, ...], seen: Callable[[Mapping[str, object]], None]) -> str:
        """Poll the status until it is one of `until` or the request has ended; returns it. `seen` is called with each
        status object."""
        while True:
            status = self._call("GET", f"/{request_id}/status")
            seen(status)
            if status["status"] in (*until, *ENDED):
                return str(status["status"])
            time.sleep(POLL_SECONDS)

    def get(self, request_id: str) -> Mapping[str, object]:
        """GET the request as a task object."""
        return self._call("GET", f"/{request_id}")

    def _call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        response = self._session.request(method, self._url + path, headers=headers, json=body)
        if not response.ok:
            raise ArpentError(f"{method} {path or '/'} answered {response.status_code}: {response.text}")
        answer: dict[str, object] = response.json() if response.content else {}
        return answer
