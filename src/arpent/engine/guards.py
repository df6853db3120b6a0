"""Guards: wrap the reader and the catalogue so that an unforeseen error affects only one image or search, and is
logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors, sentence
from arpent.domain.boundary.wanted import Wanted
from arpent.domain.errors import ArpentError, AssetUnreadable, CatalogUnavailable, NoLongerWanted
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Calibration, CalibrationFile, Item
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.interval import Interval
from arpent.domain.ports.imagery import AssetReader, Block, Catalog, Count
from arpent.engine.services import Services

log = logging.getLogger(__name__)

BROKEN = "the image cannot be read"
"""Message in the files of features that miss an image because the reader failed on it unexpectedly."""


def guarded(services: Services, wanted: Wanted = lambda: True) -> Services:
    """The same services, with a reader and a catalogue that raise only arpent's errors. Once the work is no longer
    wanted, they raise NoLongerWanted instead of describing an image or searching."""
    if isinstance(services.reader, GuardedReader):
        return services
    return replace(
        services, reader=GuardedReader(services.reader, wanted), catalog=GuardedCatalog(services.catalog, wanted)
    )


def check_wanted(wanted: Wanted) -> None:
    """Raise NoLongerWanted if the work is no longer wanted."""
    if not wanted():
        raise NoLongerWanted("it is no longer wanted")


@contextmanager
def image_errors(href: str) -> Iterator[None]:
    """Turn unforeseen errors into AssetUnreadable for this image, or into EnvironmentFault."""
    try:
        with panics_as_errors():
            yield
    except ArpentError:
        raise
    except Exception as error:
        log.exception("An image made its reader fail")
        raise environment_fault(error) or AssetUnreadable(sentence(error, BROKEN), href=href) from error


class GuardedReader:
    """An AssetReader for which an image that breaks the wrapped reader is unreadable; other images are not affected."""

    def __init__(self, reader: AssetReader, wanted: Wanted = lambda: True) -> None:
        self._reader = reader
        self._wanted = wanted

    def counting(self) -> AbstractContextManager[Count]:
        return self._reader.counting()

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        try:
            with panics_as_errors():
                self._reader.prepare(hrefs, files)
        except Exception:  # describe() will raise it, for the image concerned
            log.warning("Headers cannot be fetched ahead", exc_info=True)

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        check_wanted(self._wanted)
        with image_errors(href):
            return self._reader.describe(href, place)

    def calibration(self, file: CalibrationFile) -> Calibration:
        check_wanted(self._wanted)
        with image_errors(file.href):
            return self._reader.calibration(file)

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        if len(requests) == 1:
            with image_errors(requests[0][0]):
                yield from self._reader.read(requests, band)
            return
        try:
            with panics_as_errors():
                yield from self._reader.read(requests, band)
        except ArpentError:
            raise
        except Exception:
            for request in requests:  # read one by one, since the stream does not say which failed
                for _ in self.read([request], band):
                    pass
            raise


class GuardedCatalog:
    """A Catalog that raises CatalogUnavailable for a search that breaks the wrapped catalogue."""

    def __init__(self, catalog: Catalog, wanted: Wanted = lambda: True) -> None:
        self._catalog = catalog
        self._wanted = wanted

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        check_wanted(self._wanted)
        try:
            with panics_as_errors():
                return self._catalog.search(collection, interval, box)
        except ArpentError:
            raise
        except Exception as error:
            log.exception("A search failed unexpectedly")
            what = f"The catalogue's items of {collection.id} cannot be read"
            raise environment_fault(error) or CatalogUnavailable(sentence(error, what), transient=True) from error
