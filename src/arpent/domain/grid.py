"""Grids: how each feature's bounds are divided into samples. Samples: the samples inside the features, as spans."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

MAXIMUM_SIDE = 2500
"""Maximum number of samples per side (sentinelhub.md 2.3)."""
_UNCOUNTED = 1e9
"""Upper limit of a computed side: far more samples than allowed, yet the product of two sides still fits int64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Sample size in units of the CRS: `resx`, `resy`."""

    x: float
    """Side along x (`resx`), > 0."""
    y: float
    """Side along y (`resy`), > 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Grid size as a number of samples: `width`, `height`."""

    width: int
    """1 to 2500."""
    height: int
    """1 to 2500."""


class Rule(StrEnum):
    """Which samples belong to a polygon."""

    SERVICE = "service"
    """As in the real service: all samples that the polygon touches, except slivers (sentinelhub.md 4.2)."""
    CENTRE = "centre"
    """Samples whose centre lies inside the polygon."""
    TOUCHED = "touched"
    """Samples of which the polygon covers any share."""
    WEIGHTED = "weighted"
    """Samples of which the polygon covers any share, each weighted by that share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelRule:
    """Which samples belong to a polygon, and what is done about polygons that are too small."""

    kind: Rule = Rule.SERVICE
    """Which samples belong to the polygon."""
    inner: float = 0.0
    """Metres by which the polygon is first shrunk on all sides."""
    nearest: bool = False
    """Whether a polygon to which no sample belongs gets the nearest one."""
    flagged: bool = False
    """Whether results mark tiny polygons."""


AS_THE_SERVICE = PixelRule()
"""The default rule, as in the real service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grids:
    """One grid per feature: its bounds divided into `width` x `height` samples of equal size (sentinelhub.md 4.1)."""

    bounds: NDArray[np.float64]
    """(n, 4): minx, miny, maxx, maxy in the features' CRS."""
    width: NDArray[np.int64]
    """(n,): samples along x."""
    height: NDArray[np.int64]
    """(n,): samples along y; row 0 is the northernmost."""

    def __len__(self) -> int:
        return len(self.width)

    def take(self, rows: NDArray[np.intp]) -> Grids:
        """The grids at these rows, in this order."""
        return Grids(bounds=self.bounds[rows], width=self.width[rows], height=self.height[rows])

    @property
    def sample_count(self) -> NDArray[np.int64]:
        """(n,): number of samples of each grid, inside the polygon or not."""
        return self.width * self.height

    @property
    def pixel_size(self) -> NDArray[np.float64]:
        """(n, 2): size of a sample along x and y, in units of the CRS."""
        extent = self.bounds[:, 2:] - self.bounds[:, :2]
        return extent / np.column_stack((self.width, self.height))

    @classmethod
    def over(cls, bounds: NDArray[np.float64], sampling: Resolution | Size) -> Grids:
        """Grids over these bounds (n, 4) by the calibrated rule: `max(1, round(extent / resolution))` samples per side,
        rounded half away from zero (sentinelhub.md 4.1). Bounds that are not finite give a meaningless grid.

        Example: bounds of 95 m x 20 m at a resolution of 10 m give 10 x 2 samples of 9.5 m x 10 m.
        """
        if isinstance(sampling, Size):
            width = np.full(len(bounds), sampling.width, np.int64)
            height = np.full(len(bounds), sampling.height, np.int64)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                width = _round(bounds[:, 2] - bounds[:, 0], sampling.x)
                height = _round(bounds[:, 3] - bounds[:, 1], sampling.y)
        return cls(bounds=bounds, width=width, height=height)


def _round(extent: NDArray[np.float64], resolution: float) -> NDArray[np.int64]:
    count = np.floor(extent / resolution + 0.5)
    return np.fmin(np.fmax(count, 1.0), _UNCOUNTED).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The samples inside each of n features, N in total, as S spans of adjacent samples in one row. Feature k has the
    samples `[offsets[k]:offsets[k + 1]]` and the spans `[span_offsets[k]:span_offsets[k + 1]]`, row by row."""

    offsets: NDArray[np.int64]
    """(n + 1,): index where each feature's samples begin."""
    span_offsets: NDArray[np.int64]
    """(n + 1,): index where each feature's spans begin."""
    spans: NDArray[np.int32]
    """(S, 3): row in the feature's own grid (0 is the northernmost), column of the first sample, number of samples."""

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @classmethod
    def of(
        cls, *, offsets: NDArray[np.int64], columns: NDArray[np.signedinteger], rows: NDArray[np.signedinteger]
    ) -> Samples:
        """The samples at these columns (N,) and rows (N,), feature by feature."""
        follows = np.zeros(len(columns), bool)
        follows[1:] = (np.diff(rows) == 0) & (np.diff(columns) == 1)
        follows[offsets[:-1][np.diff(offsets) > 0]] = False
        starts = np.flatnonzero(~follows)
        lengths = np.diff(np.append(starts, len(columns)))
        return cls(
            offsets=offsets,
            span_offsets=np.searchsorted(starts, offsets),
            spans=np.column_stack((rows[starts], columns[starts], lengths)).astype(np.int32).reshape(-1, 3),
        )

    def take(self, features: NDArray[np.intp]) -> Samples:
        """The samples of these features, in this order."""
        counts = np.diff(self.span_offsets)[features]
        span_offsets = np.append(0, np.cumsum(counts))
        chosen = np.arange(span_offsets[-1]) + np.repeat(self.span_offsets[features] - span_offsets[:-1], counts)
        return Samples(
            offsets=np.append(0, np.cumsum(self.counts[features])),
            span_offsets=span_offsets,
            spans=self.spans[chosen],
        )

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n,): number of samples inside each feature (wire: geometryPixelCount)."""
        return np.diff(self.offsets)

    @cached_property
    def rows(self) -> NDArray[np.int32]:
        """(N,): row of each sample in its feature's own grid."""
        return np.repeat(self.spans[:, 0], self.spans[:, 2])

    @cached_property
    def columns(self) -> NDArray[np.int32]:
        """(N,): column of each sample in its feature's own grid."""
        starts = np.cumsum(self.spans[:, 2], dtype=np.int32) - self.spans[:, 2]
        columns: NDArray[np.int32] = np.arange(len(self), dtype=np.int32)
        columns += np.repeat(self.spans[:, 1] - starts, self.spans[:, 2])
        return columns
