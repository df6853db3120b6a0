"""Output keys: the key of each result depends only on job and feature, so that a rerun overwrites its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from urllib.parse import quote

from arpent.domain.location import ID, IDENTIFIER, REQUEST_ID, Location

LONGEST = 180
"""Maximum length of an identifier in a key, in characters: file systems allow names of 255 bytes, to which a template
may add some."""
KEPT = 150
"""Number of characters that are kept of a longer identifier."""
OWN = (
    "documents", "features", "features/features.parquet", "fingerprints", "parquet", "report", "report/features.json",
    "stac", "stac/collection.json",
)  # fmt: skip
"""arpent's own folders in the job's folder, and the objects in them that have fixed names."""
LISTED, PART = ("documents", "fingerprints", "parquet"), ".parquet"
"""Those of these folders whose objects have varying names, and the suffix: every object with it is read as a part."""
_PART_OF_LETTER = re.compile(r"(?:%[0-9A-F]{2})*%?[0-9A-F]?$")
_PLACEHOLDER = re.compile(f"{REQUEST_ID}|{ID}|{IDENTIFIER}")


def template(output: Location) -> str:
    """The template of keys: a folder without placeholders means `folder/<REQUEST_ID>/<ID>.json` (sentinelhub.md
    2.1)."""
    if _PLACEHOLDER.search(output.key):
        return output.key.rstrip("/")
    return output.child(f"{REQUEST_ID}/{ID}.json").key


def result_key(pattern: str, job_id: str, feature: int, identifier: str | None) -> str:
    """Key of one feature's result. Characters of an identifier that could leave its folder or break a URL are
    percent-encoded, and an identifier that is too long for a file name is cut; without one, the id is used."""
    key = pattern.replace(REQUEST_ID, job_id).replace(ID, str(feature))
    return key.replace(IDENTIFIER, name_of(feature, identifier)) if IDENTIFIER in key else key


def result_keys(pattern: str, job_id: str, features: Iterable[int], identifiers: Iterable[str | None]) -> Iterator[str]:
    """The `result_key` of each feature, with a shortcut for the usual pattern, which has only the id, and only once."""
    before, _, after = pattern.replace(REQUEST_ID, job_id).partition(ID)
    if _PLACEHOLDER.search(before + after) or ID not in pattern:
        yield from map(partial(result_key, pattern, job_id), features, identifiers)
    else:
        yield from (f"{before}{feature}{after}" for feature in features)


def name_of(feature: int, identifier: str | None) -> str:
    """The text for the placeholder <IDENTIFIER>: a long identifier is cut, and the id is appended."""
    name = safe(identifier or str(feature))
    return name if len(name) <= LONGEST else f"{_PART_OF_LETTER.sub('', name[:KEPT])}~{feature}"


def safe(name: str) -> str:
    """The name as one segment of a key: all characters but letters, digits and ` ._-~@+=,()` are percent-encoded."""
    encoded = quote(name, safe=" ._-~@+=,()")
    return encoded.replace(".", "%2E") if set(encoded) <= {"."} else encoded


def own(output: Location, job_id: str, name: str) -> Location:
    """Location of one of arpent's own objects (table, report): in a sub-folder of the job's folder, never among the
    results."""
    static = template(output).split("<", 1)[0]
    folder = static.rsplit("/", 1)[0] if "/" in static else ""
    return output.at(f"{folder}/{job_id}/{name}" if folder else f"{job_id}/{name}")


def own_keys(output: Location, job_id: str) -> Callable[[str], bool]:
    """A function that returns whether a key is reserved, as one of OWN or as a part of arpent's tables: a result with
    this key would replace such an object, be read as one, or be a file in the place of a folder."""
    exact = {own(output, job_id, name).key for name in OWN}
    folders = tuple(own(output, job_id, f"{name}/").key for name in LISTED)
    return lambda key: key in exact or (key.endswith(PART) and key.startswith(folders))
