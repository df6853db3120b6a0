"""Logs: one line per event, as text or JSON, with the job and request concerned, if any; and the audit log."""

from __future__ import annotations

import json
import logging
import os
import stat
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

AUDIT = "arpent.audit"
"""Name of the logger that records what clients and operators do."""
About = Callable[[], Mapping[str, str]]


class _Json(logging.Formatter):
    """Formats records as one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if job := getattr(record, "job", None):
            line["job"] = job
        line |= getattr(record, "about", {})
        line |= {name: value for name, value in getattr(record, "fields", {}).items() if value is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Text(logging.Formatter):
    """Formats records as lines of time, level, job and message."""

    def format(self, record: logging.LogRecord) -> str:
        job = f" [{job}]" if (job := getattr(record, "job", None)) else ""
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7}{job} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _About(logging.Filter):
    """Adds to each record the fields of the request that the logging thread or task is working for."""

    def __init__(self, about: About) -> None:
        super().__init__()
        self._about = about

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "about"):
            record.about = dict(self._about())
        return True


def configure(form: Literal["text", "json"], about: About = dict) -> None:
    """Write log lines of level INFO and above to standard error, as text or JSON. `about` returns further fields for
    JSON lines; it is called in the thread or task that logs."""
    # A warning of rasterio: arpent takes the position from the image's item, or raises its own error.
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    handler.addFilter(_About(about))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "alembic", "pyogrio", "rasterio", "numba"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def open_audit_log(path: Path | None, about: About = dict) -> None:
    """Also write what clients and operators do to this file, one JSON object per line; only its owner may read it.
    None: write it to the general log only. Raises OSError."""
    logger = logging.getLogger(AUDIT)
    for former in [*logger.handlers]:
        logger.removeHandler(former)
        former.close()
    if path is None:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():  # an existing file may be readable by others
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    handler = logging.FileHandler(path, encoding="utf-8", errors="replace")
    handler.setFormatter(_Json())
    handler.addFilter(_About(about))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
