"""Image: the interface through which the reader reads blocks of an opened file, whatever its format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from arpent.domain.imagery.raster import Raster
from arpent.domain.ports.imagery import Block


class NeedsGdal(Exception):
    """The file has a feature that only GDAL can read."""


class Image(Protocol):
    """One image file whose header has been read. Thread-safe."""

    @property
    def raster(self) -> Raster:
        """The image's header in the domain's terms."""

    def packed_bytes(self, block: Block, band: int) -> int:
        """How many bytes of the file a block takes, or an estimate; 0: not known."""

    def fetch(self, blocks: Sequence[Block], band: int) -> Any:
        """Read the stored bytes of these blocks of a remote file together, to be passed to `read`, which itself reads
        what is missing. Raises AssetUnreadable, and Replaced."""

    def read(self, block: Block, band: int, fetched: Any) -> NDArray[np.generic]:
        """The pixels of one block, as AssetReader.read describes them. Raises AssetUnreadable, Replaced, and ValueError
        if the block's bytes are damaged."""

    def close(self) -> None:
        """Close the files that are open."""
