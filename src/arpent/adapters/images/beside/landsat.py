"""Landsat: reads the MTL file of a scene, in JSON, text or XML, and the calibration that it gives for each band."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping

import orjson

from arpent.adapters.images.byte_source import ByteSources
from arpent.domain.boundary.address_names import public_name
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.item import Calibration, CalibrationFile

MOST_METADATA_BYTES = 1 << 20
"""Maximum bytes of one MTL file; they have about 20 KB."""
Metadata = Mapping[str, Mapping[str, str]]
"""Group → field → value."""
_XML = re.compile(r"<(\w+)>([^<]*)(</)?")
_SCENE = re.compile(r"(L[A-Z]\d\d)_[A-Z\d]{4}_(\d{6})_(\d{8})_")
"""The beginning of an image's name, which identifies the scene: sensor and satellite, path and row, and day."""
_BAND = re.compile(r"_B(\d{1,2}(?:_VCID_\d)?)\.TIFF?$", re.IGNORECASE)


def read_metadata(href: str, origins: ByteSources) -> Metadata:
    """The groups of fields in an MTL file. Raises AssetUnreadable."""
    try:
        content = origins.whole(href, MOST_METADATA_BYTES)
        if content is None:
            raise ValueError("there is no such file")
        found = _parsed(bytes(content))
    except ValueError as error:
        raise AssetUnreadable(f"its file {public_name(href)} cannot be read: {error}", href=href) from None
    except AssetUnreadable as error:
        words = str(error).removeprefix("image ")
        raise AssetUnreadable(
            f"its file {words}", transient=error.transient, href=href, passing=error.passing
        ) from None
    if not any(name.endswith("RADIOMETRIC_RESCALING") for name in found):
        raise AssetUnreadable(f"its file {public_name(href)} is not a Landsat Level 1 MTL file", href=href)
    return found


def calibration_by(file: CalibrationFile, metadata: Metadata) -> Calibration:
    """The calibration that the MTL file gives for one image. Raises AssetUnreadable, naming what is missing."""
    band = _band(file, metadata)
    if band is None:
        raise AssetUnreadable(
            f"its file {public_name(file.href)} does not say which band {file.image} is", href=file.href
        )
    try:
        return _RULES[file.rule](metadata, band)
    except KeyError as missing:
        text = f"its file {public_name(file.href)} has no {missing.args[0]}"
        raise AssetUnreadable(text, href=file.href) from None


def _parsed(content: bytes) -> Metadata:
    """The groups of a file in any of the three formats. Raises ValueError."""
    text = content.decode("utf-8-sig", "replace").strip()
    if text.startswith("{"):
        document = orjson.loads(text)
        inner = next(iter(document.values()), None) if isinstance(document, dict) else None
        groups = inner.items() if isinstance(inner, dict) else ()
        return {
            name: {field: str(value) for field, value in group.items() if isinstance(value, str | int | float)}
            for name, group in groups if isinstance(group, dict)
        }  # fmt: skip
    return _grouped(_fields_of_xml(text) if text.startswith("<") else _fields_of_text(text))


def _fields_of_text(text: str) -> Iterator[tuple[str, str | None]]:
    """(field, value) pairs; (name of the group, None) where a group begins."""
    for line in text.splitlines():
        name, found, value = (part.strip() for part in line.partition("="))
        if name == "GROUP":
            yield value, None
        elif found and name != "END_GROUP":
            yield name, value.strip('"')


def _fields_of_xml(text: str) -> Iterator[tuple[str, str | None]]:
    for name, value, ends in _XML.findall(text):
        yield name, value.strip() if ends else None


def _grouped(fields: Iterator[tuple[str, str | None]]) -> Metadata:
    found: dict[str, dict[str, str]] = {}
    group: dict[str, str] = {}
    for name, value in fields:
        if value is None:
            group = found.setdefault(name, {})
        else:
            group[name] = value
    return found


def _band(file: CalibrationFile, metadata: Metadata) -> str | None:
    """The band of the image, as `4` or `6_VCID_1`, from the MTL file's list of images, else from the image's name; None
    if neither gives it. Raises AssetUnreadable if the list has an image of another scene for that band."""
    prefix = "FILE_NAME_BAND_"
    listed = [
        (field.removeprefix(prefix), name) for group in metadata.values() for field, name in group.items()
        if field.startswith(prefix)
    ]  # fmt: skip
    for band, name in listed:
        if name == file.image:
            return band
    found = _BAND.search(file.image)
    if found is None:
        return None
    for band, name in listed:
        if band == found[1].upper() and _are_of_two_scenes(name, file.image):
            raise AssetUnreadable(
                f"its file {public_name(file.href)} is for another scene: its band {band} is {name}", href=file.href
            )
    return found[1].upper()


def _are_of_two_scenes(*images: str) -> bool:
    """Whether both names identify a scene, and not the same one."""
    scenes = [found.groups() for name in images if (found := _SCENE.match(name.upper()))]
    return len(scenes) == len(images) and len(set(scenes)) > 1


def _number(metadata: Metadata, groups: str, field: str) -> float:
    """The value of a field in a group whose name ends with `groups`; groups of Level 2 repeat fields with other values,
    and are skipped. Raises KeyError if the field is missing or not a finite number."""
    for name, group in metadata.items():
        if name.endswith(groups) and not name.startswith("LEVEL2") and field in group:
            try:
                number = float(group[field])
            except ValueError:
                break
            if math.isfinite(number):
                return number
    raise KeyError(field)


def _reflectance(metadata: Metadata, band: str) -> Calibration:
    """Scale and offset in the file do not account for the sun's elevation: both are divided by its sine."""
    elevation = _number(metadata, "", "SUN_ELEVATION")
    if not 0 < elevation <= 90:
        raise KeyError("SUN_ELEVATION above the horizon")
    height = math.sin(math.radians(elevation))
    scale, offset = _linear(metadata, "REFLECTANCE", band)
    return Calibration(scale=scale / height, offset=offset / height)


def _temperature(metadata: Metadata, band: str) -> Calibration:
    planck = (
        _number(metadata, "THERMAL_CONSTANTS", f"K1_CONSTANT_BAND_{band}"),
        _number(metadata, "THERMAL_CONSTANTS", f"K2_CONSTANT_BAND_{band}"),
    )
    scale, offset = _linear(metadata, "RADIANCE", band)
    return Calibration(scale=scale, offset=offset, planck=planck)


def _linear(metadata: Metadata, quantity: str, band: str) -> tuple[float, float]:
    scale = _number(metadata, "RADIOMETRIC_RESCALING", f"{quantity}_MULT_BAND_{band}")
    if not scale:
        raise KeyError(f"{quantity}_MULT_BAND_{band} other than 0")
    return scale, _number(metadata, "RADIOMETRIC_RESCALING", f"{quantity}_ADD_BAND_{band}")


_RULES: Mapping[str, Callable[[Metadata, str], Calibration]] = {
    "toa-reflectance": _reflectance,
    "brightness-temperature": _temperature,
}
"""Name of a unit's rule → function that computes the calibration of a band, numbered as in the MTL file."""
