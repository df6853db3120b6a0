"""File version: which content of a file bytes come from, as far as its server or disk tells."""

from __future__ import annotations

import time

SETTLED_SECONDS = 10.0
"""A file that was changed so lately may be changed once more without another time: servers tell it in whole seconds,
and many make the ETag of it; their clock may differ from ours."""
Version = tuple[str | None, float, int]
"""ETag, time of change (seconds; 0: not told), size in bytes."""


def same_version(one: Version, other: Version) -> bool:
    """Whether both are the same. Servers of one name may differ in an image's ETag: then time and size decide."""
    tagged = None not in (one[0], other[0])
    return (tagged and one[0] == other[0]) or (one[1:] == other[1:] and (one[1] > 0 or not tagged))


def is_telling(version: Version) -> bool:
    """Whether other content of the same length would have another version."""
    return version[0] is not None or version[1] > 0


def is_settled(version: Version) -> bool:
    """Whether other content that a server gets later would have another version: only then may bytes be kept."""
    return is_telling(version) and time.time() - version[1] >= SETTLED_SECONDS
