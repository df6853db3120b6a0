"""Token service: requests to a service that issues keys. They have a time limit, obey Retry-After and the egress
policy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from arpent.network.access import AccessFailed
from arpent.network.deadline import within
from arpent.network.passing import is_passing
from arpent.network.policy import EgressPolicy, EgressRefused

if TYPE_CHECKING:
    import requests

SECONDS = 60.0
"""Time limit for getting a key, with all tries and pauses."""
TIMEOUT = (5.0, 20.0)
RETRIES = 6
BACKOFF = 0.5
HOPS = 5
"""Maximum number of redirects of a login."""
_ODD = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""Errors raised when code reads an answer that is not a key. It may come from a gateway, so another try may help."""
_KEY = re.compile(r"[!-~]+")


def key_in(answer: Mapping[str, Any], name: str) -> str:
    """A key from an answer, checked to be valid in a header or URL. Raises KeyError and ValueError."""
    found = answer[name]
    if not (isinstance(found, str) and _KEY.fullmatch(found)):
        raise ValueError("this is no key")
    return found


@contextmanager
def asking(what: str, url: str, policy: EgressPolicy | None, *, redirects: bool = False) -> Iterator[requests.Session]:
    """A session for requests to the service at `url` for `what` (text for messages). Errors raised inside become
    AccessFailed with a text of its own, because the original text may contain URLs and headers."""
    import requests  # takes long to load, and few processes ask for keys

    from arpent.network.sessions import MOST_KEY_BYTES, PatientRetry, session

    retry = PatientRetry(
        total=RETRIES, backoff_factor=BACKOFF, backoff_jitter=BACKOFF, status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None, raise_on_status=False,
    )  # fmt: skip
    made = session(retry, TIMEOUT, policy, most_bytes=MOST_KEY_BYTES)
    made.max_redirects = HOPS if redirects else 0
    host = urlsplit(url).netloc
    lead = f"{what} cannot be obtained from {host}"
    try:
        with made, within(SECONDS):
            yield made
    except requests.TooManyRedirects:
        raise AccessFailed(f"{lead}: it redirects elsewhere, and keys are not sent there") from None
    except requests.HTTPError as error:
        raise _refusal(lead, 0 if error.response is None else error.response.status_code) from None
    except requests.JSONDecodeError:
        raise AccessFailed(f"{lead}: its answer cannot be used", transient=True) from None
    except requests.RequestException as error:
        cause = _cause(error)
        if cause is not None:
            raise AccessFailed(f"{lead}: {cause}", refused=True) from None
        raise AccessFailed(f"{lead}: it does not answer ({type(error).__name__})", transient=True) from None
    except EgressRefused as error:
        raise AccessFailed(f"{lead}: {error}", refused=True) from None
    except _ODD:
        raise AccessFailed(f"{lead}: its answer cannot be used", transient=True) from None


def _refusal(lead: str, status: int) -> AccessFailed:
    if status in (401, 403):
        return AccessFailed(f"{lead}: it refuses the user, the token or the secret (HTTP {status})", refused=True)
    if status == 400:
        return AccessFailed(f"{lead}: it refuses the client, the secret or the scope (HTTP 400)", refused=True)
    if not is_passing(status):
        return AccessFailed(f"{lead}: it answers HTTP {status}; is this its address?")
    return AccessFailed(f"{lead}: it answers HTTP {status}", transient=True)


def _cause(error: BaseException | None) -> EgressRefused | None:
    while error is not None:
        if isinstance(error, EgressRefused):
            return error
        error = error.__cause__ or error.__context__
    return None
