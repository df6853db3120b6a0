"""Sessions of `requests` that obey the thread's deadline (`deadline.within`) and limit the size of an answer."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url
from urllib3 import Retry
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError

from arpent.network.access import OpenAccess, SourceAccess
from arpent.network.connections import check_target, guard_session, pool_classes
from arpent.network.deadline import current, pause
from arpent.network.policy import EgressPolicy

MOST_ANSWER_BYTES = 256 << 20
"""Maximum size of one answer, after decompression."""
MOST_KEY_BYTES = 1 << 20
"""Maximum size of an answer that is a key, a token, or the published keys of an issuer, of which it holds hundreds."""
LONGEST_RETRY_AFTER = 20.0
"""Longest pause that a server can impose through Retry-After, in seconds."""
_CHUNK = 1 << 16
_REFUSED = (401, 403)


class AnswerTooLong(requests.exceptions.ContentDecodingError):
    """An answer is larger than its session allows. Messages show the name of this class."""


def session(
    retry: Retry, timeout: tuple[float, float], policy: EgressPolicy | None = None, access: SourceAccess | None = None,
    most_bytes: int | None = None,
) -> requests.Session:  # fmt: skip
    """A session whose requests obey the deadline. `timeout`: seconds to connect, and between two bytes. `policy`: where
    requests and redirects may go; None: anywhere. `access`: provides the keys of each host; requests raise AccessFailed
    if it cannot. `most_bytes`: maximum size of one answer; None: MOST_ANSWER_BYTES."""
    made = _Session()
    if policy is not None:
        guard_session(made)
    adapter = _Adapter(timeout, retry, policy, access or OpenAccess(), most_bytes)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


class PatientRetry(Retry):
    """Retries that stop at the deadline, and at once if a name does not resolve. Pauses are limited."""

    def increment(self, method=None, url=None, response=None, error=None, _pool=None, _stacktrace=None):  # type: ignore[no-untyped-def]
        deadline = current()
        if isinstance(error, NameResolutionError) or (deadline is not None and deadline.passed):
            raise MaxRetryError(_pool, url, error) from error
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_retry_after(self, response):  # type: ignore[no-untyped-def]
        deadline = current()
        try:
            asked = super().get_retry_after(response)
        except (HTTPError, ValueError, OverflowError):  # neither seconds nor a valid date
            return None
        most = LONGEST_RETRY_AFTER if deadline is None else min(LONGEST_RETRY_AFTER, deadline.left)
        return None if asked is None else min(asked, most)

    def sleep(self, response=None):  # type: ignore[no-untyped-def]
        """As in the base class, but return early if the answer is no longer wanted."""
        heeds = response and self.respect_retry_after_header
        asked = self.get_retry_after(response) if heeds else None  # type: ignore[no-untyped-call]
        pause(asked or self.get_backoff_time())


class _Session(requests.Session):
    """Uses the machine's proxies and certificates, but not its netrc file, which only sources with `netrc` may use."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = _login_of_url  # if `auth` is set, requests does not read the netrc file

    def rebuild_auth(self, prepared_request, response):  # type: ignore[no-untyped-def]
        """As in the base class, which runs after a redirect, but without reading the netrc file."""
        if self.should_strip_auth(response.request.url, prepared_request.url):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("authorization", None)


def _login_of_url(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request with the user and password from its URL, if any."""
    user, password = get_auth_from_url(str(request.url))
    return HTTPBasicAuth(user, password)(request) if user or password else request


class _Adapter(HTTPAdapter):
    def __init__(
        self, timeout: tuple[float, float], retry: Retry, policy: EgressPolicy | None, access: SourceAccess,
        most_bytes: int | None,
    ) -> None:  # fmt: skip
        self._access = access
        self._most_bytes = most_bytes
        self._timeout = timeout
        self._policy = policy
        super().__init__(max_retries=retry)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = pool_classes(self._policy)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = pool_classes(None)  # the operator's proxy; `send` checks the targets
        return manager

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):  # type: ignore[no-untyped-def]
        """As in the base class, with the keys of this host; reads the whole answer."""
        if self._policy is not None:
            check_target(str(request.url), self._policy)
        plain = str(request.url)
        for again in (False, True):
            asked = self._access.request(plain)
            request.url = asked.url
            request.headers.update(asked.headers)
            with self._access.connection_slot(plain):
                answer = _whole(
                    super().send(request, True, timeout or self._timeout, verify, cert, proxies), self._most_bytes
                )
            if again or answer.status_code not in _REFUSED or not self._access.refused(asked):
                return answer
        raise AssertionError("the last answer is returned")


def _whole(answer: requests.Response, most_bytes: int | None) -> requests.Response:
    """The answer, read completely. Raises AnswerTooLong if it is larger than `most_bytes`."""
    most, parts, size = most_bytes or MOST_ANSWER_BYTES, [], 0
    for part in answer.iter_content(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > most:
            answer.close()
            raise AnswerTooLong(f"the answer is longer than {most} bytes")
    answer._content = b"".join(parts)
    answer._content_consumed = True  # type: ignore[attr-defined]
    return answer
