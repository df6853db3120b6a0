"""Collection names: which of a collection's STAC ids an API has; if it has none, which other ids it has."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from urllib.parse import quote

from arpent.adapters.catalogs.api.answers import NotItems, NotJson, PageRequest, Refused, Server, reason_in
from arpent.adapters.catalogs.api.pages import next_request
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.collection import Collection

MOST_LISTS = 50
"""Maximum number of pages of the list of collections."""
MOST_NAMED = 12
"""Maximum number of collections in a message."""
_ABSENT = (404, 410)
_UNKNOWN = (400, 405, 422, 501)
"""Statuses that do not show whether the collection exists."""
_UNLISTED = (*_ABSENT, *_UNKNOWN, 401, 403)
"""Statuses of an API that does not list its collections."""


def served_names(
    server: Server, address: str, groups: Sequence[Sequence[str]], collection: Collection, name: str
) -> list[str]:
    """The first id of each group that the API has; other ids of the group would return the same acquisitions. If the
    API does not show which it has, the first one. Raises CatalogUnavailable if it has none at all, and the errors of
    `Server.answer`."""
    base = address.rstrip("/")
    found = {each: _first(server, base, each) for each in map(tuple, groups)}
    # A gateway may briefly answer 404 for a collection that exists. Without a look at the list of collections, items
    # would then be missing, or those of another id be read.
    doubtful = [group for group, answer in found.items() if answer != group[0]]
    listed = _listed(server, base) if doubtful else None
    for group in doubtful:
        known = next((each for each in group if each in (listed or ())), None)
        found[group] = known or found[group] or (group[0] if listed is None and found[group] is None else "")
    served = [answer for answer in found.values() if answer]
    denied = [each for group, answer in found.items() if not answer for each in group]
    if served and denied and listed is None:
        raise CatalogUnavailable(
            f"{name} has {', '.join(served)} of {collection.id}, but not {', '.join(denied)}, and does not list its"
            " collections. If it lacks them, name those it has in a TOML file of your own (ARPENT_COLLECTIONS).",
            transient=True,
        )
    if served:
        return served
    wanted = [each for group in groups for each in group]
    raise CatalogUnavailable(
        f"{name} has none of the STAC collections of {collection.id}: {', '.join(wanted)}.{_instead(wanted, listed)}"
    )


def _first(server: Server, base: str, wanted: Sequence[str]) -> str | None:
    """The first id that the API has; empty if it has none; None if its answers do not show that."""
    unknown = False
    for each in wanted:
        answer = _has(server, base, each)
        if answer:
            return each
        unknown |= answer is None
    return None if unknown else ""


def _has(server: Server, base: str, wanted: str) -> bool | None:
    try:
        answer = server.answer(PageRequest(method="GET", url=f"{base}/collections/{quote(wanted, safe='')}"))
    except NotJson:
        return None
    except Refused as error:
        if error.status in _ABSENT:
            return False
        if error.status in _UNKNOWN:
            return None
        raise
    return answer.get("id") == wanted or None


def _listed(server: Server, base: str) -> list[str] | None:
    """The ids of all collections; None if the API has no list. Raises the errors of `Server.answer` if the API fails
    temporarily, or within the list, because an incomplete list would suggest that the rest does not exist."""
    names: list[str] = []
    request: PageRequest | None = PageRequest(method="GET", url=f"{base}/collections")
    for _ in range(MOST_LISTS):
        if request is None:
            break
        try:
            page = server.answer(request)
            entries = page.get("collections")
            if not isinstance(entries, list):
                raise NotItems(reason_in(page))
        except (NotJson, Refused) as error:
            if names or (isinstance(error, Refused) and error.status not in _UNLISTED):
                raise
            break
        fresh = [str(each["id"]) for each in entries if isinstance(each, dict) and "id" in each]
        if not set(fresh) - set(names):
            break
        names.extend(fresh)
        request = next_request(request, page)
    return names or None


def _instead(wanted: Sequence[str], listed: Sequence[str] | None) -> str:
    if not listed:
        return ""
    lower = {each.lower(): each for each in listed}
    close = {
        lower[match]: None for each in wanted for match in get_close_matches(each.lower(), lower, n=2, cutoff=0.6)
    }  # fmt: skip
    meant = f" Did you mean {' or '.join(list(close)[:3])}?" if close else ""
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return (
        f"{meant} It has: {', '.join(sorted(listed)[:MOST_NAMED])}{more}. To use one of them, name it in "
        "`stac_collections` of a TOML file of your own (ARPENT_COLLECTIONS)."
    )
