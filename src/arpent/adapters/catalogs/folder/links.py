"""Links: which entries of a folder are folders to walk through, links among them, each of these once."""

from __future__ import annotations

import os


class WalkedFolders:
    """The folders that one walk has been led to: its own, and those that links lead to."""

    def __init__(self, folder: str) -> None:
        self._walked = [os.path.realpath(folder)]

    def leads_on(self, entry: os.DirEntry[str]) -> bool:
        """Whether the entry is a folder to walk through. A link to one is, unless it leads back up, or to what is
        walked through in any case."""
        if entry.is_dir(follow_symlinks=False):
            return True
        try:
            if not (entry.is_symlink() and entry.is_dir()):
                return False
        except OSError:  # it leads in a circle, or where nobody may look
            return False
        real = os.path.realpath(entry.path)
        if _holds(real, self._walked[0]) or any(_holds(one, real) for one in self._walked):
            return False
        self._walked.append(real)
        return True


def _holds(folder: str, path: str) -> bool:
    """Whether the path is the folder or lies in it."""
    return path == folder or path.startswith(os.path.join(folder, ""))
