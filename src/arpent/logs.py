"""Logs: one line per event, as text or JSON, with the job's id where there is one."""

from __future__ import annotations

import json
import logging
import warnings
from datetime import UTC, datetime
from typing import Literal


class _Json(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if job := getattr(record, "job", None):
            line["job"] = job
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Text(logging.Formatter):
    """Lines of time, level, job and message."""

    def format(self, record: logging.LogRecord) -> str:
        job = f" [{job}]" if (job := getattr(record, "job", None)) else ""
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname:<7}{job} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(form: Literal["text", "json"]) -> None:
    """Write log lines of level INFO and above to standard error, as text or JSON."""
    # Rasterio's; such a file is placed by its item, or refused in our own words.
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "alembic", "pyogrio", "rasterio", "numba"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
