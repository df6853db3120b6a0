"""The ports of imagery: a STAC catalogue, and images as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.imagery.raster import Raster
from arpent.domain.interval import Interval


class Catalog(Protocol):
    """A STAC catalogue."""

    def search(
        self, collection: Collection, interval: Interval, box: tuple[float, float, float, float]
    ) -> tuple[Item, ...]:
        """Items of the interval whose footprint meets the box (EPSG:4326; west, south, east, north; where west > east
        the box passes 180); by time.
        The same acquisition appears once, in its newest processing. Raises CatalogUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One internal tile of one level of one image."""

    level: int
    row: int
    column: int
    rows: int | None = field(default=None, compare=False)
    """How many of its rows, from the top, are enough; None: all. A reader may stop decoding there."""


class Count(Protocol):
    """How much it is so far, of something that goes on."""

    @property
    def total(self) -> int:
        """So far."""


class AssetReader(Protocol):
    """Cloud-optimised GeoTIFFs. Raises AssetUnreadable, naming the image."""

    def counting(self) -> AbstractContextManager[Count]:
        """Counts the compressed bytes that are read on behalf of the calling thread within, for metrics: whatever else
        goes on in the process, and whichever threads read. What two need is counted for the one that asked first."""

    def prepare(self, hrefs: Sequence[str]) -> None:
        """Begin to read these headers, all at once, so that describe() need not wait for one after another."""

    def describe(self, href: str) -> Raster:
        """The header; cached."""

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        """Blocks (block_height, block_width) of several images, each decoded once, in the order asked;
        reading ahead and decoding run concurrently. Edge blocks come padded to full size. A block asked for
        with `rows` may come with so many rows only. Where a mask of the image takes pixels away, the block is a numpy
        masked array."""
