"""Isolated: a Catalog that is searched in a process that may die: what is in the data pages of Parquet nobody knows
before it is unpacked, and a few kilobytes may become more than the machine has."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from arpent.domain.errors import CatalogUnavailable, LimitExceeded, WorkerDied
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.ports.execution import PendingCall

Box = tuple[float, float, float, float]
Search = tuple[Collection, Interval, Box]


class IsolatedCatalog:
    """Searches in another process. Thread-safe."""

    def __init__(
        self,
        submit: Callable[[Callable[[Any], Any], object], PendingCall[Any]],
        search: Callable[[Search], tuple[Item, ...]],
    ) -> None:
        """`submit` runs a picklable function with a picklable argument in another process; `search` is that
        function."""
        self._submit = submit
        self._search = search

    def search(self, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
        call = self._submit(self._search, (collection, interval, box))
        try:
            found: tuple[Item, ...] = call.future.result()
        except LimitExceeded as error:
            raise CatalogUnavailable(f"The catalogue of {collection.id} cannot be read. {error}") from error
        except WorkerDied as error:
            raise CatalogUnavailable(
                f"The catalogue of {collection.id} ends the process that reads it: {error}. Write its files again, "
                "with rustac or stac-geoparquet."
            ) from error
        except CancelledError as error:
            raise CatalogUnavailable("The search was cancelled", transient=True) from error
        finally:
            call.cancel()
        return found
