"""Resample: chooses the resampling method and the level of an image for each feature (docs/adr/0003-overviews.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from arpent.domain.grid import Grids
from arpent.domain.imagery.raster import Level
from arpent.domain.request import Resampling


@dataclass(frozen=True, slots=True, kw_only=True)
class ResamplingChoice:
    """How one feature's samples are taken from an image."""

    resampling: Resampling
    """NEAREST, BILINEAR or BICUBIC."""
    level: int
    """Level of the image to read."""


def coarseness(corners: NDArray[np.float64], grids: Grids, transform: Affine) -> NDArray[np.float64]:
    """(n,): size of a sample on the ground, in pixels of level 0; > 1 means downsampling. `corners` (n, 3, 3, 2): x, y
    of the bounds in the image's CRS; steps are measured through the middle of the grid, where both CRS agree best."""
    across = np.hypot(*np.moveaxis(corners[:, 1, 2] - corners[:, 1, 0], -1, 0)) / grids.width
    down = np.hypot(*np.moveaxis(corners[:, 2, 1] - corners[:, 0, 1], -1, 0)) / grids.height
    ratio: NDArray[np.float64] = np.sqrt(across * down / abs(transform.determinant))
    return ratio


def resampling_choices(
    ratio: NDArray[np.float64], levels: tuple[Level, ...], upsampling: Resampling, downsampling: Resampling
) -> dict[ResamplingChoice, NDArray[np.bool_]]:
    """Choice → the features (n,) for which it is made. NEAREST reads the full resolution; when downsampling, the other
    methods read the coarsest overview that is not coarser than the samples. Samples of the source's own size count as
    upsampling."""
    coarser = ratio > 1.0 + 1e-9
    found: dict[ResamplingChoice, NDArray[np.bool_]] = {}
    for resampling, members in ((upsampling, ~coarser), (downsampling, coarser)):
        for level, chosen in _levels(ratio, levels, resampling, members):
            manner = ResamplingChoice(resampling=resampling, level=level)
            found[manner] = found[manner] | chosen if manner in found else chosen
    return found


def _levels(
    ratio: NDArray[np.float64], levels: tuple[Level, ...], resampling: Resampling, members: NDArray[np.bool_]
) -> list[tuple[int, NDArray[np.bool_]]]:
    if resampling is Resampling.NEAREST:
        return [(0, members)] if members.any() else []
    scales = [levels[0].width / level.width for level in levels]
    choice = np.zeros(len(ratio), np.int64)
    for number, scale in enumerate(scales):
        choice[ratio >= scale * (1.0 - 1e-9)] = number
    return [(number, chosen) for number in range(len(levels)) if (chosen := members & (choice == number)).any()]
