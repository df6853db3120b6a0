"""Temporary folder: holds files while a process works on them. Processes that read clients' files are killed when that
takes too long or is no longer wanted; what they left behind is removed when the next folder is created."""

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
"""An unlocked folder that has not changed for this long was left behind; a newer one may not be locked yet."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder, removed at the end of the context; what a dying process still adds to it is removed later."""
    _remove_left()
    with TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):  # without locks in the file system, `_remove_unheld` does not remove it
                fcntl.flock(place, fcntl.LOCK_SH)  # released when this process ends, however it ends
            yield Path(folder)
        finally:
            os.close(place)


def _remove_left() -> None:
    """Remove folders left behind by processes of this user that have ended."""
    with suppress(OSError), os.scandir(gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with suppress(OSError):
                    _remove_unheld(entry.path)


def _remove_unheld(folder: str) -> None:
    """Remove a folder that was left behind. Raises OSError if a process holds it, or it is not a folder."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        about = os.fstat(place)
        if about.st_uid == os.geteuid() and about.st_mtime < time.time() - AGE_SECONDS:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(place)
