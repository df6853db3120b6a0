"""Size: refuses an object that is too large before any of it is read."""

from __future__ import annotations

from arpent.domain.errors import LimitExceeded
from arpent.domain.location import Location


def check_size(location: Location, size: int, most: int | None) -> None:
    """Refuse an object of more than `most` bytes. Raises LimitExceeded."""
    if most is not None and size > most:
        raise LimitExceeded(f"{location.url} has {size:,} bytes, more than the {most:,} allowed")
