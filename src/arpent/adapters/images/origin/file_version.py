"""File version: which content of a file bytes come from, as far as its server or disk tells."""

from __future__ import annotations

Version = tuple[str | None, float, int]
"""ETag, time of change (seconds; 0: not told), size in bytes."""


def same_version(one: Version, other: Version) -> bool:
    """Whether both are the same. Servers of one name may differ in an image's ETag: then time and size decide."""
    tagged = None not in (one[0], other[0])
    return (tagged and one[0] == other[0]) or (one[1:] == other[1:] and (one[1] > 0 or not tagged))


def is_telling(version: Version) -> bool:
    """Whether other content of the same length would have another version."""
    return version[0] is not None or version[1] > 0
