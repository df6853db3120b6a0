"""Temporary folder: a place for files while a process works on them. Processes that read files of others are killed
when that takes too long or is no longer wanted; what they left is removed when the next folder is made."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

PREFIX = "arpent-files-"
AGE_SECONDS = 10.0
"""A folder that nobody holds and that has not changed for so long was left; one that is just made is not held yet."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder, removed at the end of the context; what a dying process still adds to it goes later."""
    _remove_left()
    with TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):  # a file system without locks: then nobody removes what was left, either
                fcntl.flock(place, fcntl.LOCK_SH)  # it ends with this process, however that ends
            yield Path(folder)
        finally:
            os.close(place)


def _remove_left() -> None:
    """Remove the folders of this user's processes that are gone."""
    with suppress(OSError), os.scandir(gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with suppress(OSError):
                    _remove_unheld(entry.path)


def _remove_unheld(folder: str) -> None:
    """Remove a folder. Raises OSError if somebody holds it, or it is not a folder."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        about = os.fstat(place)
        if about.st_uid == os.geteuid() and about.st_mtime < time.time() - AGE_SECONDS:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(place)
