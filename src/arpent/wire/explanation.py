"""Explanation → the JSON of `GET /{id}/features/{feature}/explain`, an arpent extension (docs/numbers.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import orjson
from numpy.typing import NDArray

from arpent.domain.crs import code
from arpent.domain.errors import ScriptError
from arpent.domain.evalscript import Mosaicking
from arpent.domain.explanation import Explanation, SeenInput, SeenItem, SeenOutput
from arpent.domain.grid import Grids
from arpent.domain.interval import iso_seconds
from arpent.wire.result.render import render_response

MOST_LISTED = 10_000
"""Maximum number of samples listed."""
MOST_NUMBERS = 500_000
"""Maximum number of values listed: a sample of ORBIT or TILE has one per scene and band."""
TEXTS = {math.inf: "Infinity", -math.inf: "-Infinity"}

Fields = dict[str, object]


def render_explanation(explanation: Explanation) -> bytes:
    """The answer as JSON bytes; its statistics are the same as in the result file, digit for digit."""
    features = explanation.features
    fields: Fields = {
        "id": int(features.ids[0]),
        "identifier": features.identifiers[0],
        "interval": {"from": iso_seconds(explanation.interval.start), "to": iso_seconds(explanation.interval.end)},
        "error": _error(explanation),
        "grid": None if explanation.grids is None else _grid(explanation, explanation.grids),
        "counts": _counts(explanation),
        "inputs": [_input(one) for one in explanation.inputs],
        "outputs": [_output(one) for one in explanation.outputs],
        "response": orjson.Fragment(render_response(explanation.result, 0)),
        "log": [*explanation.log, *map(str, explanation.gaps)],
        "samples": _samples(explanation),
    }
    return orjson.dumps({name: value for name, value in fields.items() if value is not None or name == "identifier"})


def _error(explanation: Explanation) -> Fields | None:
    """The error object: type, message and, for a script, line and column; None if the feature has numbers."""
    result = explanation.result
    failures = [*result.failures.values(), *(one.failures[0] for one in result.intervals if 0 in one.failures)]
    if not failures:
        return None
    fields: Fields = {"type": str(failures[0].type), "message": failures[0].message}
    if isinstance(explanation.error, ScriptError) and explanation.error.line is not None:
        fields |= {"line": explanation.error.line, "column": explanation.error.column}
    return fields


def _grid(explanation: Explanation, grids: Grids) -> Fields:
    crs = explanation.features.crs
    number = code(crs)
    left, _, _, top = (bounds := grids.bounds[0].tolist())
    across, down = grids.pixel_size[0].tolist()
    return {
        "crs": f"EPSG:{number}" if number else crs.to_string(),
        "bounds": bounds,
        "width": int(grids.width[0]),
        "height": int(grids.height[0]),
        "sampleSize": [across, down],
        "transform": [across, 0.0, left, 0.0, -down, top],
    }


def _counts(explanation: Explanation) -> Fields | None:
    """The number of samples and, by output and band, the number of valid ones."""
    grids, samples = explanation.grids, explanation.samples
    if grids is None or samples is None:
        return None
    total, inside = int(grids.sample_count[0]), len(samples)
    with_data = np.zeros(inside, bool)
    for one in explanation.inputs:
        with_data |= (one.origin >= 0).any(axis=0)
    fields: Fields = {
        "samples": total,
        "inside": inside,
        "outside": total - inside,
        "insideWithImagery": int(with_data.sum()),
    }
    if explanation.outputs:
        valid = {one.id: dict(zip(one.bands, _valid(one, total - inside), strict=True)) for one in explanation.outputs}
        fields["valid"] = valid
        fields["noData"] = {
            output: {band: total - count for band, count in bands.items()} for output, bands in valid.items()
        }
    return fields


def _valid(output: SeenOutput, outside: int) -> list[int]:
    """Number of valid samples of each band, including those outside the polygon if the script marks them as valid."""
    counted: list[int] = (output.valid[:, :-1].sum(axis=1) + outside * output.valid[:, -1]).tolist()
    return counted


def _input(one: SeenInput) -> Fields:
    fields: Fields = {
        "id": one.name,
        "type": one.collection,
        "mosaicking": str(one.mosaicking),
        "bands": dict(zip(one.bands, one.units, strict=True)),
        "items": [_item(seen) for seen in one.items],
    }
    if one.mosaicking is not Mosaicking.SIMPLE:
        fields["scenes"] = list(one.scenes)
    return fields


def _item(seen: SeenItem) -> Fields:
    return {
        "id": seen.item.id,
        "instant": iso_seconds(seen.item.instant),
        "cloudCover": seen.item.cloud_cover,
        "cloudCoverAllowed": seen.clear,
        "reached": seen.reached,
        "used": seen.kept,
        "samples": seen.samples,
        **({"excludedBy": seen.excluded_by} if seen.excluded_by else {}),
    }


def _output(one: SeenOutput) -> Fields:
    """One output. Its `outside` describes the sample that represents all samples outside the polygon."""
    last = slice(-1, None)
    return {
        "id": one.id,
        "bands": list(one.bands),
        "sampleType": str(one.sample_type),
        "outside": {
            "values": [_plain(band[last])[0] for band in one.values],
            "mask": None if one.mask is None else _plain(one.mask[last])[0],
            "counts": one.valid[:, -1].tolist(),
        },
    }


def _samples(explanation: Explanation) -> Fields | None:
    if explanation.samples is None:
        return None
    inside = len(explanation.samples)
    width = sum(one.origin.shape[0] * (len(one.bands) + 2) for one in explanation.inputs)
    width += sum(len(one.bands) + 1 for one in explanation.outputs) + 4
    listed = min(inside, MOST_LISTED, max(1, MOST_NUMBERS // width))
    fields: Fields = {"count": inside, "listed": listed}
    if listed < inside:
        fields["note"] = f"Only the first {listed} of {inside} samples are listed."
    return fields | {"data": list(_listed(explanation, listed))}


def _listed(explanation: Explanation, count: int) -> Iterator[Fields]:
    grids, samples = explanation.grids, explanation.samples
    assert grids is not None
    assert samples is not None
    across, down = grids.pixel_size[0]
    columns: dict[str, list[object]] = {
        "row": samples.rows[:count].tolist(),
        "column": samples.columns[:count].tolist(),
        "x": (grids.bounds[0, 0] + (samples.columns[:count] + 0.5) * across).tolist(),
        "y": (grids.bounds[0, 3] - (samples.rows[:count] + 0.5) * down).tolist(),
    }
    inputs = {one.name: _seen(one, count) for one in explanation.inputs}
    if len(inputs) == 1:
        columns["input"] = next(iter(inputs.values()))
    elif inputs:
        columns["input"] = [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]
    if explanation.outputs:
        columns["output"] = _by_output({one.id: _rows(one.values[:, :count]) for one in explanation.outputs})
        masks = {one.id: _plain(one.mask[:count]) for one in explanation.outputs if one.mask is not None}
        columns["mask"] = _by_output(masks) if masks else [{}] * count
        columns["counts"] = _by_output({one.id: one.valid[:, :count].T.tolist() for one in explanation.outputs})
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def _seen(one: SeenInput, count: int) -> list[object]:
    """The script's input for each sample: one object for SIMPLE, otherwise one per scene; `item` is the id of the item
    that it came from."""
    if not len(one.origin):
        return [None if one.mosaicking is Mosaicking.SIMPLE else []] * count
    names = [*one.bands, "dataMask", "item"]
    ids = [*(seen.item.id for seen in one.items), None]
    scenes: list[list[Fields]] = []
    for scene in range(len(one.origin)):
        origin = one.origin[scene, :count]
        cells = [_plain(values[scene, :count]) for values in one.values]
        cells += [(origin >= 0).astype(np.int64).tolist(), [ids[row] for row in origin.tolist()]]
        scenes.append([dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)])
    if one.mosaicking is Mosaicking.SIMPLE:
        return list(scenes[0])
    return [list(row) for row in zip(*scenes, strict=True)]


def _rows(values: NDArray[np.float64]) -> list[object]:
    """(b, n) → n lists of b values."""
    return [list(row) for row in zip(*(_plain(band) for band in values), strict=True)]


def _by_output(columns: dict[str, list[object]]) -> list[object]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(values: NDArray[np.float64]) -> list[object]:
    """Numbers as JSON values, with NaN and infinities as text, as in result files."""
    numbers: list[object] = values.tolist()
    for place in np.flatnonzero(~np.isfinite(values)).tolist():
        numbers[place] = TEXTS.get(float(values[place]), "NaN")
    return numbers
