"""Calibrate: converts digital numbers by the calibration of each sample's own item, for units whose conversion differs
between items (Landsat Level 1, whose reflectance depends on the sun's elevation)."""

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
"""`AssetReader.calibration`, with results cached by the caller, so that a calibration stays the same before and after
its image is read."""


def calibration_files(wanted: Sequence[tuple[Asset, BandRequest]]) -> list[CalibrationFile]:
    """The calibration files that the units of these requests need."""
    found = (asset.calibrations.get(requested.unit.calibration) for asset, requested in wanted)
    return [file for file in found if isinstance(file, CalibrationFile)]


def calibration_of(requested: BandRequest, item: Item, tell: Tell) -> Calibration | None:
    """The conversion of one item's numbers to the unit; None if it is the same for all items. Raises AssetUnreadable if
    neither the item nor a file next to its image contains it."""
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
    """Raises AssetUnreadable if the image or its item declares a scale other than the collection's: reflectance stored
    as floats, for example, would come out 10,000 times too small if read as ten-thousandths."""
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
    """Calibrated values (scenes, N) of one band request; `values` unchanged if the unit is the same for all items.
    `used` (scenes, N): index, among the items of the scene's group, of the item that the sample came from; -1: none,
    and the result is `hole`. Raises AssetUnreadable."""
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
