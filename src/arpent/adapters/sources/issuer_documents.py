"""Issuer documents: the metadata and public keys that an OpenID Connect issuer publishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from urllib3 import Retry

from arpent.domain.errors import WorldError
from arpent.network.deadline import within
from arpent.network.sessions import MOST_KEY_BYTES, session

PATIENCE_SECONDS = 10.0
"""Time limit for one document, in seconds."""


def issuer_document(url: str) -> Mapping[str, Any]:
    """The JSON object at this URL. Redirects are not followed, since they could lead to another issuer. Raises
    WorldError (transient)."""
    made = session(Retry(total=1, redirect=0), (3.0, 5.0), most_bytes=MOST_KEY_BYTES)
    try:
        with made, within(PATIENCE_SECONDS):
            answer = made.get(url, headers={"accept": "application/json"}, allow_redirects=False)
            found = answer.json() if answer.status_code == 200 else None
    except (requests.RequestException, ValueError, RecursionError, OSError, WorldError) as error:
        raise WorldError(f"{url} does not answer ({type(error).__name__})", transient=True) from None
    if not isinstance(found, dict):
        raise WorldError(f"{url} answers HTTP {answer.status_code}, or no JSON object", transient=True)
    return found
