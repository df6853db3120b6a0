"""Scenes: what a satellite sees on one day, as digital numbers and a scene classification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from arpent.landscape.fields import Fields
from arpent.landscape.phenology import BANDS, ROAD, WATER, reflectance
from arpent.landscape.texture import smooth

PIXEL = 10.0
"""Pixel size in metres."""
CLOUD_SHARES = (0.0, 0.05, 0.35, 0.0, 0.9, 0.12, 0.02, 0.6)
"""Cloud cover of consecutive acquisitions, repeated."""
_SHADOW = (14, -22)
"""Rows down and columns right from a cloud to its shadow."""
_VEGETATION, _BARE, _WATER, _SHADOWED, _CLOUD, _THIN = 4, 5, 6, 3, 9, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The landscape as a raster, without weather."""

    fields: Fields
    """Fields that the labels refer to."""
    labels: NDArray[np.int32]
    """(height, width): row of the field; n is road, n + 1 river."""
    texture: NDArray[np.float32]
    """(height, width): unevenness within a field, the same all season."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One acquisition of the whole landscape."""

    numbers: Mapping[str, NDArray[np.uint16]]
    """Band → (height, width) digital numbers, 10000 * reflectance, 0 outside the swath."""
    classes: NDArray[np.uint8]
    """(height / 2, width / 2): SCL at 20 m, 0 outside the swath."""
    swath_edge: tuple[float, float] | None
    """Column where the swath ends, at the top and at the bottom; None: it covers the whole image."""


def make_ground(random: np.random.Generator, fields: Fields, transform: Affine, shape: tuple[int, int]) -> Ground:
    """Rasterise the fields; pixels outside any field count as road, unless they are river."""
    count = len(fields.shapes)
    layers = [(geometry, row) for row, geometry in enumerate(fields.shapes)]
    layers += [(fields.road, count), (fields.river, count + 1)]
    labels = rasterize(layers, out_shape=shape, transform=transform, fill=count, dtype=np.int32)
    return Ground(fields=fields, labels=labels, texture=smooth(random, shape, (24, 8, 3)))


def look(random: np.random.Generator, ground: Ground, day: date, number: int) -> View:
    """The landscape on a day; `number` counts the acquisitions and decides weather and orbit."""
    shape = ground.labels.shape
    fields = ground.fields
    table = np.vstack((reflectance(fields.crops, day.timetuple().tm_yday, fields.lateness, fields.vigour), ROAD, WATER))
    cloud = _clouds(random, (shape[0], shape[1]), CLOUD_SHARES[number % len(CLOUD_SHARES)])
    shadow = np.roll(cloud > 0.3, _SHADOW, (0, 1)) & (cloud < 0.05)
    shadow[: _SHADOW[0]] = False
    shadow[:, _SHADOW[1] :] = False
    edge = (shape[1] * 0.58, shape[1] * 0.46) if number % 2 else None
    outside = _outside(shape, edge)
    haze = np.float32(0.004) * smooth(random, (shape[0], shape[1]), (160,))
    numbers = {}
    for index, band in enumerate(BANDS):
        seen = table[:, index].astype(np.float32)[ground.labels] * (1 + np.float32(0.05) * ground.texture) + haze
        seen *= np.where(shadow, np.float32(0.5), np.float32(1))
        seen += cloud * (np.float32(0.55 + 0.02 * index) - seen)
        seen += np.float32(0.0015) * random.standard_normal(shape, dtype=np.float32)
        counts = np.clip(np.rint(seen * 10_000), 1, 15_000).astype(np.uint16)
        counts[outside] = 0
        numbers[band] = counts
    return View(numbers=numbers, classes=_classes(ground, numbers, cloud, shadow, outside), swath_edge=edge)


def _clouds(random: np.random.Generator, shape: tuple[int, int], share: float) -> NDArray[np.float32]:
    """(height, width): opacity of the clouds, 0 to 1."""
    field = smooth(random, shape, (90, 30, 10))
    if not share:
        return np.zeros(shape, np.float32)
    threshold = np.quantile(field, 1 - share)
    opaque: NDArray[np.float32] = np.clip((field - np.float32(threshold)) * np.float32(2.5), 0, 1)
    return opaque


def _outside(shape: tuple[int, ...], edge: tuple[float, float] | None) -> NDArray[np.bool_]:
    """(height, width): whether the pixel's centre lies right of the swath's edge."""
    if edge is None:
        return np.zeros(shape, np.bool_)
    rows = (np.arange(shape[0]) + 0.5) / shape[0]
    ends = edge[0] + (edge[1] - edge[0]) * rows
    right: NDArray[np.bool_] = (np.arange(shape[1]) + 0.5)[np.newaxis, :] > ends[:, np.newaxis]
    return right


def _classes(
    ground: Ground,
    numbers: Mapping[str, NDArray[np.uint16]],
    cloud: NDArray[np.float32],
    shadow: NDArray[np.bool_],
    outside: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """The scene classification of every second pixel."""
    red, near = (numbers[band][::2, ::2].astype(np.float32) for band in ("B04", "B08"))
    sky, river = cloud[::2, ::2], ground.labels[::2, ::2] == len(ground.fields.shapes) + 1
    classes = np.where(near > 2.2 * red, _VEGETATION, _BARE).astype(np.uint8)
    for where, value in (
        (river, _WATER),
        (shadow[::2, ::2], _SHADOWED),
        (sky > 0.05, _THIN),
        (sky > 0.5, _CLOUD),
        (outside[::2, ::2], 0),
    ):
        classes[where] = value
    return classes
