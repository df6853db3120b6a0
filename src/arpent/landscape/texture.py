"""Texture: smooth random fields for soil, haze and clouds, which resemble their neighbourhood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def smooth(random: np.random.Generator, shape: tuple[int, int], scales: tuple[float, ...]) -> NDArray[np.float32]:
    """A field of mean 0 and deviation 1 (both about): a sum of one octave per scale (in pixels), coarse ones
    stronger."""
    total = np.zeros(shape, np.float32)
    strength = 0.0
    for number, scale in enumerate(scales):
        weight = 0.5**number
        total += np.float32(weight) * _octave(random, shape, scale)
        strength += weight**2
    # Bilinear interpolation between independent nodes reduces the deviation to about 2/3.
    return total * np.float32(1.5 / np.sqrt(strength))


def _octave(random: np.random.Generator, shape: tuple[int, int], scale: float) -> NDArray[np.float32]:
    """Random nodes every `scale` pixels, bilinear between them."""
    height, width = (int(np.ceil(side / scale)) + 2 for side in shape)
    nodes = random.standard_normal((height, width), dtype=np.float32)
    return _between(_between(nodes, shape[0], scale).T, shape[1], scale).T


def _between(nodes: NDArray[np.float32], count: int, scale: float) -> NDArray[np.float32]:
    """`count` rows interpolated between the rows of nodes."""
    place = np.arange(count, dtype=np.float32) / np.float32(scale)
    below = place.astype(np.intp)
    part = (place - below)[:, np.newaxis]
    mixed: NDArray[np.float32] = nodes[below] * (1 - part) + nodes[below + 1] * part
    return mixed
