"""Damaged: results that are not as arpent wrote them. Clients, and those they let write into the bucket, may replace
them; the client is then told which file it is, and it does not count as an error of the server."""

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
"""What reading and using such a file raises."""
log = logging.getLogger(__name__)


@contextmanager
def results_file(key: str) -> Iterator[None]:
    """Raises InvalidRequest, which names this key, in place of what libraries raise for a file that is damaged."""
    try:
        yield
    except ArpentError:
        raise
    except DAMAGED as error:
        log.warning("%s is not as arpent writes it: %s: %s", key, type(error).__name__, error)
        raise InvalidRequest(f"{key!r:.300} is damaged, or has been overwritten: run the request again") from error


def check_columns(found: pa.Schema, kinds: Mapping[str, pa.DataType | None]) -> None:
    """Raises ValueError unless these columns are there, and of these kinds (None: any)."""
    here = {name: found.field(name).type for name in found.names}
    if wrong := [name for name, kind in kinds.items() if name not in here or kind not in (None, here[name])]:
        raise ValueError(f"its columns {', '.join(wrong)} are missing or have another type")
