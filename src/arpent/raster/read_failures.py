"""Read failures: records images that cannot be read, and the features that fail because of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import AssetUnreadable
from arpent.domain.grid import Samples
from arpent.domain.imagery.item import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One image that cannot be read, and the features that lack samples because of it."""

    features: NDArray[np.bool_]
    """(n,): features that lack samples because of the image; a feature counts for one image only."""
    message: str
    """Message that names the item, the band and the image."""
    passing: bool = False
    """Whether the image may be readable later."""


@dataclass(slots=True, kw_only=True)
class ReadFailures:
    """Collects the failures of one mosaic or stack."""

    samples: Samples
    """The samples of all features."""
    faults: list[Fault] = field(default_factory=list)
    """One fault per unreadable image, scene and failed read."""
    lost: NDArray[np.bool_] | None = None
    """(N,): all samples of features that lack at least one sample; None: there are none."""

    def add(self, features: NDArray[np.bool_], item: Item, error: AssetUnreadable) -> NDArray[np.bool_]:
        """Record that these features (n,) lack samples; returns all their samples (N,)."""
        samples = np.repeat(features, self.samples.counts)
        if features.any():
            message = f"{_named(item, error.href)}: {error}"
            self.faults.append(Fault(features=features, message=message, passing=error.passing))
            self.lost = samples if self.lost is None else self.lost | samples
        return samples

    def owners(self, samples: Sequence[NDArray[np.integer]], filled: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """(n,): features that have one of these samples, not yet filled. `filled`: (N,), or empty if no sample is
        filled."""
        owners = np.zeros(len(self.samples.offsets) - 1, np.bool_)
        for part in samples:
            wanted = part[filled[part] == 0] if len(filled) else part
            owners[np.searchsorted(self.samples.offsets, wanted, "right") - 1] = True
        return owners


def _named(item: Item, href: str) -> str:
    """The item and the bands that the image holds, as text for messages."""
    bands = [name for name, asset in item.assets.items() if asset.href == href]
    return f"item {item.id}" + (f", band {bands[0]}" if len(bands) == 1 else "")
