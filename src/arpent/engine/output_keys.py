"""Output keys: where each result of a job goes; a function of job and feature, so a rerun overwrites."""

from __future__ import annotations

import re
from urllib.parse import quote

from arpent.domain.location import ID, IDENTIFIER, REQUEST_ID, Location

LONGEST = 180
"""Letters of an identifier in a key, at most: file systems take names of 255 bytes, and a template may add some."""
KEPT = 150
"""Letters that stay of a longer one."""
_PART_OF_LETTER = re.compile(r"(?:%[0-9A-F]{2})*%?[0-9A-F]?$")
_PLACEHOLDER = re.compile(f"{REQUEST_ID}|{ID}|{IDENTIFIER}")


def template(output: Location) -> str:
    """The key template: a plain folder means `folder/<REQUEST_ID>/<ID>.json` (sentinelhub.md 2.1)."""
    if _PLACEHOLDER.search(output.key):
        return output.key
    return output.child(f"{REQUEST_ID}/{ID}.json").key


def result_key(pattern: str, job_id: str, feature: int, identifier: str | None) -> str:
    """One feature's key. An identifier is percent-encoded where it could leave its folder or break a URL, and cut where
    it is too long for a file's name; without one the id stands in."""
    key = pattern.replace(REQUEST_ID, job_id).replace(ID, str(feature))
    return key.replace(IDENTIFIER, name_of(feature, identifier)) if IDENTIFIER in key else key


def name_of(feature: int, identifier: str | None) -> str:
    """What stands for <IDENTIFIER>: a long one is cut, and the id put behind."""
    name = safe(identifier or str(feature))
    return name if len(name) <= LONGEST else f"{_PART_OF_LETTER.sub('', name[:KEPT])}~{feature}"


def safe(name: str) -> str:
    """A name that is one segment of a key: letters, digits and ` ._-~@+=,()` stay."""
    encoded = quote(name, safe=" ._-~@+=,()")
    return encoded.replace(".", "%2E") if set(encoded) <= {"."} else encoded


def own(output: Location, job_id: str, name: str) -> Location:
    """An object of ours (table, report), in the job's folder but in a sub-folder of it, never beside results."""
    static = template(output).split("<", 1)[0]
    folder = static.rsplit("/", 1)[0] if "/" in static else ""
    return output.at(f"{folder}/{job_id}/{name}" if folder else f"{job_id}/{name}")
