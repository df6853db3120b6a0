"""Setting values: checks of settings beyond their type. Each check raises ValueError with the reason."""

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
    """Check the address of a catalogue: URL of a STAC API, a folder or file, or stac-geoparquet in a bucket. Addresses
    with other schemes would be mistaken for folders."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in ("http", "https", "file", "s3"):
        raise ValueError(f"nothing reads {scheme}://")
    if scheme == "s3" and separator and not BUCKET.fits(rest.partition("/")[0]):
        raise ValueError("it names no bucket")
    if scheme in ("http", "https") and separator and not is_web_address(text):
        raise ValueError("it has no host, or an invalid port")
    return text


SIZES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
"""Unit of a folder size → bytes."""
_FOLDER_OF_SIZE = re.compile(r"([^\x00]+):([1-9][0-9]{0,5})(MB|GB|TB)")


def folder_of_size(text: str) -> str:
    """Check a folder with its maximum size: folder:20GB."""
    if _FOLDER_OF_SIZE.fullmatch(text) is None:
        raise ValueError("write a folder, a colon and a size in MB, GB or TB")
    return text


def folder_and_bytes(text: str) -> tuple[str, int]:
    """Split a valid `folder_of_size` into the folder and its maximum size in bytes."""
    found = _FOLDER_OF_SIZE.fullmatch(text)
    assert found is not None, "checked by the settings"
    return found[1], int(found[2]) * SIZES[found[3]]


def image_template(text: str) -> str:
    """Check the URL template for the images of a base map. Its host becomes part of the page's security policy."""
    scheme, _, rest = text.partition("://")
    if scheme not in ("http", "https") or not re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?/[!-~]+", rest):
        raise ValueError("it must begin with https://host/")
    if missing := [part for part in ("{z}", "{x}", "{y}") if part not in rest]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    return text


def issuer_url(text: str) -> str:
    """Check the URL of an OpenID Connect issuer. Plain http is allowed only on this machine: elsewhere, anyone on the
    network path could replace the issuer's keys and sign tokens."""
    if not is_web_address(text) or re.search(r"[?#\s]", text):
        raise ValueError("it has no host, or an invalid port, or more than a path")
    if not is_private_url(text):
        raise ValueError("it must begin with https")
    return text


def web_address(text: str) -> str:
    """Check the URL of a server, with or without a path."""
    if not is_web_address(text) or re.search(r"[?#@\s]", text):
        raise ValueError("it must begin with http:// or https:// and a host, and hold no password and no query")
    return text


def job_database(url: str) -> str:
    """Check the scheme of the job database's URL, and that its password is delimited; the driver parses the rest. Error
    messages never quote the rest, since a password may be anywhere in it."""
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
    if rest.partition("/")[0].count("@") > 1:  # text after the first @ would be taken for the host, and shown
        raise ValueError("write @ in its password as %40, / as %2F")
    if re.search(r"[?&]password=", rest, re.IGNORECASE):
        raise ValueError("its password must stand before the host, as user:password@host: there it is never shown")
    if scheme not in ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"):
        raise ValueError(f"there is no support for {scheme}")
    return url


def long_key(secret: SecretStr) -> SecretStr:
    """Check that a key is long enough, not a placeholder and not guessable."""
    value = secret.get_secret_value()
    if len(value.encode()) < SHORTEST_KEY:
        raise ValueError("it is too short")
    if is_placeholder(value):
        raise ValueError("it is a placeholder, or repeats itself: create one with `openssl rand -base64 32`")
    if is_guessable(value):
        raise ValueError("its characters follow a pattern: create one with `openssl rand -base64 32`")
    return secret


def is_guessable(key: str) -> bool:
    """Whether more than half of the key is runs (`abcd`, `4321`, `aaaa`), or it repeats sequences. That is true of 14
    in a million random keys of 32 hexadecimal digits, and of less than one in 100 million of 64 digits or base64."""
    seen = key[:256]
    steps = [abs(ord(after) - ord(before)) <= 1 for before, after in pairwise(seen)]
    triples = [seen[start : start + 3] for start in range(len(seen) - 2)]
    return sum(steps) > len(steps) / 2 or len(set(triples)) < 0.7 * len(triples)


def key_list(value: object) -> object:
    """Split keys given as text, separated by commas. Entries are not parsed as JSON, since keys may look like it."""
    if not isinstance(value, str):
        return value
    return [entry.strip() for entry in value.split(",")]


def listed(value: object) -> object:
    """Parse a list given as text by an environment variable: entries separated by commas, or JSON."""
    if not isinstance(value, str):
        return value
    found = parsed(value)
    return found if isinstance(found, list) else [entry.strip() for entry in value.split(",") if entry.strip()]


def each(fits: Callable[[str], bool], words: str) -> AfterValidator:
    """A validator that rejects list entries for which `fits` is False; `words` says what fits, for the message."""

    def check(entry: str) -> str:
        if not fits(entry):
            raise ValueError(f"{entry!r:.60} is not {words}")
        return entry

    return AfterValidator(check)


def table_entry(value: object) -> object:
    """Parse a table entry, which environment variables hold as JSON text."""
    return parsed(value) if isinstance(value, str) else value


def parsed(text: str) -> object:
    """The value of a JSON text, or the text itself if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
