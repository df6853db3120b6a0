"""Client: jobs of an arpent server, or another with the same API: submit and watch them, and get results as a table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import requests

from arpent.adapters.features.temporary_folder import temporary_folder
from arpent.adapters.objects.cloud import CloudObjects
from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.errors import ArpentError, InvalidRequest, StorageNotFound, WorldError
from arpent.domain.job import RESTING, Status
from arpent.domain.location import Location
from arpent.engine.output_keys import own
from arpent.wire.request.access import write_prefix
from arpent.wire.request.schema import Access

if TYPE_CHECKING:
    import pandas as pd

BASE = "/api/v1/statistics/batch"
SECONDS = 60.0
"""Maximum seconds to wait for an answer of the server."""
POLL_SECONDS = 1.0
TRIES = 6
"""Maximum attempts at a request that the server cannot take now."""
BUSY = (429, 502, 503, 504)
NOT_DONE = (429, 503)
"""Those statuses in BUSY after which a request surely had no effect. A 502 or 504 may come after a job was created."""


class Client:
    """A server and our credentials on it. `url`: without a path; `id`, `secret`: from `arpent client add`."""

    def __init__(self, url: str, id: str, secret: str) -> None:  # noqa: A002
        self._url = url.rstrip("/")
        self._who = {"grant_type": "client_credentials", "client_id": id, "client_secret": secret}
        self._session = requests.Session()
        self._token = ""

    def __repr__(self) -> str:
        return f"Client({self._url!r})"

    def submit(self, request: Mapping[str, Any], *, start: bool = True) -> RemoteJob:
        """Create a job from the JSON of a batch request, and start it unless `start` is False. Raises ArpentError with
        the server's message."""
        job = RemoteJob(client=self, id=str(self.call("POST", "", json=dict(request))["id"]))
        if start:
            job.act("start")
        return job

    def job(self, id: str) -> RemoteJob:  # noqa: A002
        """A job by its id. Raises ArpentError if there is none."""
        return RemoteJob(client=self, id=str(self.call("GET", f"/{id}")["id"]))

    def jobs(self, count: int = 100) -> list[dict[str, Any]]:
        """The newest task objects; the server returns at most a hundred."""
        found: list[dict[str, Any]] = self.call("GET", "", params={"count": count})["data"]
        return found

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """The JSON of one answer. Raises WorldError if the server cannot be reached, ArpentError with its message if it
        refuses."""
        answer = self._send(method, f"{self._url}{BASE}{path}", **options)
        if answer.status_code >= 400:
            raise ArpentError(_words(answer))
        fields: dict[str, Any] = answer.json() if answer.content else {}
        return fields

    def _send(self, method: str, url: str, **options: Any) -> requests.Response:
        for attempt in range(TRIES):
            headers = {"Authorization": f"Bearer {self._token or self._new_token()}"}
            answer = self._ask(method, url, headers=headers, **options)
            if answer.status_code == 401 and attempt == 0:
                self._token = ""
            elif answer.status_code in (NOT_DONE if method == "POST" else BUSY) and attempt + 1 < TRIES:
                time.sleep(_pause(answer, attempt))
            else:
                return answer
        return answer

    def _new_token(self) -> str:
        answer = self._ask("POST", f"{self._url}/oauth/token", data=self._who)
        if answer.status_code >= 400:
            raise ArpentError(f"The server issues no token: {_words(answer)}")
        self._token = str(answer.json()["access_token"])
        return self._token

    def _ask(self, method: str, url: str, **options: Any) -> requests.Response:
        try:
            return self._session.request(method, url, timeout=SECONDS, **options)
        except requests.RequestException as error:
            raise WorldError(f"{self._url} does not answer: {type(error).__name__}", transient=True) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """A job on a server."""

    client: Client = field(repr=False)
    id: str

    def status(self) -> dict[str, Any]:
        """The task object without the request."""
        return self.client.call("GET", f"/{self.id}/status")

    def act(self, action: str) -> None:
        """Carry out an action: analyse, start or stop. Raises InvalidRequest for any other."""
        if action not in ("analyse", "start", "stop"):
            raise InvalidRequest(f"{action!r:.40} is not an action: analyse, start or stop")
        self.client.call("POST", f"/{self.id}/{action}")

    def findings(self) -> list[dict[str, Any]]:
        """What is wrong, or worth knowing, about individual features."""
        found: list[dict[str, Any]] = []
        token = None
        while True:
            page = self.client.call("GET", f"/{self.id}/features", params={"viewtoken": token} if token else {})
            found += page["data"]
            if (token := page.get("links", {}).get("nextToken")) is None:
                return found

    def watch(self, *, progress: bool = True) -> dict[str, Any]:
        """Wait until the job rests, with a bar in a terminal; its last status. Raises ArpentError if it FAILED."""
        from rich.console import Console

        from arpent.api.progress import remote_bar

        console = Console(stderr=True)
        with remote_bar(console if progress and console.is_terminal else None) as show:
            for last in self._statuses():
                show(last)
        if last["status"] == Status.FAILED:
            raise ArpentError(str(last.get("error") or "the job failed"))
        return last

    def table(self, buckets: str | Path | None = None) -> pd.DataFrame:
        """The results as a DataFrame: a row per feature, interval, output and band, with the columns that
        `input.features.columns` asked for. `buckets`: the folder that stands for S3 on the server; None: real buckets,
        opened with this machine's credentials. Raises ArpentError if there are no results."""
        task = self.client.call("GET", f"/{self.id}")
        # The keys in the request are for the server only; here this machine's own credentials are used.
        bare = {scheme: {"url": place["url"]} for scheme, place in task["request"]["output"].items() if place}
        output = write_prefix(Access.model_validate(bare), "output")
        store = CloudObjects() if buckets is None else FolderObjects(Path(buckets))
        keys = [key for key in store.list(own(output, self.id, "parquet/")) if key.endswith(".parquet")]
        if not keys:
            raise ArpentError(f"Job {self.id} has no table: it is {task['status']}")
        with temporary_folder() as folder:
            rows = pa.concat_tables(
                [_fetched(store, output.at(key), Path(folder)) for key in keys], promote_options="default"
            )
            try:
                place = own(output, self.id, "features/features.parquet")
                fields = _fetched(store, place, Path(folder)).drop_columns(["identifier", "geometry", "bbox"])
            except StorageNotFound:
                fields = None
        frame: pd.DataFrame = rows.to_pandas()
        if fields is not None and len(fields.column_names) > 1:
            frame = frame.merge(fields.to_pandas(), on="id", how="left", suffixes=("", "_feature"))
        return frame

    def _statuses(self) -> Iterator[dict[str, Any]]:
        while True:
            last = self.status()
            yield last
            if last["status"] in RESTING:
                return
            time.sleep(POLL_SECONDS)


def _fetched(store: CloudObjects | FolderObjects, location: Location, folder: Path) -> pa.Table:
    path = folder / location.key.rpartition("/")[2]
    store.download(location, path)
    return pq.read_table(path)


def _pause(answer: requests.Response, attempt: int) -> float:
    """Seconds until the next attempt; Retry-After is in milliseconds, as from the real service."""
    try:
        return min(30.0, float(answer.headers.get("Retry-After", "")) / 1000)
    except ValueError:
        return float(min(30, 2**attempt))


def _words(answer: requests.Response) -> str:
    """The server's error message, and the constraints that were violated."""
    try:
        error = answer.json()["error"]
        listed = [each.get("violatedConstraint", "") for each in error.get("errors", ()) if isinstance(each, dict)]
        return " ".join([str(error.get("message", answer.reason)), *filter(None, listed)])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{answer.status_code} {answer.reason}"
