"""Damaged: handles results that are not as arpent wrote them. Clients, and others who may write into their buckets, can
replace these files; then a message names the file, and nothing looks like an error of the server."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa
import shapely
from pyproj.exceptions import ProjError

from arpent.domain.errors import ArpentError, InvalidRequest

DAMAGED = (
    pa.ArrowException, ProjError, shapely.errors.ShapelyError, AttributeError, LookupError, OSError, OverflowError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip
"""Errors that reading and using such a file raises."""
log = logging.getLogger(__name__)


@contextmanager
def results_file(key: str) -> Iterator[None]:
    """Turn the errors that libraries raise for a damaged file into InvalidRequest, which names this key."""
    try:
        yield
    except ArpentError:
        raise
    except DAMAGED as error:
        log.warning("%s is not as arpent writes it: %s: %s", key, type(error).__name__, error)
        raise InvalidRequest(f"{key!r:.300} is damaged, or has been overwritten: run the request again") from error


def check_columns(found: pa.Schema, kinds: Mapping[str, pa.DataType | None]) -> None:
    """Raises ValueError unless these columns exist and have these types (None: any)."""
    here = {name: found.field(name).type for name in found.names}
    if wrong := [name for name, kind in kinds.items() if name not in here or kind not in (None, here[name])]:
        raise ValueError(f"its columns {', '.join(wrong)} are missing or have another type")
