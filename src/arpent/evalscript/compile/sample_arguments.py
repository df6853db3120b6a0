"""Sample arguments: builds the arguments of evaluatePixel, with unknown numbers in known structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arpent.domain.evalscript import Evalscript, Mosaicking
from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.values import JsValue, PlainObject, SpecialValue
from arpent.evalscript.layout import Column, MemoryLayout
from arpent.evalscript.scenes import is_fusion, source_keys

_SCENE_LISTS: Mapping[Mosaicking, str] = {Mosaicking.ORBIT: "orbits", Mosaicking.TILE: "tiles"}


def pixel_arguments(evaluator: PartialEvaluator, evalscript: Evalscript, layout: MemoryLayout) -> list[JsValue]:
    """(samples, scenes, inputMetadata, customData, outputMetadata). Of the last four only the number of scenes is
    known. They are frozen: a sample cannot change them."""
    scenes: JsValue = SpecialValue.OPAQUE
    list_name = _SCENE_LISTS.get(evalscript.inputs[0].mosaicking)
    if list_name is not None and not is_fusion(evalscript):
        scenes = _scenes_of_known_number(evaluator, list_name, layout.columns[0].rows)
    return [_samples_argument(evaluator, evalscript, layout), scenes, *[SpecialValue.OPAQUE] * 3]


def _scenes_of_known_number(evaluator: PartialEvaluator, list_name: str, number: int) -> PlainObject:
    scenes = evaluator.memory.new_array((SpecialValue.OPAQUE,) * number)
    known = evaluator.memory.new_object({list_name: scenes})
    known.partial = True
    scenes.created = known.created = evaluator.memory.frozen
    return known


def _samples_argument(evaluator: PartialEvaluator, evalscript: Evalscript, layout: MemoryLayout) -> JsValue:
    """One sample object, or a list with one per scene; with several inputs, an object of lists."""
    values: list[JsValue] = []
    first_column = 0
    for entry, columns in zip(evalscript.inputs, layout.inputs, strict=True):
        rows: tuple[JsValue, ...] = tuple(
            _sample_object(evaluator, entry.bands, columns, first_column, row) for row in range(columns[0].rows)
        )
        alone = columns[0].simple and not is_fusion(evalscript)
        values.append(rows[0] if alone else evaluator.memory.new_array(rows))
        first_column += len(columns)
    if not is_fusion(evalscript):
        return values[0]
    return evaluator.memory.new_object(dict(zip(source_keys(evalscript), values, strict=True)))


def _sample_object(
    evaluator: PartialEvaluator, bands: Sequence[str], columns: Sequence[Column], first_column: int, row: int
) -> PlainObject:
    return evaluator.memory.new_object(
        {
            band: _scaled(evaluator, evaluator.graph.input(first_column + number, row), column.scale)
            for number, (band, column) in enumerate(zip(bands, columns, strict=True))
        }
    )


def _scaled(evaluator: PartialEvaluator, stored: Operation, scale: tuple[float, float]) -> Operation:
    """`stored * factor + summand` as an operation, omitting a factor of 1 and a summand of 0."""
    make, (factor, summand) = evaluator.graph.make, scale
    product = stored if factor == 1 else make("multiply", stored, evaluator.constant(float(factor)))
    return product if summand == 0 else make("add", product, evaluator.constant(float(summand)))
