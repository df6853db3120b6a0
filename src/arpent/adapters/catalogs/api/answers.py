"""Answers: sends requests to a STAC API with retries, and finds the server's reason for an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import orjson
import requests
from urllib3.exceptions import MaxRetryError

from arpent.adapters.catalogs.lenient_json import loads
from arpent.domain.boundary.text import clean
from arpent.domain.boundary.wanted import varied
from arpent.network.connections import MOST_HOPS, linked_address
from arpent.network.deadline import pause
from arpent.network.policy import EgressRefused, is_web_address

MOST_VALUES = 4_000_000
"""Maximum number of values in the JSON of one answer, because each takes up to a hundred bytes of memory even if it is
short in the JSON. A page of 200 items has a twentieth of this number."""
LONGEST_REASON = 240
"""Maximum length of a server's reason in a message, in characters."""
DEEPEST_REASON = 4
"""Levels of an error body in which to look for a reason."""
CHOKED = frozenset({413, 500, 502, 504})
"""Statuses after which a smaller page may help."""
BUSY = frozenset({202, 408, 425, 429, 503})
"""Statuses after which waiting may help. The session retries these itself, and obeys the server's Retry-After."""
STALLS = 3
"""Number of timeouts after which a request is given up."""
LONGEST_WAIT = 8.0
"""Longest pause between two tries, in seconds."""
_WHOLE = frozenset({200, 201, 203})
"""Statuses of a complete answer: with 202 it is still being prepared, with 206 it is only a part."""
_LIMIT = re.compile(r"\blimit\b|\bpage.?size\b|too (large|many)", re.IGNORECASE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REASONS = ("description", "detail", "message", "errorMessage", "error", "errors", "title", "msg", "code")
"""Members of an error body that may hold the reason, most useful first."""
_QUERY = re.compile(r"(https?://)([^/\s@]*@)?([^\s?#\"']*)[^\s\"']*")
_PAGE = re.compile(r"<title[^>]*>([^<]*)</title>", re.IGNORECASE)


class Refused(Exception):
    """The server answered with an error status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status}: {reason}" if reason else f"HTTP {status}")
        self.status = status
        self.reason = reason


class NotJson(Exception):
    """The answer is not a JSON object; the error text is the reason found in it, its title, or its beginning."""

    def __init__(self, text: str = "", *, page: bool = False) -> None:
        super().__init__(text)
        self.page = page
        """Whether the answer is an HTML page, so that a retry would not help."""


class NotItems(NotJson):
    """The answer to a search is JSON but not an item collection, for example from a gateway whose service failed. If it
    were taken for an empty page, imagery would be silently missing. The error text is the server's reason, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One request: `GET` sends `query` in the URL, `POST` sends it as JSON."""

    method: str
    url: str
    query: Mapping[str, object] = field(default_factory=dict)

    def with_values(self, **values: object) -> PageRequest:
        """A copy of the request with these parameters changed, in the body or the URL."""
        if self.method == "POST":
            return PageRequest(method="POST", url=self.url, query={**self.query, **values})
        split = urlsplit(self.url)
        inside = [(name, str(values.get(name, value))) for name, value in parse_qsl(split.query)]
        outside = {name: value for name, value in values.items() if name not in dict(inside)}
        url = split._replace(query=urlencode(inside, safe=",:/")).geturl()
        return PageRequest(method=self.method, url=url, query={**self.query, **outside})

    def value(self, name: str) -> object:
        """The value of a parameter, from the body or the URL; None if it is missing."""
        if name in self.query:
            return self.query[name]
        return None if self.method == "POST" else dict(parse_qsl(urlsplit(self.url).query)).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLimits:
    """Limits of the retries of one request."""

    tries: int
    """Maximum number of tries."""
    backoff: float
    """Seconds before the second try, doubled for each further one, with jitter."""
    ended: Callable[[float], bool]
    """Function that says whether a pause of this many seconds would exceed the time limit."""


class Server:
    """Sends requests through one session; not thread-safe. User and password in `address` are sent to its host only."""

    def __init__(self, address: str, session: requests.Session, limits: RetryLimits) -> None:
        split = urlsplit(address)
        self._origin = (split.scheme, split.hostname, split.port)
        self._login = (unquote(split.username), unquote(split.password or "")) if split.username else None
        self._session = session
        self._limits = limits

    def rest(self, number: int) -> None:
        """Pause as long as before try `number` + 1 of a request."""
        pause(self._pause(number))

    def _pause(self, number: int) -> float:
        return varied(min(self._limits.backoff * 2.0 ** (number - 1), LONGEST_WAIT))

    def answer(self, request: PageRequest) -> dict[str, object]:
        """Send a request and return the answer's JSON object. Raises Refused, NotJson, EgressRefused,
        requests.RequestException."""
        return self.answered(request, lambda same, _: same)[1]

    def answered(
        self,
        request: PageRequest,
        again: Callable[[PageRequest, Exception], PageRequest | None],
        check: Callable[[dict[str, object]], None] = lambda _: None,
    ) -> tuple[PageRequest, dict[str, object]]:
        """Return the request that succeeded, and its answer. `again`: returns the request to send after an error, or
        None to give up. `check`: raises NotItems for an answer that is not a page of items. Raises NotItems, and the
        same errors as `answer`."""
        stalls, number, limits = 0, 0, self._limits
        while True:
            try:
                found = self._json(request)
                check(found)
                return request, found
            except (Refused, NotJson, requests.RequestException) as error:
                stalls += isinstance(error, requests.Timeout)
                number += 1
                seconds = self._pause(number)
                following = again(request, error) if smaller_page_may_help(error) or is_transient(error) else None
                if following is None or stalls >= STALLS or number >= max(limits.tries, 1) or limits.ended(seconds):
                    raise
                request = following
            pause(seconds)

    def _json(self, request: PageRequest) -> dict[str, object]:
        response = self._followed(request)
        if response.status_code not in _WHOLE:
            raise Refused(response.status_code, reason_of(response.content))
        if _values(response.content) > MOST_VALUES:
            raise requests.exceptions.ContentDecodingError(f"the answer has more than {MOST_VALUES:,} values")
        try:
            found = loads(response.content)
        except (ValueError, RecursionError) as error:
            page = response.content.lstrip()[:1] == b"<"
            raise NotJson(reason_of(response.content), page=page) from error
        if not isinstance(found, dict):
            raise NotJson
        return found

    def _followed(self, request: PageRequest) -> requests.Response:
        """The response after redirects, which keep the method: a POST that became a GET would lose its body."""
        url = request.url
        for _ in range(MOST_HOPS + 1):
            response = self._once(request, url)
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return response
            following = linked_address(url, response.headers["location"])
            if url.startswith("https:") and not following.startswith("https:"):
                raise EgressRefused("it redirects from https to an address without encryption")
            if not is_web_address(following):
                raise EgressRefused("it redirects to an address that is not https or http")
            url = following
        raise EgressRefused(f"it redirects more than {MOST_HOPS} times")

    def _once(self, request: PageRequest, url: str) -> requests.Response:
        split = urlsplit(url)
        login = self._login if (split.scheme, split.hostname, split.port) == self._origin else None
        plain = split._replace(netloc=split.netloc.rpartition("@")[2]).geturl()
        query: dict[str, object] = (
            {"json": request.query} if request.method == "POST" else {"params": _flat(request.query)}
        )
        headers = {"accept": "application/geo+json, application/json"}
        try:
            return self._session.request(
                request.method,
                plain,
                allow_redirects=False,
                auth=login,
                headers=headers,
                **query,  # type: ignore[arg-type]
            )
        except requests.RequestException:  # some of these are also ValueErrors
            raise
        except ValueError:  # requests parses the target of a redirect even if it does not follow it
            raise EgressRefused("it redirects to an address that cannot be read") from None


def _values(content: bytes) -> int:
    """Upper limit for the number of values and names in the JSON: each but the first follows one of these
    characters."""
    return sum(content.count(sign) for sign in (b",", b"[", b"{", b":"))


def smaller_page_may_help(error: Exception) -> bool:
    """Whether a smaller page may help."""
    if isinstance(error, Refused):
        return error.status in CHOKED or (error.status in (400, 422) and bool(_LIMIT.search(error.reason)))
    return not isinstance(error, requests.ConnectTimeout) and is_transient(error)


def is_transient(error: Exception) -> bool:
    """Whether another try may help. Failed connections are excluded, since the session has retried them itself."""
    if isinstance(error, Refused):
        return error.status in CHOKED
    if isinstance(error, NotJson):
        return not error.page
    retried = any(isinstance(one, MaxRetryError) for one in error.args)
    return isinstance(error, requests.RequestException) and not retried


def reason_of(content: bytes) -> str:
    """The reason in an error body: by `reason_in` if it is JSON, else the title of an HTML page, or the text."""
    try:
        return reason_in(orjson.loads(content))
    except orjson.JSONDecodeError:
        text = content[:20_000].decode("utf-8", "replace")
        page = _PAGE.search(text)
        return _on_one_line(page[1] if page else "" if "<" in text[:200] else text)


def reason_in(body: object) -> str:
    """The reason in the JSON of an error body, on one line; empty if there is none. User names and queries of URLs are
    removed, since they may be secret."""
    return _on_one_line(_reason_in(body))


def _on_one_line(reason: str) -> str:
    line = " ".join(clean(_QUERY.sub(r"\1\3", reason)).split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def _reason_in(body: object, depth: int = 0) -> str:
    if isinstance(body, str):
        return body
    if depth > DEEPEST_REASON:
        return ""
    if isinstance(body, list):
        return "; ".join(filter(None, (_reason_in(each, depth + 1) for each in body[:5])))
    if not isinstance(body, dict):
        return ""
    found = next((text for name in _REASONS if (text := _reason_in(body.get(name), depth + 1))), "")
    place = body.get("loc")  # of a validation error of FastAPI
    return f"{'.'.join(str(part) for part in place)}: {found}" if isinstance(place, list) and found else found


def _flat(query: Mapping[str, object]) -> dict[str, str]:
    return {
        name: ",".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value)
        for name, value in query.items()
    }
