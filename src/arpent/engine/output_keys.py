"""Output keys: the key of each result, computed from job and feature alone, so that a rerun overwrites."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from urllib.parse import quote

from arpent.domain.location import ID, IDENTIFIER, REQUEST_ID, Location

LONGEST = 180
"""Maximum length of an identifier in a key, in letters: file systems take names of 255 bytes, and a template may add
some."""
KEPT = 150
"""Letters kept of a longer identifier."""
OWN = (
    "documents", "features", "features/features.parquet", "fingerprints", "parquet", "report", "report/features.json",
    "stac", "stac/collection.json",
)  # fmt: skip
"""Folders of our own in the job's folder, and the objects in them whose names never differ."""
LISTED, PART = ("documents", "fingerprints", "parquet"), ".parquet"
"""Those whose objects have names that differ: every one that ends like a part is read as one."""
_PART_OF_LETTER = re.compile(r"(?:%[0-9A-F]{2})*%?[0-9A-F]?$")
_PLACEHOLDER = re.compile(f"{REQUEST_ID}|{ID}|{IDENTIFIER}")


def template(output: Location) -> str:
    """The key template: a plain folder means `folder/<REQUEST_ID>/<ID>.json` (sentinelhub.md 2.1)."""
    if _PLACEHOLDER.search(output.key):
        return output.key.rstrip("/")
    return output.child(f"{REQUEST_ID}/{ID}.json").key


def result_key(pattern: str, job_id: str, feature: int, identifier: str | None) -> str:
    """Key of one feature's result. An identifier is percent-encoded where it could leave its folder or break a URL, and
    cut if it is too long for a file name; without one the id is used."""
    key = pattern.replace(REQUEST_ID, job_id).replace(ID, str(feature))
    return key.replace(IDENTIFIER, name_of(feature, identifier)) if IDENTIFIER in key else key


def result_keys(pattern: str, job_id: str, features: Iterable[int], identifiers: Iterable[str | None]) -> Iterator[str]:
    """The `result_key` of each feature: most patterns hold the id, once, and nothing else of the feature."""
    before, _, after = pattern.replace(REQUEST_ID, job_id).partition(ID)
    if _PLACEHOLDER.search(before + after) or ID not in pattern:
        yield from map(partial(result_key, pattern, job_id), features, identifiers)
    else:
        yield from (f"{before}{feature}{after}" for feature in features)


def name_of(feature: int, identifier: str | None) -> str:
    """The text for <IDENTIFIER>: a long identifier is cut, and the id appended."""
    name = safe(identifier or str(feature))
    return name if len(name) <= LONGEST else f"{_PART_OF_LETTER.sub('', name[:KEPT])}~{feature}"


def safe(name: str) -> str:
    """A name as one segment of a key: letters, digits and ` ._-~@+=,()` stay, others are percent-encoded."""
    encoded = quote(name, safe=" ._-~@+=,()")
    return encoded.replace(".", "%2E") if set(encoded) <= {"."} else encoded


def own(output: Location, job_id: str, name: str) -> Location:
    """Location of one of arpent's own objects (table, report): in a sub-folder of the job's folder, never beside
    results."""
    static = template(output).split("<", 1)[0]
    folder = static.rsplit("/", 1)[0] if "/" in static else ""
    return output.at(f"{folder}/{job_id}/{name}" if folder else f"{job_id}/{name}")


def own_keys(output: Location, job_id: str) -> Callable[[str], bool]:
    """Tells whether a key is one of OWN, or that of a part of our tables: a result with it would replace an object of
    ours, be read as one, or be a file where a folder has to be."""
    exact = {own(output, job_id, name).key for name in OWN}
    folders = tuple(own(output, job_id, f"{name}/").key for name in LISTED)
    return lambda key: key in exact or (key.endswith(PART) and key.startswith(folders))
