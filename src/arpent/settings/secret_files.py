"""Secret files: settings whose value is in a file, named by `ARPENT_…_FILE` or mounted in /run/secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

MOUNTED = Path("/run/secrets")
"""Where Docker, Podman and systemd units put secrets. Files there whose names begin with `arpent_`, in any letter case,
are settings."""
ENDING = "_FILE"
"""Ending of a variable that names a file; no setting's own name ends like this."""
LONGEST_SECRET = 65_536
"""Maximum size of such a file in bytes."""


def value_in(path: Path) -> str:
    """The text of a file without surrounding spaces and line ends. Raises ValueError with the reason."""
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_SECRET + 1)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read: {getattr(error, 'strerror', None) or 'it is no path'}") from None
    if len(content) > LONGEST_SECRET:
        raise ValueError(f"is larger than {LONGEST_SECRET} bytes")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8: see byte {error.start}") from None
    if not text:
        raise ValueError("is empty")
    return text


def mounted_files(prefix: str) -> Iterator[Path]:
    """The files in MOUNTED whose names begin with the prefix, in any letter case; none if there is no such folder."""
    try:
        names = sorted(entry.name for entry in os.scandir(MOUNTED) if entry.is_file())
    except OSError:
        return
    yield from (MOUNTED / name for name in names if name.upper().startswith(prefix))
