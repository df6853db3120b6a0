"""Links: which entries of a folder are folders to walk through, including linked ones, without walking any twice."""

from __future__ import annotations

import os


class WalkedFolders:
    """The root folder of a walk, and the folders outside it that links have led to."""

    def __init__(self, folder: str) -> None:
        self._walked = [os.path.realpath(folder)]

    def leads_on(self, entry: os.DirEntry[str]) -> bool:
        """Whether the entry is a folder to walk through. A link to a folder is, unless that contains the root of the
        walk, or is part of a folder that is walked anyway."""
        if entry.is_dir(follow_symlinks=False):
            return True
        try:
            if not (entry.is_symlink() and entry.is_dir()):
                return False
        except OSError:  # the link is circular, or its target may not be read
            return False
        real = os.path.realpath(entry.path)
        if _holds(real, self._walked[0]) or any(_holds(one, real) for one in self._walked):
            return False
        self._walked.append(real)
        return True


def _holds(folder: str, path: str) -> bool:
    """Whether the path is the folder or lies in it."""
    return path == folder or path.startswith(os.path.join(folder, ""))
