"""Isolated: a FeatureSource that downloads and parses files in another process, which a damaged file may crash.

That process packs the features, batch by batch, into files of a temporary folder: they are compact, and no more than
one batch is in memory twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from arpent.adapters.features.direct import DirectFeatures, joined
from arpent.adapters.features.temporary_folder import temporary_folder
from arpent.domain.boundary.wanted import answer_while_wanted
from arpent.domain.errors import FeaturesUnreadable, LimitExceeded, WorkerDied, WorldError
from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile, Location
from arpent.domain.ports.execution import PendingCall

log = logging.getLogger(__name__)

DEATHS = 3
"""Deaths of the process that reads a file after which the file is to blame."""
Answer = TypeVar("Answer")
Pack = Callable[[Features], bytes]
Reading = tuple[FeatureFile, int | None, Path]
"""(file, maximum number of features, folder for the packed batches)."""


class IsolatedFeatures:
    """A FeatureSource that reads in another process. Thread-safe."""

    def __init__(
        self,
        direct: DirectFeatures,
        submit: Callable[[Callable[[Any], Any], object], PendingCall[Any]],
        *,
        pack: Pack,
        unpack: Callable[[bytes], Features],
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`submit` runs a picklable function with a picklable argument in another process; `pack` is picklable too."""
        self._direct = direct
        self._submit = submit
        self._pack = pack
        self._unpack = unpack
        self._wanted = wanted

    def features(self, file: FeatureFile, most: int | None = None) -> Features:
        return self._repeated(file, lambda: self._features(file, most))

    def feature(self, file: FeatureFile, feature: int) -> Features | None:
        one = partial(_one, self._direct, self._pack)
        found = self._repeated(file, lambda: self._answer(file, one, (file, feature)))
        return None if found is None else self._unpack(found)

    def copy(self, file: FeatureFile, target: Location, about: str) -> None:
        self._repeated(file, lambda: self._answer(file, partial(_copy, self._direct), (file, target, about)))

    def _features(self, file: FeatureFile, most: int | None) -> Features:
        parts: list[Features] = []
        with temporary_folder() as folder:

            def take() -> None:
                """Unpack the batches that have arrived while the rest is being read."""
                while (path := _batch(folder, len(parts))).exists():
                    parts.append(self._unpack(path.read_bytes()))
                    path.unlink()

            reading: Reading = (file, most, folder)
            self._answer(file, partial(_spool, self._direct, self._pack), reading, take)
            take()
        return joined(file, iter(parts))

    def _repeated(self, location: Location, read: Callable[[], Answer]) -> Answer:
        """What `read` returns; it is repeated if its process dies. A system that kills the process, for lack of memory,
        seldom does so again; a file that crashes it does so each time. Raises FeaturesUnreadable after DEATHS
        deaths."""
        for death in range(1, DEATHS + 1):
            try:
                return read()
            except WorkerDied as error:
                if death == DEATHS:
                    raise FeaturesUnreadable(
                        f"The file {location.url} crashes the process that reads it: {error}. Write it again "
                        "with geopandas or ogr2ogr, and check its geometries."
                    ) from error
                log.warning("Death %d of the process that reads %s: %s", death, location.url, error)
        raise AssertionError

    def _answer(
        self,
        location: Location,
        function: Callable[[Any], Answer],
        argument: object,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Answer:
        """The answer of the call. Raises NoLongerWanted as soon as it is no longer wanted, and WorkerDied."""
        call: PendingCall[Answer] = self._submit(function, argument)
        try:
            return answer_while_wanted(call.future, self._wanted, f"The reading of {location.url}", meanwhile)
        except LimitExceeded as error:
            raise FeaturesUnreadable(f"The file {location.url} cannot be read. {error}") from error
        except CancelledError as error:
            raise WorldError("Reading the features was cancelled", transient=True) from error
        finally:
            call.cancel()


def _spool(direct: DirectFeatures, pack: Pack, reading: Reading) -> int:
    """In the other process: write every batch to a file; returns their number."""
    location, most, folder = reading
    count = 0
    for count, batch in enumerate(direct.batches(location, most), 1):
        written = folder / "part"
        written.write_bytes(pack(batch))
        written.rename(_batch(folder, count - 1))  # the waiting reader must not see half a file
    return count


def _copy(direct: DirectFeatures, arguments: tuple[FeatureFile, Location, str]) -> None:
    """In the other process: write a copy of the features."""
    direct.copy(*arguments)


def _one(direct: DirectFeatures, pack: Pack, arguments: tuple[FeatureFile, int]) -> bytes | None:
    """In the other process: read one feature and pack it."""
    found = direct.feature(*arguments)
    return None if found is None else pack(found)


def _batch(folder: Path, number: int) -> Path:
    return folder / f"{number}.npz"
