"""File version: identifies the content of a file by what its server or disk reports, to notice that it was replaced."""

from __future__ import annotations

import os
import time

SETTLED_SECONDS = 10.0
"""A file that was changed less than this ago may change again and keep its time of change: servers report that in whole
seconds, many derive the ETag from it, and their clocks may differ from ours."""
Version = tuple[str | None, float, int]
"""ETag (None: unknown), time of the last change (seconds since 1970; 0: unknown), size in bytes."""


def version_on_disk(status: os.stat_result) -> Version:
    """The version of a file of this machine."""
    return None, status.st_mtime_ns / 1e9, status.st_size


def same_version(one: Version, other: Version) -> bool:
    """Whether both are the same. Servers behind one host name may give a file different ETags: if so, time and size
    decide."""
    tagged = None not in (one[0], other[0])
    return (tagged and one[0] == other[0]) or (one[1:] == other[1:] and (one[1] > 0 or not tagged))


def is_telling(version: Version) -> bool:
    """Whether the version identifies the content by more than its length."""
    return version[0] is not None or version[1] > 0


def is_settled(version: Version) -> bool:
    """Whether any later change of the file would change its version: only then may its bytes be cached."""
    return is_telling(version) and time.time() - version[1] >= SETTLED_SECONDS
