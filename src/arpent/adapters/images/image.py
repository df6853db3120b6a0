"""Image: what the reader asks of a file whose header it knows, whatever the format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from arpent.domain.imagery.raster import Raster
from arpent.domain.ports.imagery import Block


class NeedsGdal(Exception):
    """Something in the file that only GDAL can read."""


class Image(Protocol):
    """One file, its header read. Thread-safe."""

    @property
    def raster(self) -> Raster:
        """What the domain knows of it."""

    def packed_bytes(self, block: Block, band: int) -> int:
        """How many bytes of the file a block takes, as far as it is known; 0: not known."""

    def fetch(self, blocks: Sequence[Block], band: int) -> Any:
        """What these blocks take, read at once from a file that lies elsewhere; for `read`, which reads what is not
        there. Raises AssetUnreadable, and Replaced."""

    def read(self, block: Block, band: int, fetched: Any) -> NDArray[np.generic]:
        """One block, as AssetReader.read describes it. Raises AssetUnreadable, Replaced, and ValueError where the
        block's bytes are damaged."""

    def close(self) -> None:
        """Close what is open."""
