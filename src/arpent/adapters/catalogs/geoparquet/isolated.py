"""Isolated: a Catalog that is searched in a process that may die: what is in the data pages of Parquet nobody knows
before it is unpacked, and a few kilobytes may become more than the machine has."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as StillRunning
from typing import Any

from arpent.domain.errors import CatalogUnavailable, LimitExceeded, NoLongerWanted, WorkerDied
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.ports.execution import PendingCall

Box = tuple[float, float, float, float]
Search = tuple[Collection, Interval, Box]

LOOK_SECONDS = 0.5
"""Pause between checks whether the search is still wanted."""


class IsolatedCatalog:
    """Searches in another process. Thread-safe."""

    def __init__(
        self,
        submit: Callable[[Callable[[Any], Any], object], PendingCall[Any]],
        search: Callable[[Search], tuple[Item, ...]],
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`submit` runs a picklable function with a picklable argument in another process; `search` is that
        function. A search that is no longer `wanted` ends with its process, and raises NoLongerWanted."""
        self._submit = submit
        self._search = search
        self._wanted = wanted

    def search(self, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
        call = self._submit(self._search, (collection, interval, box))
        try:
            return self._answer(call)
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

    def _answer(self, call: PendingCall[tuple[Item, ...]]) -> tuple[Item, ...]:
        while self._wanted():
            try:
                return call.future.result(LOOK_SECONDS)
            except StillRunning:
                if call.future.done():  # just now, or it is what the search raised
                    return call.future.result()
        raise NoLongerWanted("The search of the catalogue was stopped")
