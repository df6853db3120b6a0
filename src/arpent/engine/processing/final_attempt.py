"""Final attempt: an AssetReader for the last attempt at a partition, after which nothing is tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.item import Calibration, CalibrationFile
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.ports.imagery import AssetReader, Block, Count

PATIENCE = 3
"""Number of images of a server that may fail before no more are requested from it, since each failure takes a
minute."""


class FinalAttemptReader:
    """An AssetReader that turns transient errors into final ones, so that only the features that need the image
    fail."""

    def __init__(self, reader: AssetReader) -> None:
        self._reader = reader
        self._failed: Counter[str] = Counter()

    def counting(self) -> AbstractContextManager[Count]:
        return self._reader.counting()

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        self._reader.prepare(
            [href for href in hrefs if not self._given_up(href)],
            [file for file in files if not self._given_up(file.href)],
        )

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        self._check(href)
        try:
            return self._reader.describe(href, place)
        except AssetUnreadable as error:
            raise self._final(error) from None

    def calibration(self, file: CalibrationFile) -> Calibration:
        self._check(file.href)
        try:
            return self._reader.calibration(file)
        except AssetUnreadable as error:
            raise self._final(error) from None

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        for href, blocks in requests:
            if blocks:
                self._check(href)
        try:
            yield from self._reader.read(requests, band)
        except AssetUnreadable as error:
            raise self._final(error) from None

    def _check(self, href: str) -> None:
        if self._given_up(href):
            message = f"an image of {_server(href)} was not requested: {PATIENCE} others could not be read"
            raise AssetUnreadable(message, href=href, passing=True, away=True)

    def _given_up(self, href: str) -> bool:
        return self._failed[_server(href)] >= PATIENCE

    def _final(self, error: AssetUnreadable) -> AssetUnreadable:
        if error.transient:
            self._failed[_server(error.href)] += 1
        passing = error.transient or error.passing  # START computes features that lack intervals because of it again
        return AssetUnreadable(error.args[0], href=error.href, block=error.block, passing=passing, away=error.transient)


def _server(href: str) -> str:
    return urlsplit(href).netloc.rpartition("@")[2]
