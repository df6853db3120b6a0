"""No disk: within it, writing a file, making a folder or opening an SQLite file in this process fails."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CACHES = ("__pycache__", *filter(None, [os.environ.get("NUMBA_CACHE_DIR")]))
"""Where Python and numba keep what they compiled."""
HYPOTHESIS = str(Path(hypothesis.__file__).parent)
"""Keeps what failed, in files of its own."""
STANDARD_LIBRARY = sysconfig.get_path("stdlib")

_refusing = False


@contextmanager
def no_disk() -> Iterator[None]:
    """Raises AssertionError where it happens, in any thread. Reading is allowed."""
    global _refusing  # noqa: PLW0603 - an audit hook cannot be taken out again
    _refusing = True
    try:
        yield
    finally:
        _refusing = False


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if not _refusing:
        return
    path = arguments[0] if arguments else None
    if event == "open":
        touches = isinstance(arguments[2], int) and bool(arguments[2] & WRITING)
    else:
        touches = event in ("os.mkdir", "sqlite3.connect")
    if touches and isinstance(path, str | bytes | os.PathLike) and not _is_allowed(os.fsdecode(path)):
        raise AssertionError(
            f"a unit test of the domain must not touch {os.fsdecode(path)} ({event}); what has to is named in ON_DISK "
            "of tests/unit/conftest.py"
        )


def _is_allowed(path: str) -> bool:
    return path == os.devnull or any(cache in path for cache in CACHES) or _is_for_hypothesis()


def _is_for_hypothesis() -> bool:
    """Whether hypothesis itself writes, and not the test that it calls."""
    for frame, _ in traceback.walk_stack(None):
        name = frame.f_code.co_filename
        standard = name.startswith((STANDARD_LIBRARY, "<")) and "site-packages" not in name
        if name != __file__ and not standard:
            return name.startswith(HYPOTHESIS)
    return False


sys.addaudithook(_audit)
