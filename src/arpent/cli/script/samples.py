"""Samples: turns values given as JSON into the arrays that a script sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from arpent.domain.errors import InvalidRequest
from arpent.domain.evalscript import DATA_MASK, Evalscript, Input, Mosaicking
from arpent.domain.ports.scripts import Scene, ScriptInput
from arpent.evalscript.names import suggestion
from arpent.evalscript.scenes import is_fusion, source_keys

PLAIN = (1.0, 0.0)
"""Scale and offset of given values, which are already as the script sees them."""
FIRST_DAY = date(2020, 6, 1)
"""Day of the first scene without a date."""
_FIELDS = frozenset({"date", "dateFrom", "dateTo", "tiles", "cloudCoverage", "dataPath", "shId", "dataGeometry"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSamples:
    """One sample, or several that see the same scenes."""

    inputs: tuple[ScriptInput, ...]
    """Arrays per input of the script."""
    count: int
    """Number of samples."""


def understand(given: object, evalscript: Evalscript) -> tuple[GivenSamples, ...]:
    """The samples that the JSON describes: `{"B04": 0.1, …}` or a list of these; for ORBIT and TILE a list of scenes,
    or a list of lists; for several inputs an object by datasource. Raises InvalidRequest, naming sample and band."""
    samples = _samples(given, evalscript)
    if not samples:
        raise InvalidRequest("--on holds no sample")
    parts = [_parts(sample, evalscript, f"sample {number}") for number, sample in enumerate(samples)]
    if all(entry.mosaicking is Mosaicking.SIMPLE for entry in evalscript.inputs):
        rows = zip(*parts, strict=True)
        inputs = zip(evalscript.inputs, rows, strict=True)
        simple = tuple(_simple(entry, [scenes[0] for scenes in row]) for entry, row in inputs)
        return (GivenSamples(inputs=simple, count=len(samples)),)
    return tuple(GivenSamples(inputs=_scened(evalscript, part), count=1) for part in parts)


def _samples(given: object, evalscript: Evalscript) -> Sequence[object]:
    if isinstance(given, dict):
        return [given]
    if not isinstance(given, list):
        raise InvalidRequest("--on must be a JSON object with a value per band, or a list of them")
    scened = evalscript.inputs[0].mosaicking is not Mosaicking.SIMPLE
    return [given] if scened and not is_fusion(evalscript) and all(isinstance(one, dict) for one in given) else given


def _parts(sample: object, evalscript: Evalscript, place: str) -> list[list[Mapping[str, object]]]:
    """The scenes of each input; one for SIMPLE."""
    if not is_fusion(evalscript):
        return [_scenes(sample, evalscript.inputs[0], place)]
    keys = source_keys(evalscript)
    if not isinstance(sample, dict) or set(sample) != set(keys):
        raise InvalidRequest(f"{place} must be an object with the script's inputs: {', '.join(keys)}")
    return [_scenes(sample[key], entry, f"{place}, {key}") for key, entry in zip(keys, evalscript.inputs, strict=True)]


def _scenes(given: object, entry: Input, place: str) -> list[Mapping[str, object]]:
    scenes: list[Mapping[str, object]] = []
    for scene in given if isinstance(given, list) else [given]:
        if not isinstance(scene, dict):
            raise InvalidRequest(f"{place} must be an object with a value per band, such as {{{_example(entry)}}}")
        _check(scene, entry, place)
        scenes.append(scene)
    if entry.mosaicking is Mosaicking.SIMPLE and len(scenes) != 1:
        raise InvalidRequest(f"{place} has {len(scenes)} scenes, but the script's mosaicking is SIMPLE")
    return scenes


def _example(entry: Input) -> str:
    return ", ".join(f'"{band}": {1 if band == DATA_MASK else 0.1}' for band in entry.bands)


def _check(scene: Mapping[str, object], entry: Input, place: str) -> None:
    missing = next((band for band in entry.bands if band not in scene and band != DATA_MASK), None)
    if missing is not None:
        raise InvalidRequest(f"{place} has no value for {missing}; the script reads {', '.join(entry.bands)}")
    fields = _FIELDS if entry.mosaicking is not Mosaicking.SIMPLE else frozenset()
    surplus = next((name for name in scene if name not in entry.bands and name not in fields), None)
    if surplus is not None and surplus != DATA_MASK:
        near = suggestion(surplus, entry.bands) or f"; it reads {', '.join(entry.bands)}"
        raise InvalidRequest(f"{place} gives {surplus}, which the script does not read{near}")


def _number(value: object, band: str) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidRequest(f"the value {value!r} of {band} is not a number") from None


def _column(scenes: Sequence[Mapping[str, object]], band: str) -> list[float]:
    """The band's values; a missing dataMask is 1."""
    return [_number(scene.get(band, 1 if band == DATA_MASK else None), band) for scene in scenes]


def _simple(entry: Input, samples: Sequence[Mapping[str, object]]) -> ScriptInput:
    values = tuple(np.array(_column(samples, band)) for band in entry.bands)
    return ScriptInput(values=values, scales=(PLAIN,) * len(values))


def _scened(evalscript: Evalscript, part: Sequence[Sequence[Mapping[str, object]]]) -> tuple[ScriptInput, ...]:
    inputs = []
    for entry, scenes in zip(evalscript.inputs, part, strict=True):
        if entry.mosaicking is Mosaicking.SIMPLE:
            inputs.append(_simple(entry, scenes))
            continue
        values = tuple(np.array(_column(scenes, band)).reshape(-1, 1) for band in entry.bands)
        described = tuple(_scene(scene, entry, row, len(scenes)) for row, scene in enumerate(scenes))
        inputs.append(ScriptInput(values=values, scales=(PLAIN,) * len(values), scenes=described))
    return tuple(inputs)


def _scene(given: Mapping[str, object], entry: Input, row: int, count: int) -> Scene:
    """The given fields of a scene. Scenes without a date get a day of their own each, the newest first."""
    day = (FIRST_DAY + timedelta(days=count - 1 - row)).isoformat()
    day = str(given.get("date") or given.get("dateFrom") or day)[:10]
    tile = {"date": f"{day}T10:00:00Z", "shId": row, "dataPath": f"s3://given/{row}", "cloudCoverage": 0.0}
    orbit = {"dateFrom": f"{day}T00:00:00Z", "dateTo": f"{day}T23:59:59Z", "tiles": [tile]}
    fields = {name: value for name, value in given.items() if name not in entry.bands}
    return Scene(fields={**(orbit if entry.mosaicking is Mosaicking.ORBIT else tile), **fields})


def days_of(scenes: Sequence[Sequence[Scene]]) -> tuple[datetime, datetime]:
    """From the start of the first day to the end of the last."""
    texts = [str(scene.fields.get("date") or scene.fields["dateFrom"])[:10] for group in scenes for scene in group]
    try:
        days = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts]
    except ValueError:
        raise InvalidRequest(f"a scene's date must be like 2020-06-01T10:00:00Z, not {texts}") from None
    days = days or [datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)]
    return min(days), max(days) + timedelta(days=1)
