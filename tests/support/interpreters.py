"""Interpreters: the processes that scripts of this process run in, as /proc shows them."""

from __future__ import annotations

import os
from pathlib import Path


def interpreters() -> list[Path]:
    """Their folders in /proc; of what else this process started nothing."""
    zygotes = [child for child in _children(os.getpid()) if b"v8.zygote" in (child / "cmdline").read_bytes()]
    return [child for zygote in zygotes for child in _children(int(zygote.name))]


def _children(process: int) -> list[Path]:
    path = Path(f"/proc/{process}/task/{process}/children")
    return [Path("/proc") / word for word in path.read_text().split()] if path.exists() else []
