"""Calibrate: digital numbers → physical values by what each sample's own item states, for units that differ between
items (Landsat Level 1, whose reflectance depends on the height of the sun)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.item import Asset, Calibration, CalibrationFile, Item
from arpent.domain.imagery.raster import Raster
from arpent.raster.conversion import BandRequest

Tell = Callable[[CalibrationFile], Calibration]
"""`AssetReader.calibration`, which the caller remembers: what was told before an image was read must hold after it."""


def calibration_files(wanted: Sequence[tuple[Asset, BandRequest]]) -> list[CalibrationFile]:
    """The files that the units of these requests need."""
    found = (asset.calibrations.get(requested.unit.calibration) for asset, requested in wanted)
    return [file for file in found if isinstance(file, CalibrationFile)]


def calibration_of(requested: BandRequest, item: Item, tell: Tell) -> Calibration | None:
    """How numbers of one item become values of the unit; None where it is the same for all items. Raises
    AssetUnreadable if neither the item nor a file beside its image states it."""
    rule = requested.unit.calibration
    if not rule:
        return None
    asset = item.assets[requested.band.name]
    found = asset.calibrations.get(rule)
    reason: object = found or "its item does not say how"
    transient = False
    if isinstance(found, CalibrationFile):
        try:
            found = tell(found)
        except AssetUnreadable as error:
            reason, transient = error, error.transient
    if isinstance(found, Calibration):
        return found
    raise AssetUnreadable(
        f"{requested.band.name} of item {item.id} cannot be given in {requested.unit.name}: {reason}; ask for DN",
        transient=transient,
        href=asset.href,
    )


def check_scale(requested: BandRequest, raster: Raster, asset: Asset) -> None:
    """Raises AssetUnreadable if the file, or its item of floats, says another factor than the collection has: floats of
    reflectance, taken for numbers of 10,000ths, would be too small by as much."""
    band = requested.band
    unit = band.units[0]
    if unit.calibration or unit.name == "DN":
        return
    for declared, who in ((raster.declared_scale, "the image"), (asset.declared_scale, "its item")):
        if declared is not None and not math.isclose(declared, unit.scale, rel_tol=1e-6):
            raise AssetUnreadable(
                f"{band.name} cannot be given in {requested.unit.name}: {who} says that its numbers are to be "
                f"multiplied by {declared:g}, and the collection says {unit.scale:g}; a collection of your own "
                "(ARPENT_COLLECTIONS) can say `scale` and `offset` of its units", href=asset.href,
            )  # fmt: skip


def calibrate(
    values: NDArray[np.generic],
    used: NDArray[np.signedinteger],
    requested: BandRequest,
    groups: Sequence[Sequence[Item]],
    hole: float,
    tell: Tell,
) -> NDArray[np.generic]:
    """Values (scenes, N) of one band request; `used` (scenes, N): position, among the items of the scene's group, of
    the one the sample came from; -1: none, where `hole` stands. As they are if the unit is the same for all items.
    Raises AssetUnreadable."""
    if not requested.unit.calibration:
        return values
    found = np.full(values.shape, hole, np.float64)
    for scene, group in enumerate(groups):
        for position, item in enumerate(group):
            rows = np.flatnonzero(used[scene] == position)
            if len(rows):
                calibration = calibration_of(requested, item, tell)
                assert calibration is not None, "the unit has a rule"
                found[scene, rows] = calibration.values(values[scene, rows])
    return found
