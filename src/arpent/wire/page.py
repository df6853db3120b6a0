"""Page: `count` and `viewtoken` of a list, and the `links` to the next and previous page (sentinelhub.md 1.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from arpent.domain.errors import InvalidRequest
from arpent.domain.ports.jobs import SortKey

MAXIMUM_COUNT = 100
"""Maximum and default number of entries of a page; a larger `count` is reduced to it (sentinelhub.md 1.2)."""

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list to show."""

    offset: int = 0
    """Number of entries before the page; as text, this is the view token."""
    count: int = MAXIMUM_COUNT
    """Maximum number of entries on the page."""

    @property
    def reach(self) -> int:
        """Number of entries to fetch: one more than is shown, in order to know whether there is a next page."""
        return self.count + 1


def page(count: str | None, token: str | None) -> Page:
    """The page requested by the query parameters `count` and `viewtoken`. Raises InvalidRequest."""
    if count is not None and not (re.fullmatch(r"[0-9]{1,9}", count) and int(count) > 0):
        raise InvalidRequest.at("count", "must be a whole number of at least 1")
    if token and not re.fullmatch(r"[0-9]{1,12}", token):
        raise InvalidRequest.at("viewtoken", "is not a valid token; take it from `links` of the previous page")
    return Page(offset=int(token or 0), count=min(int(count), MAXIMUM_COUNT) if count else MAXIMUM_COUNT)


def sort_key(text: str | None) -> SortKey:
    """The requested order of the job list; newest first by default. Raises InvalidRequest."""
    try:
        return SortKey(text or SortKey.CREATED_DESCENDING)
    except ValueError:
        raise InvalidRequest.at("sort", f"must be one of {', '.join(SortKey)}") from None


def page_object(
    entries: Sequence[Entry],
    window: Page,
    show: Callable[[Entry], Mapping[str, object]],
    url: str,
    query: Mapping[str, str],
    *,
    more: bool = False,
) -> dict[str, object]:
    """`{"data": […], "links": {…}}` for up to `window.reach` entries. `url`: address of the list without a query;
    `query`: parameters that each link repeats in addition to its token; `more`: whether further entries follow even if
    fewer than `window.reach` are given."""

    def link(offset: int) -> str:
        return f"{url}?{urlencode({**query, 'viewtoken': offset})}"

    tokens: dict[str, object] = {"currentToken": str(window.offset)}
    uris: dict[str, object] = {"@id": link(window.offset)}
    if more or len(entries) > window.count:
        following = window.offset + min(len(entries), window.count)
        tokens["nextToken"], uris["next"] = str(following), link(following)
    if window.offset > 0:
        before = max(0, window.offset - window.count)
        tokens["previousToken"], uris["previous"] = str(before), link(before)
    return {"data": [show(entry) for entry in entries[: window.count]], "links": tokens | uris}
