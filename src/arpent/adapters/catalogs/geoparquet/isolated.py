"""Isolated: a Catalog that is searched in a separate process, because the size of Parquet data pages is only known
after decompression, and a few kilobytes may become more than the machine's memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from arpent.domain.boundary.wanted import answer_while_wanted
from arpent.domain.errors import CatalogUnavailable, LimitExceeded, WorkerDied
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.ports.execution import PendingCall

Box = tuple[float, float, float, float]
Search = tuple[Collection, Interval, Box]


class IsolatedCatalog:
    """A Catalog that searches in another process. Thread-safe."""

    def __init__(
        self,
        submit: Callable[[Callable[[Any], Any], object], PendingCall[Any]],
        search: Callable[[Search], tuple[Item, ...]],
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`submit`: runs a picklable function with a picklable argument in another process; `search`: that function;
        `wanted`: if it returns false, the process of the search is ended, and the search raises NoLongerWanted."""
        self._submit = submit
        self._search = search
        self._wanted = wanted

    def search(self, collection: Collection, interval: Interval, box: Box) -> tuple[Item, ...]:
        call = self._submit(self._search, (collection, interval, box))
        try:
            return answer_while_wanted(call.future, self._wanted, "The search of the catalogue")
        except LimitExceeded as error:
            raise CatalogUnavailable(f"The catalogue of {collection.id} cannot be read. {error}") from error
        except WorkerDied as error:
            raise CatalogUnavailable(
                f"The catalogue of {collection.id} crashes the process that reads it: {error}. Write its files again, "
                "with rustac or stac-geoparquet."
            ) from error
        except CancelledError as error:
            raise CatalogUnavailable("The search was cancelled", transient=True) from error
        finally:
            call.cancel()
