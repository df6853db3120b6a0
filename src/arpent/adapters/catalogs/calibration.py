"""Calibration: how an item's stored numbers become physical values, from its metadata and the constants of the
collection; or a sentence that says why this is not known."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from arpent.adapters.catalogs.harmonization import Document, band_fields, field_of, number_of, properties
from arpent.domain.imagery.collection import Band, Collection
from arpent.domain.imagery.item import Calibration, CalibrationFile

SUN = ("view:sun_elevation", "eo:sun_elevation")
"""Properties with the elevation of the sun above the horizon, in degrees."""
PLATFORM = ("platform", "eo:platform")
"""Properties that name the satellite."""
_LANDSAT_ID = re.compile(r"^L[A-Z]0(\d)_")
_METADATA = ("_mtl.json", "_mtl.txt", "_mtl.xml")
"""Suffixes, in lower case, of the names of metadata files that contain calibrations, in order of preference."""
_IN_FILE = frozenset({"toa-reflectance", "brightness-temperature"})
"""Rules whose constants may be in a metadata file."""
_Constants = Mapping[str, object]


def calibrations(
    collection: Collection, band: Band, item: Document, asset: Document, instant: datetime
) -> dict[str, Calibration | str]:
    """Rule → the calibration, or a text that says why there is none, for each rule named by the band's units."""
    constants = collection.calibrations.get(band.name, {})
    rules = {unit.calibration for unit in band.units if unit.calibration}
    return {rule: _RULES[rule](constants, item, band_fields(asset, band.index), instant) for rule in sorted(rules)}


def metadata_asset(item: Document) -> Document | None:
    """The asset of the metadata file that contains the images' calibration; None if there is none."""
    assets = item.get("assets")
    each = [asset for asset in assets.values() if isinstance(asset, Mapping)] if isinstance(assets, Mapping) else []
    return next((one for ending in _METADATA for one in each if _name(one.get("href")).endswith(ending)), None)


def with_file(
    found: Mapping[str, Calibration | str], image: str, file: str | None
) -> dict[str, Calibration | CalibrationFile | str]:
    """The calibrations of an image, where those that the item does not give refer to the metadata file. `found`: result
    of `calibrations`; `image`: href of the image; `file`: href of the metadata file."""
    return {
        rule: CalibrationFile(rule=rule, href=file, image=urlsplit(image).path.rpartition("/")[2])
        if file is not None and isinstance(told, str) and rule in _IN_FILE
        else told
        for rule, told in found.items()
    }


def _name(href: object) -> str:
    return urlsplit(href).path.lower() if isinstance(href, str) else ""


def declared_no_data(asset: Document, index: int) -> float | None:
    """The no-data value that the item gives for a band of an asset, which may be NaN or infinite in any spelling; None
    if it gives none."""
    value = field_of(band_fields(asset, index), "nodata")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def declared_scale(asset: Document, index: int) -> float | None:
    """The scale of a band of floats, 1 if the item gives none; None for other data types, for which some catalogues
    give wrong scales, and if the item gives no data type."""
    fields = band_fields(asset, index)
    kind = field_of(fields, "data_type")
    return (number_of(field_of(fields, "scale")) or 1.0) if str(kind).startswith("float") else None


def platform_of(item: Document) -> str:
    """The platform, such as `landsat-9`, from a property or a Landsat id; empty if the item does not give it."""
    own = properties(item)
    declared = next((own[name] for name in PLATFORM if isinstance(own.get(name), str) and own[name]), None)
    if isinstance(declared, str):
        return declared.strip().lower().replace("_", "-").replace(" ", "-")
    found = _LANDSAT_ID.match(str(item.get("id")))
    return f"landsat-{found[1]}" if found else ""


def earth_sun_distance(instant: datetime) -> float:
    """The distance between earth and sun in astronomical units, accurate to about 0.0003."""
    return 1.0 - 0.01672 * math.cos(math.radians(0.9856 * (instant.timetuple().tm_yday - 4)))


def _item_scale(_: _Constants, __: Document, fields: Document, ___: datetime) -> Calibration | str:
    linear = _linear(fields)
    return linear or "its item has no raster:bands scale and offset"


def _toa_reflectance(constants: _Constants, item: Document, fields: Document, instant: datetime) -> Calibration | str:
    """Reflectance at the top of the atmosphere. USGS's scaled numbers are not yet corrected for the elevation e of the
    sun: they are divided by sin(e). From a radiance L, reflectance is pi L d^2 / (E sin(e)), E being the irradiance."""
    own = properties(item)
    elevation = next((number for name in SUN if (number := number_of(own.get(name))) is not None), None)
    if elevation is None or not 0 < elevation <= 90:
        return "its item has no view:sun_elevation, or the sun is below the horizon"
    height = math.sin(math.radians(elevation))
    declared = _linear(fields)
    if declared is not None and _is_radiance(fields):
        platform = platform_of(item)
        irradiance = number_of(_by_platform(constants, "irradiance", platform))
        if irradiance is None:
            return f"its item states a radiance, but the irradiance of platform '{platform}' is not known"
        factor = math.pi * earth_sun_distance(instant) ** 2 / (irradiance * height)
        return Calibration(scale=declared.scale * factor, offset=declared.offset * factor)
    pair = _pair(constants.get("reflectance"))
    declared = declared or (Calibration(scale=pair[0], offset=pair[1]) if pair else None)
    if declared is None:
        return (
            "its item has no raster:bands scale and offset, and has no asset of its MTL file, which has "
            "REFLECTANCE_MULT and _ADD"
        )
    return Calibration(scale=declared.scale / height, offset=declared.offset / height)


def _brightness_temperature(constants: _Constants, item: Document, fields: Document, _: datetime) -> Calibration | str:
    platform = platform_of(item)
    planck = _pair(_by_platform(constants, "planck", platform))
    declared = _linear(fields)
    if declared is None:
        pair = _pair(_by_platform(constants, "radiance", platform))
        declared = Calibration(scale=pair[0], offset=pair[1]) if pair else None
    elif not _is_radiance(fields):  # kelvin already
        return declared
    if planck is None or declared is None:
        return f"the thermal constants of platform '{platform}' are not known, and its item does not state them"
    return Calibration(scale=declared.scale, offset=declared.offset, planck=planck)


def _linear(fields: Document) -> Calibration | None:
    """The scale and offset that the item gives; None if it gives no scale."""
    scale, offset = number_of(field_of(fields, "scale")), number_of(field_of(fields, "offset"))
    return Calibration(scale=scale, offset=offset or 0.0) if scale else None


def _is_radiance(fields: Document) -> bool:
    return "watt" in str(fields.get("unit") or "").lower()


def _by_platform(constants: _Constants, name: str, platform: str) -> object:
    table = constants.get(name)
    return table.get(platform) if isinstance(table, Mapping) else None


def _pair(value: object) -> tuple[float, float] | None:
    if isinstance(value, tuple | list) and len(value) == 2:
        first, second = (number_of(each) for each in value)
        return (first, second) if first is not None and second is not None else None
    return None


_RULES: Mapping[str, Callable[[_Constants, Document, Document, datetime], Calibration | str]] = {
    "item-scale": _item_scale,
    "toa-reflectance": _toa_reflectance,
    "brightness-temperature": _brightness_temperature,
}
