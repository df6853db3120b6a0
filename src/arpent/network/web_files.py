"""Web files: byte ranges of files over http(s), under the egress policy.

Redirects are followed here, one checked hop at a time, because an HTTP client that follows them would not check them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from ssl import SSLCertVerificationError
from threading import Lock
from urllib.parse import quote, urlsplit

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from arpent.domain.boundary.wanted import varied
from arpent.domain.imagery.file_version import Version, same_version
from arpent.network.access import OpenAccess, SourceAccess
from arpent.network.causes import causes_of
from arpent.network.connections import MOST_HOPS, checked_pools, linked_address, proxy_of, proxy_pools
from arpent.network.cookies import Cookies
from arpent.network.deadline import pause, within
from arpent.network.outages import Outages
from arpent.network.passing import is_passing
from arpent.network.policy import EgressPolicy, EgressRefused, check_url

POOLS = 64
"""Maximum number of hosts with open connections."""
CONNECTIONS = 32
"""Maximum number of open connections to each host."""
CONNECT_SECONDS, SILENT_SECONDS, WHOLE_SECONDS = 5.0, 30.0, 120.0
"""Time limits: to connect, between two pieces of an answer, and for one whole answer."""
TRIES = 11
ODD_TRIES = 4
"""Tries after an answer that is unusual for the host, such as that of a gateway whose service is unavailable."""
PAUSE, LONGEST_PAUSE = 0.1, 15.0
"""Seconds before the second try, doubled for each further one up to the longest pause, with jitter."""
MOST_ANSWERS = 64
"""Maximum number of answers to make up one range: a server may return less than requested (RFC 9110, 14.2)."""
_PIECE = 1 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REFUSED = (401, 403)
_GONE = (404, 410)
_HIDDEN = (404, 409)
"""Statuses that Azure returns for blobs of a container that is not public."""
LOGIN = "login"
"""Stands for the status if the answer is an HTML page instead of a file, perhaps a login page."""
_NO_PART = (204, 416)
"""Statuses that say that the file does not have the requested range."""
_SPAN = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")
_SAFE = "/%:@!$&'()*+,;=~-._"
"""Characters of a path that are sent unchanged; others are percent-encoded."""
_SIZE = re.compile(r"bytes \*/(\d{1,19})")
_HEADERS = {"accept-encoding": "identity", "user-agent": "arpent"}


class NoRanges(Exception):
    """The server does not support range requests, or something else answers in its place."""

    passing = False
    odd = True
    """As `odd` of NoAnswer."""


class Denied(PermissionError):
    """The server denies access to the file; `answer`: its HTTP status, or LOGIN."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer

    passing = False

    @property
    def odd(self) -> bool:
        """As `odd` of NoAnswer: a gateway whose service is unavailable may also return an HTML page."""
        return self.answer == LOGIN


class Hidden(FileNotFoundError):
    """The file does not exist for clients without a signature, and the signing service has none for it."""


class NoAnswer(Exception):
    """The server refuses or fails. `status`: HTTP status; 0: there was no answer. `ended`: the server says that the
    file ends before the range. `stranger`: the server's certificate is not accepted."""

    def __init__(self, status: int = 0, *, ended: bool = False, stranger: bool = False) -> None:
        kind = "its certificate is not accepted" if stranger else "no answer"
        super().__init__(f"HTTP {status}" if status else kind)
        self.status = status
        self.ended = ended
        self.stranger = stranger

    @property
    def passing(self) -> bool:
        """Whether another try may help."""
        return is_passing(self.status)

    @property
    def odd(self) -> bool:
        """Whether something else, such as a gateway, may have answered for the server, so that a later try may help."""
        return self.status in _NO_PART and not self.ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A range of a file."""

    content: memoryview
    """The bytes; fewer than requested at the end of the file."""
    tag: str | None
    """ETag of the file; None if the server sends none."""
    modified: float
    """Time of the last change, seconds since 1970; 0: the server does not say."""
    size: int
    """Size of the whole file in bytes."""

    @property
    def version(self) -> Version:
        """What the server says of the file's content."""
        return self.tag, self.modified, self.size


def pause_seconds(tries: int) -> float:
    """Seconds to wait after this many tries."""
    return varied(min(PAUSE * 2.0 ** (tries - 1), LONGEST_PAUSE))


class WebFiles:
    """Reads byte ranges over http(s). Thread-safe; keeps connections open."""

    def __init__(self, policy: EgressPolicy | None, retry_seconds: float, access: SourceAccess | None = None) -> None:
        """`policy`: where files may be; None: anywhere. `retry_seconds`: how long to retry a failing server. `access`:
        provides the keys of each host."""
        self._policy = policy
        self._access = access or OpenAccess()
        self._retry_seconds = retry_seconds
        self.outages = Outages()
        self._ranged: set[str] = set()
        """Hosts that have answered a range request."""
        self._cookies = Cookies()
        self._options = {
            "num_pools": POOLS, "maxsize": CONNECTIONS,
            "timeout": Timeout(connect=CONNECT_SECONDS, read=SILENT_SECONDS),
        }  # fmt: skip
        self._direct = checked_pools(policy, **self._options)
        self._proxies: dict[str, PoolManager] = {}
        self._sites: dict[tuple[str, str], HTTPConnectionPool | PoolManager] = {}
        self._lock = Lock()

    def piece(self, url: str, start: int, end: int) -> Piece:
        """The bytes from `start` up to `end`. Raises EgressRefused, AccessFailed, FileNotFoundError, Denied, NoRanges,
        NoAnswer."""
        first = self._part(url, start, end)
        content, last = [first.content], min(end, first.size)
        start += len(first.content)
        while start < last:
            part = self._part(url, start, end)
            same = same_version(part.version, first.version)
            if len(content) >= MOST_ANSWERS or not part.content or not same or part.size != first.size:
                raise NoAnswer
            content.append(part.content)
            start += len(part.content)
        return first if len(content) == 1 else replace(first, content=memoryview(b"".join(content)))

    def _part(self, url: str, start: int, end: int) -> Piece:
        """The range, or its beginning if the server returns less. Raises the same errors as `piece`."""
        until, tries, host = time.monotonic() + self._retry_seconds, 0, urlsplit(url).netloc
        while True:
            tries += 1
            try:
                with self._access.connection_slot(url):
                    piece = self._once(url, start, end)
                self.outages.answered(host)
                self._ranged.add(host)
                return piece
            except (HTTPError, OSError, NoAnswer, NoRanges) as error:
                if isinstance(error, FileNotFoundError | PermissionError):
                    self.outages.answered(host)
                    if not (isinstance(error, Denied) and error.odd):
                        raise
                stranger = any(isinstance(one, SSLCertVerificationError) for one in causes_of(error))
                trouble = error if isinstance(error, NoAnswer | NoRanges | Denied) else NoAnswer(stranger=stranger)
            if trouble.passing:
                self.outages.failed(host)
            if self.outages.is_long(host):
                raise trouble
            most = TRIES if trouble.passing else ODD_TRIES if trouble.odd and host in self._ranged else 0
            seconds = pause_seconds(tries)
            if tries >= most or time.monotonic() + seconds > until:
                raise trouble
            pause(seconds)

    def close(self) -> None:
        """Close all connections."""
        for pools in (self._direct, *self._proxies.values()):
            pools.clear()

    def _once(self, url: str, start: int, end: int) -> Piece:
        with within(WHOLE_SECONDS) as deadline:  # includes redirects and headers, which may also arrive byte by byte
            try:
                return self._followed(url, start, end)
            except (HTTPError, OSError, NoRanges, EgressRefused):
                if deadline.passed:  # a truncated answer may look like another error
                    raise NoAnswer from None
                raise

    def _followed(self, url: str, start: int, end: int) -> Piece:
        headers = {**_HEADERS, "range": f"bytes={start}-{end - 1}"}
        hops, renewed = 0, False
        while hops <= MOST_HOPS:
            asked = self._access.request(url)  # for each hop, so that no key is sent on to another host
            response = self._ask(asked.url, {**headers, **asked.headers, **self._cookies.of(asked)})
            try:
                self._cookies.keep(asked, response.headers)
                hidden = asked.unsigned and response.status in _HIDDEN
                refused = hidden or response.status in _REFUSED or _is_page(response)
                if refused and not renewed and self._access.refused(asked):
                    renewed = True
                    response.close()
                    continue
                if hidden:
                    raise Hidden if response.status in _GONE else Denied(str(response.status))
                if response.status not in _REDIRECTS:
                    return _read(response, start, end)
                following = linked_address(asked.url, response.headers.get("location", ""))
                response.drain_conn() if response.headers.get("content-length") == "0" else response.close()
            except BaseException:
                response.close()
                raise
            if url.startswith("https:") and not following.startswith("https:"):
                raise EgressRefused("its server redirects from https to an address without encryption")
            url, hops = following, hops + 1
        raise EgressRefused(f"its server redirects more than {MOST_HOPS} times")

    def _ask(self, url: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        parts = urlsplit(url)
        site = (parts.scheme, parts.netloc)
        asked = self._sites.get(site)
        if asked is None:
            asked = self._site(url)
            if len(self._sites) >= POOLS:
                self._sites.clear()
            self._sites[site] = asked
        if isinstance(asked, PoolManager):  # through a proxy, which needs the whole URL
            return asked.request(
                "GET", url, headers=dict(headers), retries=False, redirect=False, preload_content=False
            )
        target = quote(parts.path or "/", safe=_SAFE) + (
            f"?{quote(parts.query, safe=_SAFE + '?')}" if parts.query else ""
        )
        return asked.urlopen(
            "GET", target, headers=headers, retries=False, redirect=False, preload_content=False, assert_same_host=False
        )

    def _site(self, url: str) -> HTTPConnectionPool | PoolManager:
        """The connection pool for this URL's host. Raises EgressRefused."""
        scheme, host, port = check_url(url)
        proxy = proxy_of(url, self._policy)
        if proxy is None:
            return self._direct.connection_from_host(host, port, scheme)
        with self._lock:
            return self._proxies.setdefault(proxy, proxy_pools(proxy, **self._options))


def _read(response: BaseHTTPResponse, start: int, end: int) -> Piece:
    if response.status in _GONE:
        raise FileNotFoundError
    if response.status in _REFUSED:
        raise Denied(str(response.status))
    if response.status == 200:
        if _is_page(response):
            raise Denied(LOGIN)
        raise NoRanges
    if response.status != 206:
        size = _SIZE.fullmatch(response.headers.get("content-range", ""))
        raise NoAnswer(response.status, ended=size is not None and int(size[1]) <= start)
    span = _SPAN.fullmatch(response.headers.get("content-range", ""))
    if span is None or int(span[1]) != start or int(span[2]) >= max(end, start + 1):
        raise NoRanges
    length = int(span[2]) + 1 - start
    if _is_packed(response.headers, length):
        raise NoRanges
    content = _content(response, length)
    response.release_conn()
    return Piece(
        content=content, tag=response.headers.get("etag"), modified=_modified(response.headers), size=int(span[3])
    )


def _is_page(response: BaseHTTPResponse) -> bool:
    return response.status == 200 and "html" in response.headers.get("content-type", "")


def _is_packed(headers: Mapping[str, str], length: int) -> bool:
    """Whether a proxy has compressed the range although that was not requested. If the length is that of the range, the
    header only describes a file that is stored compressed."""
    coding = headers.get("content-encoding", "").strip().lower()
    return coding not in ("", "identity") and headers.get("content-length") != str(length)


def _content(response: BaseHTTPResponse, length: int) -> memoryview:
    """The `length` bytes of the answer's body. Raises NoAnswer if it is incomplete."""
    pieces: list[bytes] = []
    missing = length
    while missing > 0:
        piece = response.read1(min(missing, _PIECE), decode_content=False)
        if not piece:
            raise NoAnswer
        pieces.append(piece)
        missing -= len(piece)
    return memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))


def _modified(headers: Mapping[str, str]) -> float:
    try:
        return parsedate_to_datetime(headers["last-modified"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return 0.0
