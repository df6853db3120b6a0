"""Canvas: holds the samples of all scenes of one input while they are filled, item by item."""

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
    """(N,): digital numbers. Written where this band has data, and everywhere if no sample is filled; a sample is final
    once all bands have data."""
    filled: NDArray[np.uint8]
    """(N,): not 0 where an earlier item of the scene gave data; these samples stay unchanged. Empty if none is."""
    hits: NDArray[np.unsignedinteger]
    """(N,): number of bands of the current item that have data at the sample; see `Canvas.note`."""
    conversion: Conversion
    """How stored numbers become digital numbers."""
    dtype: np.dtype[np.generic]
    """Type that the item's numbers have if it is read alone. Interpolated numbers are rounded to it even if `values`
    has a wider type because of other items: a feature's numbers must not depend on its neighbours' images."""


@dataclass(slots=True)
class Canvas:
    """Values of `len(holes)` bands at N samples in some scenes. The only mutable object of this package."""

    scenes: int
    """Number of scenes; 1 for SIMPLE."""
    samples: int
    """Number of samples, N."""
    holes: tuple[float, ...]
    """Digital number of each band where there is no data."""
    items: int
    """Number of items of the scene that has the most items."""
    mask: NDArray[np.uint8] = field(init=False)
    """(scenes, N): 1 where the sample has data."""
    used: NDArray[np.signedinteger] = field(init=False)
    """(scenes, N): index, among the scene's items, of the item the sample came from; -1: none. The integer type is the
    smallest that holds the number of items."""
    hits: NDArray[np.unsignedinteger] = field(init=False)
    """(N,): number of bands of the current item that have data, not counting the bands listed in `_beyond`. The integer
    type is the smallest that holds the number of bands."""
    _beyond: list[NDArray[np.intp]] = field(init=False, default_factory=list)
    """One entry for each band of the current item for which no hits are counted: the samples without data; all other
    samples have data."""
    values: list[NDArray[np.generic] | None] = field(init=False)
    """One array (scenes, N) per band; None until its type is known."""
    _begun: list[bool] = field(init=False)
    """Whether `mask` and `used` of a scene have been written: its first item writes all of both."""
    _vacant: list[int] = field(init=False)
    """How many samples of a scene no item has filled."""

    def __post_init__(self) -> None:
        self.mask = np.empty((self.scenes, self.samples), np.uint8)
        self.used = np.empty((self.scenes, self.samples), np.min_scalar_type(-max(self.items, 2**15)))
        self.hits = np.zeros(self.samples, np.min_scalar_type(len(self.holes)))
        self.values = [None] * len(self.holes)
        self._begun, self._vacant = [False] * self.scenes, [self.samples] * self.scenes

    def filled(self, scene: int) -> NDArray[np.uint8]:
        """(N,): not 0 where a sample is filled or abandoned; empty if no sample is."""
        return self.mask[scene] if self._begun[scene] else self.mask[scene, :0]

    def target(self, scene: int, band: int, conversion: Conversion) -> Target:
        """Destination of one band of one scene. `widen` must have been called for the conversion before."""
        values = self.values[band]
        assert values is not None
        own = wide_enough(conversion.dtype, self.holes[band])
        return Target(values=values[scene], filled=self.filled(scene), hits=self.hits, conversion=conversion, dtype=own)

    def widen(self, band: int, dtype: np.dtype[np.generic]) -> bool:
        """Change the band's type, if needed, so that it can hold numbers of `dtype`, those already there, and the hole.
        Returns whether all numbers stay bit for bit what they would be alone: sums with an offset, if they are floats,
        are rounded to the band's type."""
        values = self.values[band]
        dtype = wide_enough(dtype, self.holes[band])
        if values is None:
            self.values[band] = np.empty((self.scenes, self.samples), dtype)
            return True
        wider = np.result_type(values.dtype, dtype)
        if wider != values.dtype:
            with np.errstate(invalid="ignore"):  # samples not yet written may hold anything
                self.values[band] = values.astype(wider)
        return values.dtype == dtype or wider.kind in "iu"

    def commit(self, scene: int, item: int, barred: NDArray[np.bool_] | None) -> None:
        """Mark the samples that have data in all bands of the item as filled, except those in `barred` (N,)."""
        beyond, self._beyond = self._beyond, []
        bands = len(self.holes) - len(beyond)
        if barred is not None:
            self.hits += len(beyond)
            self.hits[barred] = 0
            bands = len(self.holes)
        if bands == 0 and not self._begun[scene]:
            self._fill_but(scene, item, beyond)
        else:
            for samples in beyond:
                self.hits[samples] = 0
            fill = _fill_further if self._begun[scene] else _fill_first
            self._vacant[scene] -= fill(self.hits, bands, self.mask[scene], self.used[scene], item)
        self._begun[scene] = True

    def _fill_but(self, scene: int, item: int, beyond: list[NDArray[np.intp]]) -> None:
        """Mark all samples except those in `beyond` as filled, in a scene to which nothing has been written yet."""
        self.mask[scene], self.used[scene], self._vacant[scene] = 1, item, 0
        if any(map(len, beyond)):
            samples = np.unique(np.concatenate(beyond))
            self.mask[scene][samples], self.used[scene][samples], self._vacant[scene] = 0, -1, len(samples)

    def note(self, beyond: NDArray[np.intp] | None) -> None:
        """Note that a band of the current item has been read. `beyond`: the samples without data, if all others have
        data and no hits were counted; None: hits were counted."""
        if beyond is not None:
            self._beyond.append(beyond)

    def forget(self) -> None:
        """Discard what the current item has contributed so far; call this if reading the item failed."""
        self.hits[:] = 0
        self._beyond.clear()

    def abandon(self, samples: NDArray[np.bool_]) -> None:
        """Abandon samples (N,) in all scenes: nothing more is read for them."""
        for scene in range(self.scenes):
            self._begin(scene)
        self.mask[:, samples] = 1

    def vacant(self, scene: int, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,): features with a sample that is not filled yet."""
        if not self._begun[scene]:
            return np.diff(offsets) > 0
        if not self._vacant[scene]:
            return np.zeros(len(offsets) - 1, np.bool_)
        return _vacant(self.mask[scene], offsets)  # type: ignore[no-any-return]

    def finish(self, abandoned: NDArray[np.bool_] | None) -> tuple[NDArray[np.generic], ...]:
        """The values of each band (scenes, N), with the band's hole where there is no data. `abandoned` (N,): samples
        that count as having no data; None: there are none."""
        for scene in range(self.scenes):
            self._begin(scene)
        if abandoned is not None:
            self.mask[:, abandoned] = 0
            self.used[:, abandoned] = -1
        with_holes = [
            (scene, np.flatnonzero(self.mask[scene] == 0)) for scene in range(self.scenes)
            if self._vacant[scene] or abandoned is not None
        ]  # fmt: skip
        for band, number in enumerate(self.holes):
            self.widen(band, np.dtype(np.uint8))
            values = self.values[band]
            assert values is not None
            for scene, samples in with_holes:
                values[scene][samples] = number  # twice as fast as [scene, samples]
        return tuple(values for values in self.values if values is not None)

    def _begin(self, scene: int) -> None:
        """Initialise `mask` and `used` of a scene to which nothing has been written yet."""
        if not self._begun[scene]:
            self.mask[scene], self.used[scene], self._begun[scene] = 0, -1, True


@njit(cache=True, nogil=True)
def _fill_first(hits, bands, mask, used, item):  # type: ignore[no-untyped-def]
    """Set mask and item of every sample, regardless of previous contents; returns how many are filled."""
    count = 0
    for n in range(len(hits)):
        full = hits[n] == bands
        mask[n] = full
        used[n] = item if full else -1
        count += full
        hits[n] = 0
    return count


@njit(cache=True, nogil=True)
def _fill_further(hits, bands, mask, used, item):  # type: ignore[no-untyped-def]
    """Mark the samples that have data in all bands, none of which was filled before; returns how many there are."""
    count = 0
    for n in range(len(hits)):
        if hits[n] == bands:
            mask[n] = 1
            used[n] = item
            count += 1
        hits[n] = 0
    return count


@njit(cache=True, nogil=True)
def _vacant(mask, offsets):  # type: ignore[no-untyped-def]
    found = np.zeros(len(offsets) - 1, np.bool_)
    for feature in range(len(found)):
        for n in range(offsets[feature], offsets[feature + 1]):
            if mask[n] == 0:
                found[feature] = True
                break
    return found
