"""Computed: sums values that machine code computes piece by piece, so that they are never in memory all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, types
from numba.experimental import function_type  # noqa: F401 - lets kernels take a _Function
from numpy.typing import NDArray

from arpent.domain.evalscript import SampleType
from arpent.domain.ports.scripts import MachineCode
from arpent.zonal.moments import add_samples, no_sums
from arpent.zonal.sample_type import type_limits

_SIGNATURE = types.int64(types.int64, types.int64)
"""Signature of machine code: (number of samples, address of the arguments) → fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedBand:
    """One band to be summed."""

    row: int
    """Row of the band's values, among the rows that the code fills."""
    mask: int | None
    """Row of the mask: samples count where it is neither 0 nor NaN; None: all samples count."""
    sample_type: SampleType
    """Type to which the values are converted first."""
    kept: bool = False
    """Whether the samples are needed, too, in addition to their sums."""


def computed_sums(
    code: MachineCode, offsets: NDArray[np.int64], bands: Sequence[ComputedBand]
) -> list[tuple[NDArray[np.float64], NDArray[np.float32] | None]]:
    """For each band, the sums (ROWS, k; see `moments`) of each segment of the samples that the code computes, and the
    samples that count, converted, segment after segment; None unless `kept`. `offsets` (k + 1,), from 0 to N: limits of
    the segments. Raises IndexError if code with bounds checks stopped because of an index out of bounds."""
    width = code.rows.stop - code.rows.start
    if offsets[0] != 0 or offsets[-1] != code.count or not all(0 <= band.row < width for band in bands):
        raise ValueError("the segments must be those of the samples, and the bands those of the code")
    sums = np.stack([no_sums(len(offsets) - 1) for _ in bands])
    rows = np.array([[band.row, width if band.mask is None else band.mask] for band in bands])
    targets = [type_limits(band.sample_type) for band in bands]
    limits, integer = np.array([each[:2] for each in targets]), np.array([each[2] for each in targets])
    place = (code.rows.start, width, code.most)
    wanted = np.array([band.kept for band in bands])
    samples, held = np.empty((int(wanted.sum()), code.count), np.float32), np.zeros(len(bands), np.int64)
    fault = _add_computed(
        _Function(code.address), code.arguments, code.steps, place, offsets, rows, limits, integer, sums,
        np.where(wanted, np.cumsum(wanted) - 1, -1), samples, held,
    )  # fmt: skip
    if fault:
        raise IndexError(f"index is out of bounds in {f'column {fault}' if fault > 0 else 'the answer'}")
    kept = iter(samples)
    return [
        (each, next(kept)[:count] if band.kept else None)
        for each, band, count in zip(sums, bands, held.tolist(), strict=True)
    ]


class _Function(types.WrapperAddressProtocol):
    """Machine code as a function that kernels can call."""

    def __init__(self, address: int) -> None:
        self._address = address

    def __wrapper_address__(self) -> int:
        """Address of the function, for numba."""
        return self._address

    def signature(self) -> Any:
        """Signature of the function, for numba."""
        return _SIGNATURE


@njit(cache=True, nogil=True, error_model="numpy")
def _add_computed(  # noqa: PLR0913, PLR0917
    function: Any,
    arguments: NDArray[np.int64],
    steps: NDArray[np.int64],
    place: tuple[int, int, int],
    offsets: NDArray[np.int64],
    rows: NDArray[np.int64],
    limits: NDArray[np.float64],
    integer: NDArray[np.bool_],
    sums: NDArray[np.float64],
    keepers: NDArray[np.int64],
    kept: NDArray[np.float32],
    held: NDArray[np.int64],
) -> int:
    """Fill `sums`; returns 0, or the fault that the code returned. `place`: position among the arguments of the
    addresses of the rows that the code fills, number of these rows, and how many samples fit into a row. `keepers`: row
    of `kept` to which each band's samples are appended, after those it has `held`; -1: they are not kept."""
    begin, width, most = place
    values = np.empty((width + 1, most))
    values[width] = 1.0  # serves as mask for bands without one
    arguments = arguments.copy()
    for row in range(width):
        arguments[begin + row] = values[row].ctypes.data
    local, begun = np.empty(len(offsets), np.int64), np.int64(0)  # limits of segments relative to `first`
    nothing = np.empty(0, np.float32)
    for first in range(0, offsets[-1], most):
        count = min(most, offsets[-1] - first)
        fault = function(count, np.int64(arguments.ctypes.data))
        if fault != 0:
            return int(fault)
        arguments += steps * most
        while offsets[begun + 1] <= first:
            begun += 1  # terminates, since some segment extends beyond `first`
        last = begun
        while offsets[last] < first + count:
            local[last] = max(offsets[last] - first, 0)
            last += 1
        local[last] = count
        for band in range(len(rows)):
            target = (limits[band, 0], limits[band, 1], integer[band])
            room = kept[keepers[band], held[band] :] if keepers[band] >= 0 else nothing
            held[band] += add_samples(
                values[rows[band, 0]], values[rows[band, 1]], local[begun : last + 1], target,
                sums[band, :, begun:last], room,
            )  # fmt: skip
    return 0
