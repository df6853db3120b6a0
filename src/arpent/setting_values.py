"""Values of settings: checks beyond their type. Each function raises ValueError with the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise

from pydantic import AfterValidator, SecretStr

from arpent.domain.boundary.address_grammar import BUCKET, is_private_url
from arpent.network.policy import is_web_address
from arpent.wire.secrets import is_placeholder

SHORTEST_KEY = 32
"""Minimum length in bytes of a key that signs tokens."""


def address(text: str) -> str:
    """URL of a STAC API, a folder or file, or stac-geoparquet in a bucket; other schemes would be taken for folders."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in ("http", "https", "file", "s3"):
        raise ValueError(f"nothing reads {scheme}://")
    if scheme == "s3" and separator and not BUCKET.fits(rest.partition("/")[0]):
        raise ValueError("it names no bucket")
    if scheme in ("http", "https") and separator and not is_web_address(text):
        raise ValueError("it has no host, or an invalid port")
    return text


SIZES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
"""Unit of a folder's size → bytes."""
_FOLDER_OF_SIZE = re.compile(r"([^\x00]+):([1-9][0-9]{0,5})(MB|GB|TB)")


def folder_of_size(text: str) -> str:
    """A folder and how much it may hold: folder:20GB."""
    if _FOLDER_OF_SIZE.fullmatch(text) is None:
        raise ValueError("write a folder, a colon and a size in MB, GB or TB")
    return text


def folder_and_bytes(text: str) -> tuple[str, int]:
    """Folder and bytes of a valid `folder_of_size`."""
    found = _FOLDER_OF_SIZE.fullmatch(text)
    assert found is not None, "checked by the settings"
    return found[1], int(found[2]) * SIZES[found[3]]


def image_template(text: str) -> str:
    """Template of the URLs of a base map's images. Its host becomes part of the page's policy."""
    scheme, _, rest = text.partition("://")
    if scheme not in ("http", "https") or not re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?/[!-~]+", rest):
        raise ValueError("it must begin with https://host/")
    if missing := [part for part in ("{z}", "{x}", "{y}") if part not in rest]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    return text


def issuer_url(text: str) -> str:
    """URL of an OpenID Connect issuer. Over plain http anybody on the way could sign tokens, but on this machine."""
    if not is_web_address(text) or re.search(r"[?#\s]", text):
        raise ValueError("it has no host, or an invalid port, or more than a path")
    if not is_private_url(text):
        raise ValueError("it must begin with https")
    return text


def web_address(text: str) -> str:
    """URL of a server, with a path or without."""
    if not is_web_address(text) or re.search(r"[?#@\s]", text):
        raise ValueError("it must begin with http:// or https:// and a host, and hold no password and no query")
    return text


def job_database(url: str) -> str:
    """URL of the job database. Its scheme is checked, and where its password ends; the driver reads the rest. No reason
    quotes the rest, which may hold a password in any place."""
    scheme, separator, rest = url.partition("://")
    kind = scheme.partition("+")[0]
    if not separator:
        raise ValueError("it has no ://; a file is written sqlite:///file")
    if kind == "postgres":
        raise ValueError("write postgresql:// instead of postgres://")
    if kind == "sqlite" and "?" in rest:
        raise ValueError("nothing may follow the file")
    if kind == "sqlite" and rest in ("", "/", "/:memory:"):
        raise ValueError("it names no file, and several processes need the same one")
    if re.search(r"^[^:/@]*:change[-_ ]?me@", rest, re.IGNORECASE):
        raise ValueError("its password is a placeholder")
    if rest.partition("/")[0].count("@") > 1:  # what follows the first would be taken for a host, and shown
        raise ValueError("write @ in its password as %40, / as %2F")
    if re.search(r"[?&]password=", rest, re.IGNORECASE):
        raise ValueError("its password must stand before the host, as user:password@host: there it is never shown")
    if scheme not in ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"):
        raise ValueError(f"there is no support for {scheme}")
    return url


def long_key(secret: SecretStr) -> SecretStr:
    """A key that is long enough and not a placeholder."""
    value = secret.get_secret_value()
    if len(value.encode()) < SHORTEST_KEY:
        raise ValueError("it is too short")
    if is_placeholder(value):
        raise ValueError("it is a placeholder, or repeats itself: create one with `openssl rand -base64 32`")
    if is_guessable(value):
        raise ValueError("its characters follow a pattern: create one with `openssl rand -base64 32`")
    return secret


def is_guessable(key: str) -> bool:
    """Whether characters run on (`abcd`, `4321`, `aaaa`) in half of the key, or sequences of it return. Of random keys
    of 32 hexadecimal digits 14 in a million do, of 64 or of base64 less than one in a hundred million."""
    seen = key[:256]
    steps = [abs(ord(after) - ord(before)) <= 1 for before, after in pairwise(seen)]
    triples = [seen[start : start + 3] for start in range(len(seen) - 2)]
    return sum(steps) > len(steps) / 2 or len(set(triples)) < 0.7 * len(triples)


def key_list(value: object) -> object:
    """Keys given as text: several have commas between them. An entry is not read as JSON: a key may look like it."""
    if not isinstance(value, str):
        return value
    return [entry.strip() for entry in value.split(",")]


def listed(value: object) -> object:
    """A list given as text, which variables hold: entries separated by commas, or JSON."""
    if not isinstance(value, str):
        return value
    found = parsed(value)
    return found if isinstance(found, list) else [entry.strip() for entry in value.split(",") if entry.strip()]


def each(fits: Callable[[str], bool], words: str) -> AfterValidator:
    """A validator that refuses a list with an entry that does not fit; `words`: what fits, for the message."""

    def check(entry: str) -> str:
        if not fits(entry):
            raise ValueError(f"{entry!r:.60} is not {words}")
        return entry

    return AfterValidator(check)


def table_entry(value: object) -> object:
    """A variable holds an entry of a table as JSON."""
    return parsed(value) if isinstance(value, str) else value


def parsed(text: str) -> object:
    """The text as JSON, or else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
