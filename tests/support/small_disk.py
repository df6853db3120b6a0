"""A disk of a few megabytes (tmpfs) that can be filled up and freed again; only root may mount one."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, kw_only=True)
class SmallDisk:
    """Mounted at `path`."""

    path: Path

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    @property
    def free(self) -> int:
        """Bytes."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leaving: int = 0) -> None:
        """Take all space but so many bytes."""
        with self._ballast.open("ab", buffering=0) as ballast:
            try:
                while (left := self.free - leaving) > 0:
                    ballast.write(bytes(min(left, 65_536)))
            except OSError as error:  # others write at the same time
                if error.errno != errno.ENOSPC:
                    raise

    def clear(self) -> None:
        """Give it back."""
        self._ballast.unlink()


@contextmanager
def small_disk(path: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """A disk at this place; the test is skipped where none can be mounted."""
    path.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", str(path)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs a small disk to fill, but there is no `mount` here")
    if done.returncode:
        pytest.skip(f"needs a small disk to fill (run as root): {done.stderr.strip()}")
    try:
        yield SmallDisk(path=path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
