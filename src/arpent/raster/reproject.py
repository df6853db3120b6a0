"""Reproject: computes where samples lie in an image's CRS, directly or with PROJ at nine or more points per feature and
biquadratic interpolation between them."""

from __future__ import annotations

import numpy as np
from affine import Affine
from numba import njit
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.domain.grid import Grids, Samples
from arpent.raster.footprints.antimeridian import nearby, period

Coordinates = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Two arrays: (N,) x and (N,) y."""

_PROBES = (0.25, 0.75)
"""Positions along x, in every patch, at which the biquadratic is compared with PROJ; along y it is 0.25. A cubic term,
the first that a biquadratic lacks, is within 3 % of its maximum there; with two probes, x and y terms cannot cancel."""
_CHUNK = 1_000_000
"""Samples per PROJ call if a feature needs PROJ at every sample."""


class Reprojection:
    """Transforms samples from the features' grids to one other CRS.

    Each feature is divided into `splits` x `splits` patches. A patch has 3 x 3 nodes computed by PROJ, shared with its
    neighbours. If no affordable number of patches is accurate enough, PROJ computes every sample of the feature. All
    decisions are made per feature and from that feature alone, so that other features cannot change its numbers.
    """

    def __init__(self, crs: CRS, grids: Grids, target: CRS, tolerance: float) -> None:
        """`tolerance`: how far a sample may be from PROJ's result, in units of the target CRS."""
        self._grids = grids
        self.identity = crs.equals(target, ignore_axis_order=True)
        self._transformer = None if self.identity else Transformer.from_crs(crs, target, always_xy=True)
        self._turn = None if self.identity else period(target)
        self._middle = np.zeros(len(grids))
        """(n,): x of the grids' centres, for CRS in which x may differ by whole turns."""
        if self._turn is not None and self._transformer is not None:
            centres = (grids.bounds[:, :2] + grids.bounds[:, 2:]) / 2
            self._middle = np.asarray(self._transformer.transform(centres[:, 0], centres[:, 1])[0])
        count = len(grids)
        self._splits = np.ones(count, np.int64)
        self._exact = np.zeros(count, np.bool_)
        self.corners = self._nodes(np.arange(count), 1)
        """(n, 3, 3, 2): x, y of the corners, edge middles and centre of the bounds; rows from the north."""
        self._patches: dict[int, NDArray[np.float64]] = {}
        if not self.identity:
            self._refine(tolerance)

    @property
    def smooth(self) -> NDArray[np.bool_]:
        """(n,): whether a single patch, that of `corners`, is accurate enough for the whole feature."""
        smooth: NDArray[np.bool_] = (self._splits == 1) & ~self._exact
        return smooth

    def coordinates(self, samples: Samples) -> Coordinates:
        """(N,) x and (N,) y of the samples' centres; not finite where PROJ cannot transform."""
        x, y = np.empty(len(samples)), np.empty(len(samples))
        grids = self._grids
        shape = (samples.offsets, samples.columns, samples.rows, grids.width, grids.height)
        if self.identity:
            _direct(*shape, grids.bounds, x, y)
            return x, y
        single = np.flatnonzero((self._splits == 1) & ~self._exact)
        _patched(*shape, single, 1, self.corners[single].reshape(len(single), 9, 2), x, y)
        for feature, nodes in self._patches.items():
            split = int(self._splits[feature])
            _patched(*shape, np.array([feature]), split, nodes.reshape(1, -1, 2), x, y)
        for feature in np.flatnonzero(self._exact).tolist():
            self._exactly(feature, samples, x, y)
        return x, y

    def _refine(self, tolerance: float) -> None:
        """Determine how many patches each feature needs; the error of a biquadratic shrinks with the cube of the patch
        size."""
        every = np.arange(len(self._grids))
        errors = self._errors(every, 1, self.corners)
        for feature in np.flatnonzero(~(errors <= tolerance)).tolist():
            if not np.isfinite(errors[feature]):
                self._exact[feature] = True
                continue
            split = int(np.ceil(1.1 * np.cbrt(errors[feature] / tolerance)))
            if (2 * split + 1) ** 2 * 2 > self._grids.width[feature] * self._grids.height[feature]:
                self._exact[feature] = True
                continue
            row = every[feature : feature + 1]
            nodes = self._nodes(row, split)
            if self._errors(row, split, nodes)[0] <= tolerance:
                self._splits[feature] = split
                self._patches[feature] = nodes[0]
            else:
                self._exact[feature] = True

    def _nodes(self, rows: NDArray[np.intp], split: int) -> NDArray[np.float64]:
        """(len(rows), 2 split + 1, 2 split + 1, 2): target x, y of the nodes of all patches."""
        steps = np.linspace(0.0, 1.0, 2 * split + 1)
        return self._points(rows, steps, steps)

    def _points(
        self, rows: NDArray[np.intp], across: NDArray[np.float64], down: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(len(rows), len(down), len(across), 2): target x, y at fractions of the bounds."""
        left, bottom, right, top = self._grids.bounds[rows].T[:, :, None, None]
        x, y = np.broadcast_arrays(left + (right - left) * across, top - (top - bottom) * down[:, None])
        if self._transformer is None:
            return np.stack((x, y), axis=-1)
        u, v = self._transformer.transform(x.copy(), y.copy())
        if self._turn is not None:  # keep each feature in one piece, even beyond 180
            u = nearby(u, self._middle[rows, None, None], self._turn)
        return np.stack((u, v), axis=-1)

    def _errors(self, rows: NDArray[np.intp], split: int, nodes: NDArray[np.float64]) -> NDArray[np.float64]:
        """(len(rows),): largest distance along x or y between PROJ and the biquadratic at the probes."""
        patches = np.arange(split)
        across = ((patches[:, None] + np.array(_PROBES)) / split).ravel()
        down = (patches + 0.25) / split
        truth = self._points(rows, across, down)
        weights = np.zeros((len(across), 2 * split + 1))
        for index in range(len(across)):
            start = 2 * (index // 2)
            weights[index, start : start + 3] = _lagrange(_PROBES[index % 2])
        vertical = np.zeros((split, 2 * split + 1))
        for index in range(split):
            vertical[index, 2 * index : 2 * index + 3] = _lagrange(0.25)
        with np.errstate(invalid="ignore", over="ignore"):
            guess = np.einsum("vj,ui,njix->nvux", vertical, weights, nodes)
            errors: NDArray[np.float64] = np.abs(guess - truth).reshape(len(rows), -1).max(axis=1, initial=0.0)
        return errors

    def _exactly(self, feature: int, samples: Samples, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        left, bottom, right, top = self._grids.bounds[feature]
        step_x = (right - left) / self._grids.width[feature]
        step_y = (top - bottom) / self._grids.height[feature]
        transformer = self._transformer
        assert transformer is not None
        for start in range(samples.offsets[feature], samples.offsets[feature + 1], _CHUNK):
            part = slice(start, min(start + _CHUNK, int(samples.offsets[feature + 1])))
            x[part], y[part] = transformer.transform(
                left + (samples.columns[part] + 0.5) * step_x, top - (samples.rows[part] + 0.5) * step_y
            )


def to_pixels(transform: Affine, coordinates: Coordinates) -> Coordinates:
    """(N,) columns and rows as fractions; pixel 0 extends from 0 to 1. If the image is not rotated, they result from
    one correctly rounded division, so that a sample exactly on a pixel's edge stays there. May overwrite the given
    arrays."""
    x, y = coordinates
    if transform.b == 0.0 and transform.d == 0.0:
        for values, origin, step in ((x, transform.c, transform.a), (y, transform.f, transform.e)):
            np.subtract(values, origin, out=values)
            np.divide(values, step, out=values)
        return x, y
    inverse = ~transform
    return inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f


def _lagrange(t: float) -> tuple[float, float, float]:
    return 2.0 * (t - 0.5) * (t - 1.0), 4.0 * t * (1.0 - t), 2.0 * t * (t - 0.5)


@njit(cache=True, nogil=True)
def _direct(offsets, columns, rows, width, height, bounds, x, y):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    for feature in range(len(width)):
        left, top = bounds[feature, 0], bounds[feature, 3]
        step_x = (bounds[feature, 2] - left) / width[feature]
        step_y = (top - bounds[feature, 1]) / height[feature]
        for n in range(offsets[feature], offsets[feature + 1]):
            x[n] = left + (columns[n] + 0.5) * step_x
            y[n] = top - (rows[n] + 0.5) * step_y


@njit(cache=True, nogil=True)
def _patched(offsets, columns, rows, width, height, features, split, nodes, x, y):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    side = 2 * split + 1
    # A sample lies in its feature's grid (see `zonal.rasterize`): 0 <= i, j < split, and `r + 2` is at most side^2 - 1.
    for k in range(len(features)):
        feature = features[k]
        node = nodes[k]
        for n in range(offsets[feature], offsets[feature + 1]):
            u = (columns[n] + 0.5) / width[feature] * split
            v = (rows[n] + 0.5) / height[feature] * split
            i = min(int(u), split - 1)
            j = min(int(v), split - 1)
            u -= i
            v -= j
            a0, a1, a2 = 2.0 * (u - 0.5) * (u - 1.0), 4.0 * u * (1.0 - u), 2.0 * u * (u - 0.5)
            b0, b1, b2 = 2.0 * (v - 0.5) * (v - 1.0), 4.0 * v * (1.0 - v), 2.0 * v * (v - 0.5)
            p = 2 * j * side + 2 * i
            q = p + side
            r = q + side
            x[n] = (
                b0 * (a0 * node[p, 0] + a1 * node[p + 1, 0] + a2 * node[p + 2, 0])
                + b1 * (a0 * node[q, 0] + a1 * node[q + 1, 0] + a2 * node[q + 2, 0])
                + b2 * (a0 * node[r, 0] + a1 * node[r + 1, 0] + a2 * node[r + 2, 0])
            )
            y[n] = (
                b0 * (a0 * node[p, 1] + a1 * node[p + 1, 1] + a2 * node[p + 2, 1])
                + b1 * (a0 * node[q, 1] + a1 * node[q + 1, 1] + a2 * node[q + 2, 1])
                + b2 * (a0 * node[r, 1] + a1 * node[r + 1, 1] + a2 * node[r + 2, 1])
            )
