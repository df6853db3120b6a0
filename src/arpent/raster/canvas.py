"""Canvas: the samples of all scenes of one input, as they fill up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arpent.raster.conversion import Conversion, wide_enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Destination of one band of one item."""

    values: NDArray[np.generic]
    """(N,): digital numbers; written wherever this band has data, final once all bands have."""
    filled: NDArray[np.uint8]
    """(N,): not 0 where an earlier item of the scene has given data; such samples are left alone."""
    hits: NDArray[np.unsignedinteger]
    """(N,): how many bands of the item at hand have data at the sample."""
    conversion: Conversion
    """What becomes of a stored number."""


@dataclass(slots=True)
class Canvas:
    """Values of `len(holes)` bands at N samples in some scenes. The one thing in this floor that changes."""

    scenes: int
    """Scenes; 1 for SIMPLE."""
    samples: int
    """N."""
    holes: tuple[float, ...]
    """Digital number of each band where there is no data."""
    items: int
    """Items of the scene that has most."""
    mask: NDArray[np.uint8] = field(init=False)
    """(scenes, N): 1 where the sample has data."""
    used: NDArray[np.signedinteger] = field(init=False)
    """(scenes, N): position, among the items of the scene, of the one the sample came from; -1: none. As narrow as the
    number of items allows."""
    hits: NDArray[np.unsignedinteger] = field(init=False)
    """(N,): bands of the item at hand that have data. As narrow as the number of bands allows."""
    values: list[NDArray[np.generic] | None] = field(init=False)
    """Per band (scenes, N); None until the type is known."""

    def __post_init__(self) -> None:
        self.mask = np.zeros((self.scenes, self.samples), np.uint8)
        self.used = np.full((self.scenes, self.samples), -1, np.min_scalar_type(-max(self.items, 2**15)))
        self.hits = np.zeros(self.samples, np.min_scalar_type(len(self.holes)))
        self.values = [None] * len(self.holes)

    def target(self, scene: int, band: int, conversion: Conversion) -> Target:
        """Where samples of one band of one scene go. `widen` for the conversion comes first."""
        values = self.values[band]
        assert values is not None
        return Target(values=values[scene], filled=self.mask[scene], hits=self.hits, conversion=conversion)

    def widen(self, band: int, dtype: np.dtype[np.generic]) -> None:
        """Make room for numbers of this type beside those that are there, and for the band's hole."""
        values = self.values[band]
        dtype = wide_enough(dtype, self.holes[band])
        if values is None:
            self.values[band] = np.empty((self.scenes, self.samples), dtype)
        elif np.result_type(values.dtype, dtype) != values.dtype:
            self.values[band] = values.astype(np.result_type(values.dtype, dtype))

    def commit(self, scene: int, item: int, barred: NDArray[np.bool_] | None) -> None:
        """Samples that all bands of the item have given are filled for good, unless `barred` (N,)."""
        if barred is not None:
            self.hits[barred] = 0
        _commit(self.hits, len(self.holes), self.mask[scene], self.used[scene], item)

    def forget(self) -> None:
        """Whatever the item at hand has given so far; to be called when reading it broke off."""
        self.hits[:] = 0

    def abandon(self, samples: NDArray[np.bool_]) -> None:
        """Samples (N,) that nothing shall be read for any more, in any scene."""
        self.mask[:, samples] = 1

    def vacant(self, scene: int, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,): features with a sample that is still to be filled."""
        return _vacant(self.mask[scene], offsets)  # type: ignore[no-any-return]

    def finish(self, abandoned: NDArray[np.bool_]) -> tuple[NDArray[np.generic], ...]:
        """The values, holes in place, and wherever samples (N,) were abandoned."""
        self.mask[:, abandoned] = 0
        self.used[:, abandoned] = -1
        for band, number in enumerate(self.holes):
            self.widen(band, np.dtype(np.uint8))
            values = self.values[band]
            assert values is not None
            _fill(values, self.mask, values.dtype.type(number))
        return tuple(values for values in self.values if values is not None)


@njit(cache=True, nogil=True)
def _commit(hits, bands, mask, used, item):  # type: ignore[no-untyped-def]
    for n in range(len(hits)):
        if hits[n] == bands:
            mask[n] = 1
            used[n] = item
        hits[n] = 0


@njit(cache=True, nogil=True)
def _vacant(mask, offsets):  # type: ignore[no-untyped-def]
    found = np.zeros(len(offsets) - 1, np.bool_)
    for feature in range(len(found)):
        for n in range(offsets[feature], offsets[feature + 1]):
            if mask[n] == 0:
                found[feature] = True
                break
    return found


@njit(cache=True, nogil=True)
def _fill(values, mask, number):  # type: ignore[no-untyped-def]
    for scene in range(mask.shape[0]):
        for n in range(mask.shape[1]):
            if mask[scene, n] == 0:
                values[scene, n] = number
