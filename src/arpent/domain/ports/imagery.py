"""The ports of imagery: a STAC catalogue, and images as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Calibration, CalibrationFile, Item
from arpent.domain.imagery.raster import Georeference, Raster
from arpent.domain.interval import Interval


class Catalog(Protocol):
    """A source of STAC items: a STAC API, or a folder of items."""

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        """Items of the interval whose footprint intersects the box, ordered by time.

        `box` is (west, south, east, north) in EPSG:4326; if west > east, the box crosses the antimeridian. An
        acquisition that was processed more than once appears once, in its newest processing. Items that
        `collection.choice` excludes may lack their assets. Raises CatalogUnavailable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One internal tile of one level of an image. `row` and `column` count blocks from the top left."""

    level: int
    row: int
    column: int
    rows: int | None = field(default=None, compare=False)
    """Number of pixel rows needed, from the top of the block; None: all. A reader may stop decoding after these."""


class Count(Protocol):
    """A counter that is still running. Reading it raises nothing."""

    @property
    def total(self) -> int:
        """The count so far."""


class AssetReader(Protocol):
    """Reads cloud-optimised GeoTIFFs and other images as blocks. `counting` and `prepare` raise nothing."""

    def counting(self) -> AbstractContextManager[Count]:
        """Count the compressed bytes read for the calling thread inside the `with` block, for metrics.

        This includes reads by helper threads, but not reads for other threads. Bytes that two threads need are counted
        for the one that requested them first.
        """

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        """Start reading the headers of these images, and these files, concurrently, so that describe() and
        calibration() need not wait for each in turn. Errors are raised by those two methods."""

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        """The image's header; cached. `place` is used for whatever the file does not declare itself, CRS or transform.
        Raises AssetUnreadable, also if neither declares them or if the two contradict each other."""

    def calibration(self, file: CalibrationFile) -> Calibration:
        """The calibration of one image, read from the file; the file is cached. Raises AssetUnreadable if the file
        cannot be read or does not hold the calibration."""

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        """Blocks of several images as (href, block, pixels), each decoded once, in the order requested.

        Pixels have the shape (block_height, block_width); blocks at the edge are padded to full size. A block requested
        with `rows` may have only that many rows. If the image's mask hides pixels, they are a numpy masked array.
        `band` counts from 0. Reading ahead and decoding run concurrently. Raises AssetUnreadable for the first block
        that cannot be read.
        """
